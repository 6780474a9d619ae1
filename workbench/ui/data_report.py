"""The Data tab as HTML: welcome, ready-made comparisons, data sets to choose, and the doctor's report. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from workbench import registry
from workbench.data import FIXES, BundledCard
from workbench.presets import Preset
from workbench.spec import Budget
from workbench.ui import parts
from workbench.ui.frame import budget_words, data_title, model_title

_NUMBERS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip

_LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "zh": "Chinese"}


def welcome(preset: Preset, card: BundledCard | None, busy: str = "") -> Markup:
    """What the page is for, and the one button that shows it."""
    go = (
        parts.badge("busy", busy)
        if busy
        else parts.button(
            "Run the quickstart", "run", preset.name, kind="primary", small=False, icon_name="play"
        )
    )
    return Markup(
        '<section class="wb-card wb-hero"><div><h1>Which fine-tuning method should you use?</h1>'
        '<p class="wb-lead">Bring your data, tick the methods, and read one fair, measured table: {trainable},'
        " {memory}, {latency}, accuracy, each with its {error}.</p>"
        '<div class="wb-hero-go">{go}<span class="wb-two wb-small">{description}<br>'
        '<span class="wb-muted">{needs}</span></span></div></div><ol class="wb-steps">{steps}</ol></section>'
    ).format(
        trainable=parts.term(
            "trainable parameters",
            "The weights that training may change. Some methods change all of them, others less than one in a thousand.",
        ),
        memory=parts.term(
            "memory", "The most that training held at any moment: what your machine must have."
        ),
        latency=parts.term("latency", "How long the trained model takes to answer one text."),
        error=parts.term(
            "error bar",
            "How far the figure might lie off by chance. It needs several seeds: the same training started from other"
            " random numbers.",
        ),
        go=go,
        description=_size(preset),
        needs="no network, no GPU, nothing to install",
        steps=Markup("").join(
            Markup("<li><b>{}</b><div>{}</div></li>").format(number, step)
            for number, step in enumerate(_steps(preset, card), 1)
        ),
    )


def shared_notice(sentence: str) -> Markup:
    return parts.notice("busy", "A shared page", sentence)


def _size(preset: Preset) -> Markup:
    runs = len(preset.methods) * len(preset.seeds)
    return Markup("<b>{}</b> of {} each").format(
        f"{runs} runs", budget_words(preset.setting.get("budget", Budget()))
    )


def _steps(preset: Preset, card: BundledCard | None) -> Iterable[Markup]:
    rows = f"{parts.format_count(card.total_rows)} {card.title.lower()}" if card else preset.data["source"]
    count, seeds = len(preset.methods), len(preset.seeds)
    yield Markup("<strong>Takes</strong> {} and {}, both in the box").format(rows, model_title(preset.model))
    yield Markup('<strong>Trains</strong> {} with {}, several at a time<div class="wb-row">{}</div>').format(
        _counted(count, "method"),
        _counted(seeds, "seed") + (" each" if count > 1 else ""),
        _method_chips(preset),
    )
    yield Markup("<strong>Measures</strong> memory, latency and accuracy on rows nobody trained on")
    yield Markup("<strong>Opens</strong> the comparison. You can cancel at any time and keep what is done")


def _method_chips(preset: Preset) -> Markup:
    names = dict.fromkeys(line.method for line in preset.methods)
    methods = [registry.method(name) for name in names]
    return Markup("").join(parts.chip(method.family, method.title) for method in methods)


def _counted(number: int, noun: str) -> str:
    word = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f"{word} {noun}{'' if number == 1 else 's'}"


def ready_made(presets: Sequence[Preset], busy: str = "") -> Markup:
    """Every other comparison that ships, each to run or to open as a plan."""
    rows = (
        Markup(
            '<li><div class="wb-grow"><span class="wb-strong">{}</span>{}<div class="wb-two wb-small">{}</div>'
            '<div class="wb-note">{}</div></div>{}{}</li>'
        ).format(
            preset.title,
            parts.badge("warn", "needs the Hub") if preset.needs_hub else "",
            preset.description,
            f"{data_title(str(preset.data['source']))}, {model_title(preset.model)}, {_runs(preset)}",
            parts.button("Open in Methods", "open", preset.name),
            parts.badge("busy", "queueing")
            if busy == preset.name
            else parts.button("Run", "run", preset.name),
        )
        for preset in presets
    )
    return Markup(
        '<details class="wb-ready"><summary>More ready-made comparisons<span class="wb-muted">{}</span></summary>'
        "<ul>{}</ul></details>"
    ).format(len(presets), Markup("").join(rows))


def _runs(preset: Preset) -> str:
    number = len(preset.methods) * len(preset.seeds)
    return f"{number} run{'' if number == 1 else 's'}"


def bundled_cards(cards: Sequence[BundledCard], chosen: str | None) -> Markup:
    return Markup('<div class="wb-sources" role="group" aria-label="Bundled data sets">{}</div>').format(
        Markup("").join(_bundled_card(card, card.name == chosen) for card in cards)
    )


def _bundled_card(card: BundledCard, chosen: bool) -> Markup:
    language = _LANGUAGES.get(card.language, card.language)
    facts = [f"{parts.format_count(card.total_rows)} rows", language, f"{len(card.labels)} labels"]
    return Markup(
        '<button type="button" class="wb-source{on}" data-action="choose" data-key="{name}" aria-pressed="{pressed}">'
        '<span class="wb-source-head"><span class="wb-strong">{name}</span>{badge}</span>'
        '<span class="wb-note">{facts}</span><span class="wb-two wb-small">{summary}</span>'
        '<span class="wb-note wb-source-task">{task}</span></button>'
    ).format(
        on=" wb-on" if chosen else "",
        pressed=str(chosen).lower(),
        name=card.name,
        badge=parts.badge("ok", "chosen") if chosen else "",
        facts=", ".join(fact for fact in facts if fact),
        summary=card.summary,
        task=card.task,
    )


def working(what: str, before: Markup | str = "") -> Markup:
    """Work goes on: what it is, above what was shown before."""
    return Markup('{}<div class="wb-dim" aria-hidden="true">{}</div>').format(
        parts.notice("busy", what, "The first time takes some seconds longer: the libraries are loaded."),
        before,
    )


def nothing_chosen() -> Markup:
    return parts.empty_state(
        "No data chosen yet.",
        "Choose a bundled data set above or bring a file: the doctor then says what is in it and what is wrong with it.",
    )


def refused(sentence: str) -> Markup:
    return parts.notice("fail", "This data set can't be read", sentence)


def report_card(report: Mapping[str, Any], title: str, applied: Sequence[str] = ()) -> Markup:
    """Faults with place, fix and consequence; what passed is counted. `applied` are the fixes that the reader chose."""
    fixable = [fault for fault in report["faults"] if fault["fix"] and fault["severity"] == "fix"]
    bad = sum(1 for fault in report["faults"] if fault["severity"] == "fix")
    look = len(report["faults"]) - bad
    passed = len(report["passed"])
    every = "Apply both fixes" if len(fixable) == 2 else f"Apply all {len(fixable)} fixes"
    badges = [
        parts.badge("fail", f"{bad} to fix") if bad else "",
        parts.badge("warn", f"{look} to look at") if look else "",
        Markup('<span title="{}">{}</span>').format(
            "; ".join(report["passed"]),
            parts.badge("ok", f"{passed} check{'' if passed == 1 else 's'} passed"),
        )
        if passed
        else "",
        parts.button(every, "fix-all", kind="primary") if len(fixable) > 1 else "",
    ]
    rows = [_fault(fault, report["place"]) for fault in report["faults"]]
    rows += [_applied(fix) for fix in report["fixes"] if fix in applied]
    if not rows:
        rows = [Markup('<p class="wb-two">Nothing to mend.</p>')]
    said = [
        *report["notes"],
        *(["Training waits until what is marked “fix” is mended."] if report["blocks"] else []),
    ]
    notes = Markup("").join(Markup('<p class="wb-note">{}</p>').format(note) for note in said)
    return Markup(
        '<section class="wb-card wb-doctor"><div class="wb-head"><h2>Doctor’s report</h2><span class="wb-muted">{}</span>'
        '<span class="wb-space"></span>{}</div>{}{}</section>'
    ).format(
        f"{title}, {parts.format_count(report['rows'])} rows" if report["rows"] else title,
        parts.join(*badges),
        Markup("").join(rows),
        notes,
    )


def _fault(fault: Mapping[str, Any], place: str) -> Markup:
    lines, count = fault["lines"], fault["count"] or len(fault["lines"])
    where = f"{place} {lines[0]:,}" if count == 1 and lines else f"{count:,} {place}s" if count else ""
    detail = str(fault["detail"])
    listed = f"{place.capitalize()}s {_listed(lines, count)}. " if count > 1 and lines else ""
    if fault["field"]:
        listed = f"Column {fault['field']}. {listed}"
    if fault["file"]:
        listed = f"{fault['file']}. {listed}"
    kind, word = ("fail", "fix") if fault["severity"] == "fix" else ("warn", "look")
    button = Markup("")
    if fault["fix"]:
        button = parts.button(fault["fix_label"] or "Fix", "fix", fault["fix"])
    elif fault["setting"]:
        (name, value), *_ = fault["setting"].items()
        button = parts.button(fault["fix_label"] or f"Use {value}", "setting", f"{name}={value}")
    return Markup(
        '<div class="wb-fault"><span class="wb-mono wb-muted wb-fault-place">{}</span>{}'
        '<div class="wb-grow"><div>{}</div><div class="wb-note">{}{}</div></div>{}</div>'
    ).format(where, parts.badge(kind, word), fault["title"], listed, detail, button)  # type: ignore[arg-type]


def _listed(lines: Sequence[int], count: int, most: int = 6) -> str:
    shown = ", ".join(f"{line:,}" for line in lines[:most])
    more = max(count, len(lines)) - min(len(lines), most)
    return f"{shown} and {more:,} more" if more > 0 else shown


def _applied(fix: str) -> Markup:
    return Markup(
        '<div class="wb-fault"><span class="wb-fault-place"></span>{}<div class="wb-grow"><div>{}</div>'
        '<div class="wb-note">Recorded in the setting as {}.</div></div>{}</div>'
    ).format(parts.badge("ok", "done"), fix_title(fix), fix, parts.button("Undo", "undo", fix))


def fix_title(fix: str) -> str:
    if fix.startswith("rename:"):
        from urllib.parse import unquote

        old, new = (unquote(name) for name in fix.removeprefix("rename:").split("="))
        return f"Label “{old}” renamed to “{new}”"
    return _FIX_TITLES.get(fix) or FIXES[fix][1]


_FIX_TITLES = {
    "strip_html": "HTML stripped from the texts",
    "normalise_space": "White space tidied",
    "normalise_labels": "Labels that differ in spelling made one",
    "drop_empty": "Rows with an empty cell dropped",
    "drop_conflicting": "Texts with two labels dropped",
    "drop_duplicates": "Repeated rows dropped, the first of each kept",
    "drop_overlap": "Rows of train that stand in the test part dropped",
    "drop_rare": "Labels with too few rows dropped",
    "rebalance": "Training part balanced: every label as often as the rarest",
}


def charts(report: Mapping[str, Any], model: str) -> Markup:
    """Label balance with the split, and how long the texts are."""
    if not report["labels"]:
        return Markup("")
    majority = report["majority"]
    split = [(part, count) for part, count in report["parts"].items() if part != "all"]
    balance = parts.label_balance(report["labels"])
    if split:
        balance += Markup('<div class="wb-split-line"><span class="wb-muted">{}</span>{}</div>').format(
            parts.term(
                "Split",
                "Training sees the first part, the second picks the best moment, and the test part, which no method"
                " has seen, gives the figures of the table.",
            ),
            parts.split_bar(split),
        )
    note = f"always guessing “{majority['label']}” scores {parts.format_score(majority['share'])} %"
    return Markup('<div class="wb-grid" style="--least:420px">{}{}</div>').format(
        parts.card("Label balance", balance, aside=_aside(note)), _length_card(report["lengths"], model)
    )


def _length_card(lengths: Mapping[str, Any] | None, model: str) -> Markup:
    if not lengths:
        return Markup("")
    bins = lengths["bins"]
    width = bins[0]["to"] - bins[0]["from"]
    edges = [one["from"] for one in bins] + [bins[-1]["to"] or bins[-1]["from"] + width]
    unit = lengths["unit"]
    note = f"median {lengths['median']:,} {unit}, 95th percentile {lengths['p95']:,}, longest {lengths['longest']:,}"
    of_model = f"{unit} of {model} per row" if unit == "tokens" else "words per row"
    drawing = parts.histogram([one["count"] for one in bins], edges, lengths["limit"], of_model)
    if unit != "tokens":
        drawing += Markup('<p class="wb-note">{}</p>').format(
            "Counted in words: the model’s own tokens need a model that can be loaded."
        )
    return parts.card("Length", drawing, aside=_aside(note))


def _aside(note: str) -> Markup:
    return Markup('<span class="wb-note">{}</span>').format(note)


def first_rows(
    rows: Sequence[Mapping[str, Any]], report: Mapping[str, Any], found: int | None = None, words: str = ""
) -> Markup:
    """A few rows as they will be read. `found` counts those that hold the searched words."""
    unit = (report["lengths"] or {"unit": "tokens"})["unit"]
    numbered = any(row.get("line") for row in rows)
    head = [report["place"]] if numbered else []
    cells = Markup("").join(_row(row, unit, numbered) for row in rows)
    if not rows:
        return Markup('<p class="wb-pad wb-two">No row holds “{}”.</p>').format(words)
    titles = [*head, report["text"] or "text", report["label"] or "label", unit, "split"]
    heads = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(
            Markup(' class="wb-num"') if title in (unit, report["place"]) else "", title
        )
        for title in titles
    )
    caption = "" if found is None or not words else f"{parts.format_count(found)} rows hold “{words}”."
    return Markup(
        '<div class="wb-scroll"><table class="wb-table wb-rows"><thead><tr>{}</tr></thead><tbody>{}</tbody>{}</table></div>'
    ).format(heads, cells, Markup("<caption>{}</caption>").format(caption) if caption else "")


def _row(row: Mapping[str, Any], unit: str, numbered: bool) -> Markup:
    length = row.get("length")
    return Markup(
        '<tr>{}<td class="wb-narrow-3 wb-row-text">{}</td><td data-label="label">{}</td>'
        '<td class="wb-num" data-label="{}">{}</td><td class="wb-muted" data-label="split">{}</td></tr>'
    ).format(
        Markup('<td class="wb-num wb-muted wb-narrow-0">{}</td>').format(parts.format_count(row.get("line")))
        if numbered
        else "",
        row["text"],
        row["label"],
        unit,
        parts.format_count(length),
        row.get("part") or "",
    )


def rows_head(report: Mapping[str, Any]) -> Markup:
    """The title of the rows, and which columns were taken."""
    return Markup(
        '<div class="wb-rows-title"><h3 class="wb-h3">First rows</h3><span class="wb-note">{}</span></div>'
    ).format(_columns_line(report))


def _columns_line(report: Mapping[str, Any]) -> Markup:
    if not report["text"]:
        return Markup("")
    return Markup(
        'text from column <span class="wb-mono">{}</span>, label from column <span class="wb-mono">{}</span>'
    ).format(report["text"], report["label"])


def fingerprint_line(report: Mapping[str, Any] | None) -> Markup:
    if not report or not report["fingerprint"]:
        return Markup("")
    print_ = str(report["fingerprint"])
    shown = " ".join(print_[at : at + 4] for at in range(0, 12, 4))
    return Markup(
        '<p class="wb-note">{} <span class="wb-mono">{}</span>: two runs are compared only when it is equal.</p>'
    ).format(
        parts.term(
            "Fingerprint",
            "A short code made from every row and the split: any change in the data changes it.",
        ),
        shown,
    )
