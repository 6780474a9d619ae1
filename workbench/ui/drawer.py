"""The drawer of the Methods tab: one method's options as a form, its card, and the preset of this choice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from workbench import registry
from workbench.ui import asking, form
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors
from workbench.ui.controls import html_block, segmented
from workbench.ui.live_plan import change_plan, current_plan
from workbench.ui.method_counts import Updates, counted, plan_outputs
from workbench.ui.plan import Plan, add_again, change_options, entry_of, method_of, remove_again


def draw_drawer(context: PageContext, at: dict[str, Any]) -> None:
    at["opened"] = gr.State(None)
    # The form is drawn from this alone, not from the plan: typing in it changes the plan, and must not redraw it.
    at["form_of"] = gr.State(None)
    at["drawer_head"] = html_block("")
    at["panel"] = segmented(
        [("Options", "options"), ("Card", "card"), ("Code", "code")], "options", label="Drawer"
    )
    with gr.Column(elem_classes="wb-form") as at["options_panel"]:

        @gr.render(  # type: ignore[untyped-decorator]
            inputs=[at["form_of"]],
            triggers=[at["form_of"].change],
            concurrency_limit=1,  # Gradio loses count of its own events when two renders of one session overlap
        )
        def draw_options(chosen: dict[str, Any] | None, request: gr.Request) -> None:
            if chosen is not None:
                _draw_options(context, at, chosen, owner_of(request))

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


def form_of(plan: Plan, key: str) -> dict[str, Any]:
    """What the form is drawn from: one choice and what its options depend on."""
    return {**entry_of(plan, key), "model": plan["model"], "task": plan["task"]}


def _draw_options(
    context: PageContext, at: dict[str, Any], chosen: dict[str, Any], owner: str | None
) -> None:
    key, method = chosen["key"], registry.method(chosen["method"])
    modules = asking.known_modules(context.store, chosen["model"], owner, chosen["task"])
    drawn = form.draw_form(method, chosen["options"], chosen["learning_rate"], modules)
    components = [component for _, component in drawn]

    @say_errors
    def change_choice(plan: Plan, words: str, request: gr.Request, *given: Any) -> Iterator[Updates]:
        options, rate = form.read_form(method, given)
        new = change_plan(plan, request, lambda newest: change_options(newest, key, options, rate))
        yield {context.plan: new}
        yield from counted(context, at, new, key, words, request, ticks=False)

    for component in components:
        component.input(
            change_choice,
            [context.plan, at["search"], *components],
            plan_outputs(context, at),
            trigger_mode="always_last",
            **QUIET,
        )


def wire_drawer(context: PageContext, at: dict[str, Any]) -> None:
    outputs = [*plan_outputs(context, at), at["opened"], at["form_of"]]

    @say_errors
    def open_method(plan: Plan, words: str, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        plan = current_plan(plan, request)
        yield {at["opened"]: event.key, at["form_of"]: form_of(plan, event.key)}
        yield from counted(context, at, plan, event.key, words, request, ticks=False)

    @say_errors
    def add_method_again(plan: Plan, opened: str, words: str, request: gr.Request) -> Iterator[Updates]:
        key = ""

        def add(newest: Plan) -> Plan:
            nonlocal key
            new, key = add_again(newest, opened)
            return new

        new = change_plan(plan, request, add)
        yield {context.plan: new, at["opened"]: key, at["form_of"]: form_of(new, key)}
        yield from counted(context, at, new, key, words, request)

    @say_errors
    def take_method_out(plan: Plan, opened: str, words: str, request: gr.Request) -> Iterator[Updates]:
        first = method_of(opened)
        new = change_plan(plan, request, lambda p: remove_again(p, opened) if opened != first else p)
        yield {context.plan: new, at["opened"]: first, at["form_of"]: form_of(new, first)}
        yield from counted(context, at, new, first, words, request)

    def show_panel(name: str) -> Updates:
        return {
            at["options_panel"]: gr.Column(visible=name == "options"),
            at["card_panel"]: gr.update(visible=name == "card"),
            at["code_panel"]: gr.Column(visible=name == "code"),
        }

    at["grid"].open(open_method, [context.plan, at["search"]], outputs, trigger_mode="always_last", **QUIET)
    for button, handler in (("again", add_method_again), ("take_out", take_method_out)):
        at[button].click(
            handler, [context.plan, at["opened"], at["search"]], outputs, trigger_mode="once", **QUIET
        )
    panels = [at["options_panel"], at["card_panel"], at["code_panel"]]
    at["panel"].input(show_panel, at["panel"], panels, **QUIET)
