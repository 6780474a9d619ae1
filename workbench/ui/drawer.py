"""The drawer of the Methods tab: one method's options as a form, its card, and the preset of this choice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from workbench import registry
from workbench.store import Store
from workbench.ui import form
from workbench.ui.context import QUIET, PageContext, say_errors
from workbench.ui.controls import html_block, segmented
from workbench.ui.live_plan import change_plan, current_plan
from workbench.ui.method_counts import Updates, counted, plan_outputs
from workbench.ui.plan import Plan, add_again, change_options, entry_of, method_of, remove_again, usual_rate


def draw_drawer(context: PageContext, at: dict[str, Any]) -> None:
    at["opened"] = gr.State(None)
    at["drawer_head"] = html_block("")
    at["panel"] = segmented(
        [("Options", "options"), ("Card", "card"), ("Code", "code")], "options", label="Drawer"
    )
    with gr.Column(elem_classes="wb-form") as at["options_panel"]:
        at["form"] = form.option_form()
        at["count"] = html_block("")
        with gr.Row(elem_classes="wb-line"):
            at["again"] = gr.Button("Add again, other options", size="sm", elem_classes="wb-tool")
            at["take_out"] = gr.Button(
                "Take this one out", size="sm", elem_classes="wb-tool wb-quiet", visible=False
            )
    at["card_panel"] = html_block("", visible=False)
    with gr.Column(visible=False) as at["code_panel"]:
        at["code"] = gr.Code("", language="yaml", label="Preset of this choice", interactive=False)
        at["command"] = html_block("")


def form_of(plan: Plan, key: str, store: Store | None = None) -> dict[str, Any]:
    """The form of one choice; `store` has the model that an earlier run is based on."""
    chosen = entry_of(plan, key)
    method, rate = registry.method(chosen["method"]), chosen["learning_rate"]
    rate = usual_rate(plan, method, store) if rate is None else rate
    return form.redraw(form.method_form(key, method, chosen["options"], rate))


def with_option(plan: Plan, key: str, name: str, given: Any) -> Plan:
    """One field of a choice's form set to what it holds; ValueError when the method refuses it."""
    entry = entry_of(plan, key)
    value = form.read_field(registry.method(entry["method"]).options, name, given)
    if name == form.RATE.name:
        return change_options(plan, key, entry["options"], None if value is None else float(value))
    return change_options(plan, key, {**entry["options"], name: value}, entry["learning_rate"])


def wire_drawer(context: PageContext, at: dict[str, Any]) -> None:
    outputs = [*plan_outputs(context, at), at["opened"], at["form"]]

    @say_errors
    def set_option(plan: Plan, words: str, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        key, name, value = str(event.key), str(event.name), event.value
        new = change_plan(plan, request, lambda newest: with_option(newest, key, name, value))
        yield {context.plan: new}
        yield from counted(context, at, new, key, words, request, ticks=False)

    @say_errors
    def open_method(plan: Plan, words: str, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        plan = current_plan(plan, request)
        yield {at["opened"]: event.key, at["form"]: form_of(plan, event.key, context.store)}
        yield from counted(context, at, plan, event.key, words, request, ticks=False)

    @say_errors
    def add_method_again(plan: Plan, opened: str, words: str, request: gr.Request) -> Iterator[Updates]:
        key = ""

        def add(newest: Plan) -> Plan:
            nonlocal key
            new, key = add_again(newest, opened)
            return new

        new = change_plan(plan, request, add)
        yield {context.plan: new, at["opened"]: key, at["form"]: form_of(new, key, context.store)}
        yield from counted(context, at, new, key, words, request)

    @say_errors
    def take_method_out(plan: Plan, opened: str, words: str, request: gr.Request) -> Iterator[Updates]:
        first = method_of(opened)
        new = change_plan(plan, request, lambda p: remove_again(p, opened) if opened != first else p)
        yield {context.plan: new, at["opened"]: first, at["form"]: form_of(new, first, context.store)}
        yield from counted(context, at, new, first, words, request)

    def show_panel(name: str) -> Updates:
        return {
            at["options_panel"]: gr.Column(visible=name == "options"),
            at["card_panel"]: gr.update(visible=name == "card"),
            at["code_panel"]: gr.Column(visible=name == "code"),
        }

    # Each field is told by itself: one that is still under way must not swallow the next.
    at["form"].fill(
        set_option, [context.plan, at["search"]], plan_outputs(context, at), trigger_mode="multiple", **QUIET
    )
    at["grid"].open(open_method, [context.plan, at["search"]], outputs, trigger_mode="always_last", **QUIET)
    for button, handler in (("again", add_method_again), ("take_out", take_method_out)):
        at[button].click(
            handler, [context.plan, at["opened"], at["search"]], outputs, trigger_mode="once", **QUIET
        )
    panels = [at["options_panel"], at["card_panel"], at["code_panel"]]
    at["panel"].input(show_panel, at["panel"], panels, **QUIET)
