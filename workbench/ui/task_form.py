"""The task's own part of a setting as a form, drawn from its options class; and whether model and data can take it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import registry
from workbench.task import Task
from workbench.ui import asking, form, parts
from workbench.ui.context import QUIET, PageContext, say_errors, sentence_of
from workbench.ui.controls import html_block
from workbench.ui.first_batch_view import template_line
from workbench.ui.live_plan import change_plan, current_plan
from workbench.ui.method_counts import Updates, counted, plan_outputs
from workbench.ui.plan import Plan, empty_plan
from workbench.ui.plan_task import change_task_options, task_options_of


def tasks_with_options() -> list[Task]:
    return [task for task in registry.tasks().values() if form.asked_of(task.options)]


def draw_task_forms(at: dict[str, Any]) -> None:
    """A form for each task that has options of its own; only that of the plan's task is shown."""
    now = empty_plan()["task"]
    for task in tasks_with_options():
        with gr.Column(visible=task.name == now, elem_classes="wb-form wb-task-form") as at[
            f"task_{task.name}"
        ]:
            html_block(
                Markup(
                    '<hr><h3 class="wb-h3">{}</h3><p class="wb-note">{} The same for every run.</p>'
                ).format(task.title, task.sentence)
            )
            drawn, _ = form.draw_options(task.options, {})
            at[f"task_{task.name}_fields"] = [component for _, component in drawn]
    # Apart from the note on what is in the plan: a refused value is not, and must stay said.
    at["task_refused"] = html_block("")
    at["task_note"] = html_block("")


def task_outputs(at: dict[str, Any]) -> list[Any]:
    tasks = tasks_with_options()
    fields = [field for task in tasks for field in at[f"task_{task.name}_fields"]]
    return [*(at[f"task_{task.name}"] for task in tasks), *fields]


def task_updates(at: dict[str, Any], plan: Plan) -> Updates:
    """Which form is shown for a plan, and what stands in it."""
    updates = task_panels(at, plan)
    for task in tasks_with_options():
        values = plan["task_options"].get(task.name, {})
        updates |= dict(zip(at[f"task_{task.name}_fields"], form.held_by(task.options, values)))
    return updates


def task_panels(at: dict[str, Any], plan: Plan) -> Updates:
    """The form of the plan's task alone."""
    return {
        at[f"task_{task.name}"]: gr.Column(visible=task.name == plan["task"]) for task in tasks_with_options()
    }


def wire_task_forms(context: PageContext, at: dict[str, Any]) -> None:
    outputs = [*plan_outputs(context, at), at["task_refused"]]

    @say_errors
    def take_task_options(
        plan: Plan, opened: str | None, words: str, request: gr.Request, *values: Any
    ) -> Iterator[Updates]:
        options = registry.task(current_plan(plan, request)["task"]).options
        try:
            given = form.read_options(options, values)
            new = change_plan(plan, request, lambda newest: change_task_options(newest, given))
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

    for task in tasks_with_options():
        fields: Sequence[Any] = at[f"task_{task.name}_fields"]
        events = [field.blur if isinstance(field, gr.Textbox) else field.input for field in fields]
        gr.on(
            events,
            take_task_options,
            [context.plan, at["opened"], at["search"], *fields],
            outputs,
            trigger_mode="always_last",
            **QUIET,
        )
    context.plan.change(
        check_task_options, context.plan, at["task_note"], trigger_mode="always_last", **QUIET
    )


def _checking() -> Markup:
    return Markup('<p class="wb-note" role="status">{}</p>').format(
        "Asking the model’s tokenizer whether it can take this"
    )
