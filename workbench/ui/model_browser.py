"""The models to begin with, on a sheet of the Methods tab: embedded ones with their cards, and this store's earlier runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from workbench import registry
from workbench.home import shipped
from workbench.result import Run
from workbench.sources import ModelCard, embedded
from workbench.ui import parts, sheet
from workbench.ui.frame import data_title, model_title
from workbench.ui.sheet import Sheet, Updates

USE, CARD, ALL = "model", "card", "all"
MANY = 6
SHOWN_RUNS = 30
TITLE = "Models to begin with"


def open_list(at: Sheet, runs: Sequence[Run], chosen: str) -> Updates:
    """The sheet with all of them."""
    many = len(embedded()) + len(runs) > MANY
    note = "Those in the box, and what was trained here before. A Hub id or a folder is named on the left."
    return sheet.opened(at, TITLE, "", list_html(embedded(), runs, chosen), note=note, find=many)


def list_html(cards: Sequence[ModelCard], runs: Sequence[Run], chosen: str, words: str = "") -> Markup:
    """Newest run first; only what has every one of `words`."""
    wanted = words.casefold().split()
    models = [card for card in cards if all(word in _searched(card) for word in wanted)]
    kept = [run for run in reversed(runs) if all(word in _run_searched(run) for word in wanted)]
    if wanted and not models and not kept:
        return parts.empty_state(f"No model has “{words.strip()}”.", "Clear the search to see all.")
    blocks = (
        [_group("Embedded models", [_card(card, card.ref == chosen) for card in models])] if models else []
    )
    if kept:
        drawn = [_run(run, f"run:{run.id}" == chosen) for run in kept[:SHOWN_RUNS]]
        more = len(kept) - len(drawn)
        blocks.append(
            _group("Earlier runs", drawn, f"{more} older ones: search, or name one under Run" if more else "")
        )
    elif not wanted:
        blocks.append(
            parts.empty_state(
                "No earlier run yet.", "A finished run can be trained on from: it will stand here."
            )
        )
    return Markup('<div class="wb-sheet-body">{}</div>').format(Markup("").join(blocks))


def _group(title: str, cards: Sequence[Markup], note: str = "") -> Markup:
    return Markup(
        '<h3 class="wb-h3">{}</h3><div class="wb-sets">{}</div><div class="wb-note">{}</div>'
    ).format(title, Markup("").join(cards), note)


def _searched(card: ModelCard) -> str:
    return f"{card.name} {card.title} {card.summary} {card.kind} {architecture_words(card)} {' '.join(tasks_of(card))}".casefold()


def _run_searched(run: Run) -> str:
    setting = run.spec.setting
    return f"{run.label} {run.id} {setting.model} {setting.task} {setting.data.source} seed {run.spec.seed}".casefold()


def _card(card: ModelCard, chosen: bool) -> Markup:
    facts = f"{card.kind}, {parts.format_count(card.parameters)} weights, {parts.format_bytes(card.bytes)}"
    return _entry(
        card.ref,
        card.title,
        facts,
        card.summary,
        f"For {' and '.join(tasks_of(card))}",
        chosen,
        parts.button(_spoken("About", card.title), CARD, card.name, kind="quiet"),
    )


def _run(run: Run, chosen: bool) -> Markup:
    setting = run.spec.setting
    facts = f"{setting.task} on {data_title(setting.data.source)}, seed {run.spec.seed}, {run.id[:6]}"
    return _entry(
        f"run:{run.id}", run.label, facts, f"From {model_title(setting.model)}", score_words(run), chosen
    )


def _entry(
    ref: str, title: str, facts: str, words: str, foot: str, chosen: bool, more: str | Markup = ""
) -> Markup:
    return Markup(
        '<article class="wb-set{on}" data-model="{ref}"><div class="wb-source-head"><h3 class="wb-strong">{title}</h3>{badge}</div>'
        '<div class="wb-note">{facts}</div><p class="wb-two wb-small">{words}</p>'
        '<div class="wb-set-foot"><span class="wb-note wb-grow">{foot}</span>{more}{use}</div></article>'
    ).format(
        on=" wb-on" if chosen else "",
        ref=ref,
        title=title,
        badge=parts.badge("ok", "chosen") if chosen else "",
        facts=facts,
        words=words,
        foot=foot,
        more=more,
        use=parts.button(_spoken("Use", title), USE, ref),
    )


def _spoken(label: str, name: str) -> Markup:
    """Many buttons are called the same: a screen reader also says of what."""
    return Markup('{}<span class="wb-hidden"> {}</span>').format(label, name)


def score_words(run: Run) -> str:
    """The main score of a run, or nothing."""
    task = registry.tasks().get(run.spec.setting.task)
    metrics = run.result.metrics if run.result else {}
    name = next((name for name in (task.metrics if task else ()) if metrics.get(name) is not None), None)
    if name is None:
        return ""
    from workbench.metric import metric

    return f"{metric(name).title} {parts.format_value(metrics[name], metric(name).format)}"


def tasks_of(card: ModelCard) -> list[str]:
    """Titles of the tasks that it can serve: one that writes text needs a decoder."""
    return [
        task.title.lower()
        for task in registry.tasks().values()
        if card.kind == "decoder" or "CausalLM" not in task.model_class
    ]


def open_card(at: Sheet, name: str) -> Updates:
    """The sheet about one embedded model. ValueError if there is none of that name."""
    card = next((one for one in embedded() if one.name == name), None)
    if card is None:
        raise ValueError(f"There is no embedded model called {name!r:.60}.")
    readme = (_folder(card) / "README.md").read_text(encoding="utf-8")
    buttons = Markup("{}{}").format(
        parts.button("All models", ALL),
        parts.button(_spoken("Use", card.title), USE, card.ref, kind="primary"),
    )
    body = Markup('<div class="wb-sheet-body">{}</div>').format(parts.fact_list(card_facts(card)))
    return sheet.opened(at, card.title, buttons, body, readme, note=f"For {' and '.join(tasks_of(card))}")


def card_facts(card: ModelCard) -> list[tuple[str, str]]:
    """What it is, and, where its pretraining was written down, how it came to be."""
    report = _read(_folder(card) / "pretraining.json")
    facts = [
        ("Type", f"{card.kind}, {architecture_words(card)}"),
        ("Size", f"{parts.format_count(card.parameters)} weights, {parts.format_bytes(card.bytes)}"),
        ("Blocks", f"{card.layers}, {card.width} wide, {card.heads} heads"),
        ("Vocabulary", parts.format_count(card.vocabulary)),
        ("Longest input", f"{parts.format_count(card.longest_input)} tokens"),
        ("Bias terms", "yes" if card.bias_terms else "none"),
        ("Chat template", "yes" if (_folder(card) / "chat_template.jinja").is_file() else ""),
        ("Tokens seen", parts.format_count(report.get("tokens_in_all"))),
        ("Held-out text", heldout_words(report.get("heldout") or {})),
        ("Trained for", parts.format_seconds(report.get("seconds"))),
        ("Trained on", str((report.get("environment") or {}).get("device", ""))),
        ("Seed", str(report.get("seed", ""))),
        ("Licence", card.license),
    ]
    return [(name, value) for name, value in facts if value]


def heldout_words(heldout: Mapping[str, Mapping[str, Any]]) -> str:
    """Each source with the score that goes with what the model was trained for."""
    words = []
    for name, found in heldout.items():
        if found.get("exact_match") is not None:
            words.append(f"{name} {parts.format_score(found['exact_match'])} % right")
        elif found.get("bits_per_byte") is not None:
            words.append(f"{name} {found['bits_per_byte']:.3f} bits per byte")
        else:
            words.append(f"{name} {parts.format_score(found['token_accuracy'])} % of hidden tokens")
    return ", ".join(words)


def architecture_words(card: ModelCard) -> str:
    """`qwen2`, or `qwen3_moe with 8 experts`."""
    config = _read(_folder(card) / "config.json")
    experts = config.get("num_experts") or config.get("num_local_experts")
    kind = str(config.get("model_type", ""))
    return f"{kind} with {experts} experts" if experts else kind


def _folder(card: ModelCard) -> Path:
    return shipped("assets") / "models" / card.name


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
