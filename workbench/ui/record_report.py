"""Rows of free text on the Data tab: prompt and completion as cards, conversations by turns, lengths of each, kinds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from workbench.ratings import is_single
from workbench.ui import parts
from workbench.ui.task_switch import RATED_ALONE, ROLES

REPLIES = ("completion", "chosen", "rejected")


def is_records(report: Mapping[str, Any]) -> bool:
    """Are the rows free text, not texts with labels?"""
    return report.get("task", "classification") != "classification"


def record_charts(report: Mapping[str, Any], model: str) -> Markup:
    """Kinds and the split, how long whole rows are, and how long each of their texts."""
    split = [(part, count) for part, count in report["parts"].items() if part != "all"]
    kinds = {kind.replace("_", " "): count for kind, count in report["kinds"].items()}
    whole = length_card(
        "Length of a row", report["lengths"], model, "per row, prompt and answer together",
        below="" if kinds else _split(split),
    )  # fmt: skip
    cards = [whole]
    if kinds:
        body = parts.label_balance(kinds, 10, "kinds") + _split(split)
        cards.insert(0, parts.card("Kinds of rows", body, aside=_aside("the table scores each kind apart")))
    for role, lengths in report["lengths_by_role"].items():
        title = ROLES.get(role, role.capitalize())
        cards.append(length_card(title, {**lengths, "limit": None}, model, f"per {title.lower()}"))
    least = 380 if len(cards) == 3 else 500
    return Markup('<div class="wb-grid" style="--least:{}px">{}</div>').format(least, Markup("").join(cards))


def _split(split: Sequence[tuple[str, int]]) -> Markup:
    if not split:
        return Markup("")
    explained = parts.term(
        "Split",
        "Training sees the first part, the second picks the best moment, and the test part, which no method has seen, gives"
        " the figures of the table.",
    )
    return Markup('<div class="wb-split-line"><span class="wb-muted">{}</span>{}</div>').format(
        explained, parts.split_bar(split)
    )


def length_card(
    title: str, lengths: Mapping[str, Any] | None, model: str, per: str, below: str | Markup = ""
) -> Markup:
    """A histogram of lengths in tokens of the model, or in words where it has none that can be loaded."""
    if not lengths:
        return Markup("")
    bins = lengths["bins"]
    width = bins[0]["to"] - bins[0]["from"]
    edges = [one["from"] for one in bins] + [bins[-1]["to"] or bins[-1]["from"] + width]
    unit = lengths["unit"]
    note = f"median {lengths['median']:,} {unit}, 95th percentile {lengths['p95']:,}, longest {lengths['longest']:,}"
    of_model = f"{unit} of {model} {per}" if unit == "tokens" else f"words {per}"
    drawing = parts.histogram([one["count"] for one in bins], edges, lengths["limit"], of_model)
    if unit != "tokens":
        drawing += Markup('<p class="wb-note">{}</p>').format(
            "Counted in words: the model’s own tokens need a model that can be loaded."
        )
    return parts.card(title, drawing + below, aside=_aside(note))


def _aside(note: str) -> Markup:
    return Markup('<span class="wb-note">{}</span>').format(note)


def record_rows(
    rows: Sequence[Mapping[str, Any]], report: Mapping[str, Any], found: int | None = None, words: str = ""
) -> Markup:
    """A few rows as they will be read: what is asked beside what shall be answered."""
    if not rows:
        return Markup('<p class="wb-pad wb-two">No row holds “{}”.</p>').format(words)
    unit = (report["lengths"] or {"unit": "tokens"})["unit"]
    cards = Markup("").join(_card(row, str(report["place"]), unit) for row in rows)
    caption = ""
    if found is not None and words:
        caption = Markup('<p class="wb-pad wb-note">{}</p>').format(
            f"{parts.format_count(found)} rows hold “{words}”."
        )
    return Markup('<ol class="wb-records">{}</ol>{}').format(cards, caption)


def _card(row: Mapping[str, Any], place: str, unit: str) -> Markup:
    facts = [f"{place} {row['line']:,}" if row.get("line") else "", row.get("part") or ""]
    facts.append(f"{row['length']:,} {unit}" if row.get("length") is not None else "")
    head = parts.join(*(fact for fact in facts if fact), between=", ")
    kind = row.get("kind")
    chip = Markup('<span class="wb-kind">{}</span>').format(str(kind).replace("_", " ")) if kind else ""
    body = _asked(row) + Markup("").join(_reply(row, role) for role in REPLIES if role in row)
    if "prompt" not in row:
        body = _text("", str(row["text"]))
    return Markup(
        '<li><div class="wb-record-head wb-note">{}{}</div><div class="wb-record">{}</div></li>'
    ).format(head, chip, body)


def _asked(row: Mapping[str, Any]) -> Markup:
    """The prompt, or all turns before the answer by who said them."""
    turns = row.get("messages")
    if not turns:
        return _text(ROLES["prompt"], str(row.get("prompt", "")))
    said = Markup("").join(
        Markup(
            '<div class="wb-turn"><span class="wb-muted">{}</span><div class="wb-words" translate="no">{}</div></div>'
        ).format(turn["role"], turn["content"])
        for turn in turns
    )
    return Markup('<div class="wb-asked"><div class="wb-record-name">{}</div>{}</div>').format(
        "Conversation", said
    )


def _reply(row: Mapping[str, Any], role: str) -> Markup:
    more = Markup("")
    if role == "completion":
        others = [text for text in row.get("references") or () if text != row[role]]
        if others:
            listed = Markup("").join(Markup('<li translate="no">{}</li>').format(text) for text in others)
            more += Markup(
                '<details class="wb-references"><summary>{}</summary><ul>{}</ul></details>'
            ).format(
                "1 more reference counts as right"
                if len(others) == 1
                else f"{len(others)} more references count as right",
                listed,
            )
        if row.get("answer"):
            more += Markup(
                '<div class="wb-note">Bare answer: <span class="wb-mono" translate="no">{}</span></div>'
            ).format(row["answer"])
    name = RATED_ALONE[role] if is_single(row) else ROLES[role]
    return _text(name, str(row[role]), "wb-replied", more)


def _text(name: str, words: str, classes: str = "wb-asked", more: str | Markup = "") -> Markup:
    return Markup(
        '<div class="{}"><div class="wb-record-name">{}</div><div class="wb-words" translate="no">{}</div>{}</div>'
    ).format(classes, name, words, more)
