"""The task's own part of a setting as a form, drawn from its options class; and whether model and data can take it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import registry
from workbench.ui import asking, form, parts
from workbench.ui.context import QUIET, PageContext, say_errors, sentence_of
from workbench.ui.controls import html_block
from workbench.ui.first_batch_view import template_line
from workbench.ui.live_plan import change_plan, current_plan
from workbench.ui.method_counts import Updates, counted, plan_outputs
from workbench.ui.plan import Plan
from workbench.ui.plan_task import change_task_options, task_options_of


def draw_task_form(at: dict[str, Any]) -> None:
    at["task_form"] = form.option_form()
    # Apart from the note on what is in the plan: a refused value is not, and must stay said.
    at["task_refused"] = html_block("")
    at["task_note"] = html_block("")


def task_form(plan: Plan) -> dict[str, Any]:
    """The form of the plan's task; empty where it asks for nothing."""
    task = registry.task(plan["task"])
    if not form.asked_of(task.options):
        return form.redraw(Markup(""))
    return form.redraw(
        Markup(
            '<hr><h3 class="wb-h3">{}</h3><p class="wb-note wb-task-note">{} The same for every run.</p>{}'
        ).format(task.title, task.sentence, form.form_html(task.name, task.options, task_options_of(plan)))
    )


def wire_task_form(context: PageContext, at: dict[str, Any]) -> None:
    outputs = [*plan_outputs(context, at), at["task_refused"]]

    @say_errors
    def take_task_option(
        plan: Plan, opened: str | None, words: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[Updates]:
        task, name = str(event.key), str(event.name)
        try:
            value = form.read_field(registry.task(task).options, name, event.value)
            new = change_plan(plan, request, lambda newest: change_task_options(newest, task, {name: value}))
        except ValueError as error:
            yield {at["task_refused"]: str(parts.notice("fail", "Not taken", sentence_of(error)))}
            return
        yield {context.plan: new, at["task_refused"]: ""}
        shown = opened or next(iter(registry.methods()))
        yield from counted(context, at, new, shown, words, request, ticks=False)

    @say_errors
    def check_task_options(plan: Plan, request: gr.Request) -> Iterator[Updates]:
        plan = current_plan(plan, request)
        fingerprint = (plan["data"] or {}).get("fingerprint")
        if not fingerprint or not form.asked_of(registry.task(plan["task"]).options):
            yield {at["task_note"]: ""}
            return
        asked = (context.store, fingerprint, plan["task"], task_options_of(plan), plan["model"])
        if not asking.is_checked(*asked):
            yield {at["task_note"]: str(_checking())}
        try:
            found = asking.check_task_options(*asked)
        except Exception as error:
            yield {at["task_note"]: str(parts.notice("fail", "These do not go together", sentence_of(error)))}
            return
        template = found.get("template_hash")
        line = template_line(str(found["template"]), str(template)) if template else ""
        yield {at["task_note"]: str(line)}

    at["task_form"].fill(
        take_task_option,
        [context.plan, at["opened"], at["search"]],
        outputs,
        trigger_mode="multiple",
        **QUIET,
    )
    context.plan.change(
        check_task_options, context.plan, at["task_note"], trigger_mode="always_last", **QUIET
    )


def _checking() -> Markup:
    return Markup('<p class="wb-note" role="status">{}</p>').format(
        "Asking the model’s tokenizer whether it can take this"
    )
