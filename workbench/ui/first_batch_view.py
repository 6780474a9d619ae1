"""The first training batch as the model sees it: every token, and which of them the loss is on. On demand, in a sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import gradio as gr
from markupsafe import Markup, escape

from workbench import templates
from workbench.ui import asking, parts, sheet
from workbench.ui.context import QUIET, PageContext, say_errors, sentence_of
from workbench.ui.controls import html_block
from workbench.ui.frame import model_title
from workbench.ui.live_plan import current_plan
from workbench.ui.owner import owner_of
from workbench.ui.plan import Plan, setting_value
from workbench.ui.plan_task import task_options_of
from workbench.ui.sheet import draw_sheet

Updates = dict[Any, Any]
TITLE = "The first batch as the model sees it"
SHOWN_ROWS = 4
HASH_WORDS = (
    "A short code made from the template’s text. Runs are compared only when it is equal: laid out in another way it is"
    " another task for the model."
)
GIVEN, LEARNT, PADDING = "read, not learnt", "learnt: the loss is on it", "padding: skipped"


def draw_first_batch(at: dict[str, Any]) -> None:
    with gr.Column(elem_classes="wb-batch-ask"):
        at["show_batch"] = gr.Button("Show the first batch", size="sm", elem_classes="wb-tool")
        html_block('<p class="wb-note">Every token as the model gets it, and which of them it learns.</p>')
    at["batch"] = draw_sheet()


def wire_first_batch(context: PageContext, at: dict[str, Any]) -> None:
    shown = at["batch"]

    @say_errors
    def show_first_batch(plan: Plan, request: gr.Request) -> Iterator[Updates]:
        plan, owner = current_plan(plan, request), owner_of(request)
        data = plan["data"]
        if data is None:
            raise ValueError("The plan has no data yet: choose some on the Data tab.")
        yield sheet.opened(shown, TITLE, "", _working(plan))
        try:
            max_length = setting_value(plan, "max_length")
            asked = {**data, "task": plan["task"]}
            spec = asking.look_at_data(context.store, asked, plan["model"], max_length, owner)["spec"]
            if spec is None:
                raise ValueError(
                    "The data can’t be trained on yet: the doctor’s report on the Data tab says why."
                )
            batch = asking.first_batch(
                context.store, spec["fingerprint"], plan["task"], task_options_of(plan), spec["labels"],
                plan["model"], max_length, setting_value(plan, "batch_size"), plan["seeds"][0],
            )  # fmt: skip
        except Exception as error:
            yield sheet.opened(
                shown, TITLE, "", parts.notice("fail", "There is no batch to show", sentence_of(error))
            )
            return
        yield sheet.opened(shown, TITLE, "", batch_body(batch, plan), note=batch_note(batch))

    @say_errors
    def close_first_batch(event: gr.EventData) -> Updates:
        return sheet.closed(shown) if event.action == sheet.CLOSE else {}

    at["show_batch"].click(show_first_batch, context.plan, shown.outputs, trigger_mode="once", **QUIET)
    shown.head.action(close_first_batch, None, shown.outputs, trigger_mode="once", **QUIET)


def _working(plan: Plan) -> Markup:
    words = f"Cutting the first rows into tokens of {model_title(plan['model'])}"
    bar = parts.progress_bar(None, label=words)
    return Markup('<div class="wb-sheet-body">{}{}</div>').format(parts.notice("busy", words), bar)


def batch_note(batch: Mapping[str, Any]) -> str:
    learnt = f"{batch['learnt']:,} of them learnt" if batch["learnt"] else "one label each"
    return f"{_counted(batch['count'], 'row')}, {_counted(batch['tokens'], 'token')}, {learnt}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def batch_body(batch: Mapping[str, Any], plan: Plan) -> Markup:
    """Words, legend and rows; the rows after the first few are folded."""
    longest = (batch["tokens"] + batch["padding"]) // max(1, batch["count"])
    rows = [_row(number, row, longest) for number, row in enumerate(batch["rows"], 1)]
    more = Markup("")
    if rows[SHOWN_ROWS:]:
        more = Markup('<details class="wb-more"><summary>{} of this batch</summary>{}</details>').format(
            _counted(len(rows) - SHOWN_ROWS, "more row"), Markup("").join(rows[SHOWN_ROWS:])
        )
    return Markup('<div class="wb-sheet-body wb-batch"><p>{}</p>{}{}<div>{}{}</div></div>').format(
        _sentence(batch), _template(batch, plan), _legend(batch), Markup("").join(rows[:SHOWN_ROWS]), more
    )


def _sentence(batch: Mapping[str, Any]) -> str:
    common = "Rows of like length stand in one batch. "
    if batch["learnt"]:
        return (
            common
            + "The model reads each row from left to right; its weights move only to make the marked tokens likelier."
        )
    return (
        common
        + "The model reads all of a row; its weights move to make the label likelier, no token is learnt."
    )


def _template(batch: Mapping[str, Any], plan: Plan) -> Markup:
    if not batch["template_hash"]:
        return Markup("")
    return template_line(str(task_options_of(plan).get("template", "plain")), str(batch["template_hash"]))


def template_line(template: str, template_hash: str) -> Markup:
    """Which template it is, with the hash that enters the setting."""
    name = template if template in templates.NAMES else "your own text"
    return Markup(
        '<p class="wb-note">Template <span class="wb-strong">{}</span>, {} <span class="wb-mono">{}</span></p>'
    ).format(name, parts.term("hash", HASH_WORDS), template_hash)


def _legend(batch: Mapping[str, Any]) -> Markup:
    kinds = [("", GIVEN)]
    kinds += [("wb-learnt", LEARNT)] if batch["learnt"] else []
    kinds += [("wb-padding", PADDING)] if batch["padding"] else []
    return Markup('<ul class="wb-legend">{}</ul>').format(
        Markup("").join(
            Markup('<li><span class="wb-token {}" aria-hidden="true">{}</span>{}</li>').format(
                kind, "" if kind == "wb-padding" else "abc", words
            )
            for kind, words in kinds
        )
    )


def _row(number: int, row: Mapping[str, Any], longest: int) -> Markup:
    tokens: Sequence[Mapping[str, Any]] = row["tokens"]
    learnt = sum(bool(token["loss"]) for token in tokens)
    said = [_counted(len(tokens), "token")]
    said += [f"{learnt:,} learnt"] if learnt else []
    empty = longest - len(tokens)
    label = Markup("")
    if row["label"] is not None:
        label = Markup('<div class="wb-batch-label">to be answered: <b translate="no">{}</b></div>').format(
            row["label"]
        )
    return Markup(
        '<section class="wb-batch-row"><div class="wb-note">Row {}, {}{}</div><p class="wb-tokens" translate="no">{}{}</p>{}</section>'
    ).format(
        number,
        ", ".join(said),
        Markup(" {}").format(parts.badge("warn", "cut at the longest input")) if row["cut"] else "",
        Markup("").join(
            _run(list(run), loss) for loss, run in groupby(tokens, key=lambda token: bool(token["loss"]))
        ),
        _padding(empty) if empty > 0 else "",
        label,
    )


def _run(tokens: Sequence[Mapping[str, Any]], learnt: bool) -> Markup:
    """Neighbours of one kind: a screen reader hears once what they are."""
    texts = Markup("").join(
        Markup('<span class="wb-token{}">{}</span>').format(
            " wb-learnt" if learnt else "", _visible(token["text"])
        )
        for token in tokens
    )
    spoken = Markup('<span class="wb-hidden" translate="yes">{}: </span>').format(
        "learnt" if learnt else "read"
    )
    return Markup("<{0}>{1}{2}</{0}>").format(Markup("ins" if learnt else "span"), spoken, texts)


def _visible(text: str) -> Markup:
    """Line ends and tabs are shown by signs, and lines still end there."""
    if not text:
        return Markup('<span class="wb-muted">·</span>')
    shown = escape(text)
    shown = shown.replace("\t", Markup('<span class="wb-sign">⇥</span>\t'))
    return shown.replace("\n", Markup('<span class="wb-sign">↵</span>\n'))


def _padding(count: int) -> Markup:
    return Markup('<span class="wb-token wb-padding" translate="yes">{} of padding</span>').format(
        _counted(count, "token")
    )
