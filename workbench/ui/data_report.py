"""The doctor's report as HTML: faults with their fixes, label balance, lengths, first rows and fingerprint. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from workbench.data import FIXES
from workbench.ui import parts, record_report


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
    "mix_formats": "Each row read by its own format",
    "merge_turns": "Neighbouring turns of one role joined",
    "drop_broken": "Rows that can't be read dropped",
    "mend_mojibake": "Damaged letters mended",
    "drop_copies": "Rows whose answer repeats the question dropped",
    "drop_equal": "Pairs with two equal answers dropped",
    "drop_unfilled": "Rows with unfilled places dropped",
    "drop_rare": "Labels with too few rows dropped",
    "rebalance": "Training part balanced: every label as often as the rarest",
}


def charts(report: Mapping[str, Any], model: str) -> Markup:
    """Label balance with the split, and how long the texts are; for free text its kinds and the lengths of each part."""
    if record_report.is_records(report):
        return record_report.record_charts(report, model) if report["lengths"] else Markup("")
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
        parts.card("Label balance", balance, aside=_aside(note)),
        record_report.length_card("Length", report["lengths"], model, "per row"),
    )


def _aside(note: str) -> Markup:
    return Markup('<span class="wb-note">{}</span>').format(note)


def first_rows(
    rows: Sequence[Mapping[str, Any]], report: Mapping[str, Any], found: int | None = None, words: str = ""
) -> Markup:
    """A few rows as they will be read. `found` counts those that hold the searched words."""
    if record_report.is_records(report):
        return record_report.record_rows(rows, report, found, words)
    unit = (report["lengths"] or {"unit": "tokens"})["unit"]
    numbered = any(row.get("line") for row in rows)
    head = [report["place"]] if numbered else []
    cells = Markup("").join(_row(row, unit, numbered) for row in rows)
    if not rows:
        return Markup('<p class="wb-pad wb-two">No row holds “{}”.</p>').format(words)
    titles = [*head, report["text"] or "text", report["label"] or "label", unit, "split"]
    heads = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(
            Markup(' class="wb-num"')
            if title in (unit, report["place"])
            else Markup(' translate="no"') * (title in (report["text"], report["label"])),
            title,
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
        '<tr>{}<td class="wb-narrow-3 wb-row-text" translate="no">{}</td><td data-label="label"><span translate="no">{}</span></td>'
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
    if record_report.is_records(report):
        return Markup("as the model will read them, before the template is put around them")
    return Markup(
        'text from column <span class="wb-mono" translate="no">{}</span>, label from column <span class="wb-mono" translate="no">{}</span>'
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
