"""Draws what a run can be taken home as: a line for each form, the table of their scores, what a push would send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from markupsafe import Markup

from workbench import deployed_record
from workbench.exporting.forms import Offer
from workbench.exporting.push import Sending
from workbench.ui.curve_table import plain_table
from workbench.ui.parts import badge, button, format_bytes, progress_bar, term
from workbench.ui.shown import is_share

Busy = tuple[str, str, float | None]
WORDS = (
    (
        "adapter",
        "What a method trained, apart from the base model: some hundred kilobytes in place of the whole.",
    ),
    ("folded in", "The adapter's change is added to the base's own weights: same answers, no adapter left."),
    ("torchao", "PyTorch's library for storing weights in few bits."),
    ("NF4", "Four bits a weight, with sixteen values spaced as weights usually are (QLoRA's format)."),
    ("drift", "How much the score of the test rows changed from the run as it was trained, in points."),
)


def forms_html(
    offers: Sequence[Offer],
    made: Mapping[str, Mapping[str, Any]],
    busy: Busy | None = None,
) -> Markup:
    """A line for each form; `busy` is (form, words, share) of the one that is being made."""
    first = next((offer for offer in offers if not offer.reason), None)
    lines = Markup("").join(
        _line(one, made.get(one.form.name), busy, is_first=one is first) for one in offers
    )
    return Markup('<ul class="wb-forms">{}</ul>').format(lines)


def _line(offer: Offer, made: Mapping[str, Any] | None, busy: Busy | None, *, is_first: bool) -> Markup:
    form = offer.form
    return Markup(
        '<li class="wb-deployed{}"><div><h4>{}</h4><p>{}</p>{}</div><div class="wb-deployed-does">{}</div></li>'
    ).format(
        " wb-off" if offer.reason else "",
        form.title,
        offer.reason or form.sentence,
        _facts(offer, made),
        _does(offer, made, busy, is_first),
    )


def _facts(offer: Offer, made: Mapping[str, Any] | None) -> Markup:
    if offer.reason:
        return Markup("")
    parts = [Markup("opened with {}").format(offer.form.loads)]
    if made:
        parts.append(Markup("<b>{}</b>").format(format_bytes(made["bytes"])))
        if check := made.get("check"):
            same = check["same"] == check["texts"]
            words = f"loaded back: {check['same']} of {check['texts']} {check['what']} the same"
            parts.append(badge("ok" if same else "warn", words))
    if offer.note:
        parts.append(Markup("<span>{}</span>").format(offer.note))
    return Markup('<p class="wb-deployed-facts">{}</p>').format(Markup("").join(parts))


def _does(offer: Offer, made: Mapping[str, Any] | None, busy: Busy | None, is_first: bool) -> Markup:
    name = offer.form.name
    if offer.reason:
        return Markup("")
    if busy and busy[0] == name:
        bar = progress_bar(busy[2] if busy[2] and busy[2] < 1 else None, label=busy[1])
        return Markup('<div class="wb-deployed-wait" role="status"><span>{}</span>{}</div>').format(
            busy[1], bar
        )
    words = "Make again" if made else "Make"
    kind: Literal["primary", "secondary"] = "primary" if is_first and not made else "secondary"
    return button(words, "make", name, kind=kind, disabled=busy is not None)


def scores_html(document: Mapping[str, Any] | None) -> Markup:
    """The table of what was measured; a sentence before that."""
    if document is None:
        return Markup(
            '<p class="wb-two">Not measured yet. Each form is written, loaded back with public libraries, scored on the test'
            " part and timed in turn with the others: some seconds for a small model, minutes for a large one.</p>"
        )
    heads, rows = deployed_record.table(document)
    notes = [f"{row['title']}: {row['reason']}" for row in document["forms"] if row["reason"]]
    items = Markup("").join(Markup("<li>{}</li>").format(note) for note in (*document["notes"], *notes))
    legend = Markup(
        '<p class="wb-note">{}{}, with its 95 % interval over the {:,} test rows; latency at batch 1.</p>'
    ).format(
        term("Drift", dict(WORDS)["drift"]),
        " in points" if is_share(document["metric"]) else ", more is better",
        document["rows"],
    )
    return Markup('{}{}<ul class="wb-said-notes wb-small wb-two">{}</ul>').format(
        plain_table(heads, rows, "Scores of the deployed forms"), legend, items
    )


def sending_html(sending: Sending, form: str) -> Markup:
    """What a push would send: nothing was sent."""
    rows = [(name, format_bytes(size)) for name, size in sending.files]
    rows.append(("In all", format_bytes(sending.bytes)))
    items = Markup("").join(Markup("<li>{}</li>").format(line) for line in sending.open_fields)
    todo = (
        Markup('<p>Still to be filled in on the card:</p><ul class="wb-said-notes wb-small">{}</ul>').format(
            items
        )
        if items
        else Markup("")
    )
    return Markup(
        "<p>Nothing was sent. A push of the {} would make <b>{}</b> ({}) and send these files:</p>{}{}"
        '<p class="wb-note">To send it, with a token that may write in HF_TOKEN, which is used once and not kept:</p>'
    ).format(
        form,
        sending.repo,
        "private" if sending.private else "public",
        plain_table(("File", "Size"), rows, "Files"),
        todo,
    )
