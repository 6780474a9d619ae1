"""The Methods tab: where its panels stand, the ticks and the setting that all runs share, and the button that queues the plan."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from workbench import registry
from workbench.ui import (
    asking,
    clicks,
    drawer,
    estimate_panel,
    first_batch_view,
    form,
    method_cards,
    model_panel,
    setting_form,
    task_form,
    well_known,
)
from workbench.ui.cards import card_grid, redraw
from workbench.ui.context import QUIET, PageContext, Tab, owner_of, say_errors
from workbench.ui.controls import html_block
from workbench.ui.live_plan import change_plan, current_plan
from workbench.ui.method_cards import Reasons
from workbench.ui.method_counts import Updates, counted, plan_outputs, wire_counts
from workbench.ui.plan import (
    Plan,
    empty_plan,
    method_of,
    tick,
    tick_methods,
    ticked_keys,
    to_preset,
    untick,
    with_ticks,
)
from workbench.ui.plan_footer import plan_footer, queue_label
from workbench.ui.queueing import queue

# The filter is a matter of style: cards stay in the grid, so that ticks and counts hold.
ONLY_WHAT_CAN_RUN = "(only) => { document.body.toggleAttribute('data-only-usable', Boolean(only)); }"


def build(context: PageContext) -> Tab:
    """Draw the tab inside the current gr.Tab and wire its own events."""
    at: dict[str, Any] = {"plan": context.plan}
    _draw_head(at)
    with gr.Row(elem_classes="wb-methods"):
        with gr.Column(elem_classes="wb-card wb-methods-left"):
            model_panel.draw_model(context, at)
            html_block('<hr><h3 class="wb-h3">Same for every run</h3>')
            at |= setting_form.draw_setting(empty_plan())
            task_form.draw_task_form(at)
            first_batch_view.draw_first_batch(at)
        with gr.Column(elem_classes="wb-methods-middle"):
            at["model_line"] = html_block("", elem_classes="wb-only-narrow")
            at["grid"] = card_grid(method_cards.card_groups(empty_plan(), None, {}))
            html_block(method_cards.scale_note())
        with gr.Column(elem_classes="wb-card wb-drawer"):
            drawer.draw_drawer(context, at)
    estimate_panel.draw_needs(at)
    with gr.Row(elem_classes="wb-plan"):
        at["footer"] = html_block(plan_footer(empty_plan(), {}))
        at["queue"] = gr.Button("Queue runs", variant="primary", interactive=False)
    at["form_key"] = gr.State(lambda: secrets.token_hex(8))
    model_panel.wire_model(context, at)
    _wire_plan(context, at)
    wire_counts(context, at)
    task_form.wire_task_form(context, at)
    first_batch_view.wire_first_batch(context, at)
    drawer.wire_drawer(context, at)
    estimate_panel.wire_needs(context, at)
    _wire_queue(context, at)

    def show_methods(
        plan: Plan, opened: str | None, words: str, drawn: str | None, request: gr.Request, *fields: Any
    ) -> Iterator[Updates]:
        heard, plan = clicks.dealt_with(request), current_plan(plan, request)
        first = opened or next(iter(ticked_keys(plan)), None) or "lora"
        first = first if method_of(first) in registry.methods() else next(iter(registry.methods()))
        start: Updates = {at[name]: value for name, value in setting_form.differing(plan, fields).items()}
        owner = owner_of(request)
        # Ticks are drawn at once and not again: what is asked below takes seconds, in which the reader ticks on.
        # The cards go with them: what a tab is told before it is first shown takes the place of what it was built with.
        start[at["grid"]] = redraw(
            method_cards.card_groups(plan, None, {}, words or ""), ticked=ticked_keys(plan), clicks=heard
        )
        start |= {
            at["task_form"]: task_form.task_form(plan),
            at["opened"]: first,
            at["form"]: drawer.form_of(plan, first, context.store),
        }
        yield start | model_panel.news_of_model(context, at, plan, drawn, owner)
        ticked_on = current_plan(plan, request) != plan
        yield from counted(context, at, plan, first, words, request, ticks=ticked_on)
        # What takes seconds comes last, and touches nothing that the reader may have changed meanwhile.
        layers = asking.known_modules(context.store, plan["model"], owner, plan["task"])
        yield {at["form"]: form.redraw_layers(layers)}

    outputs = [
        *plan_outputs(context, at),
        *model_panel.model_outputs(at),
        *(at[name] for name in setting_form.ORDER),
        at["task_form"],
        at["opened"],
        at["form"],
    ]
    inputs = [context.plan, at["opened"], at["search"], at["model_drawn"]]
    inputs += [at[name] for name in setting_form.ORDER]
    return Tab(say_errors(show_methods), inputs, outputs, parts=at)


def _draw_head(at: dict[str, Any]) -> None:
    with gr.Row(elem_classes="wb-line wb-methods-head"):
        at["title"] = html_block(method_cards.title_line(empty_plan(), None))
        at["search"] = gr.Textbox(
            label="Find a method", show_label=False, placeholder="Find a method", max_lines=1, max_length=100,
            elem_classes="wb-search",
        )  # fmt: skip
        at["only"] = gr.Checkbox(False, label="Only what can run", container=False, elem_classes="wb-only")
        at["handful"] = gr.Button("A sensible handful", size="md", elem_classes="wb-tool")
        at["all"] = gr.Button("All that fit", size="md", elem_classes="wb-tool")
        at["clear"] = gr.Button("Clear", size="md", elem_classes="wb-tool wb-quiet")
    at["finding"] = html_block("", elem_classes="wb-finding-line")
    at["watch"] = gr.State(None)


def _wire_plan(context: PageContext, at: dict[str, Any]) -> None:
    outputs = plan_outputs(context, at)

    def changed(
        change: Callable[[Plan], Plan],
        sent: Any,
        opened: str | None,
        words: str,
        request: gr.Request,
        ticks: bool = False,
    ) -> Iterator[Updates]:
        plan = change_plan(sent, request, change)
        yield {context.plan: plan}
        shown = opened or next(iter(registry.methods()))
        yield from counted(context, at, plan, shown, words, request, ticks=ticks)

    @say_errors
    def take_tick(
        plan: Plan, opened: str | None, words: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[Updates]:
        def deal_with(newest: Plan) -> Plan:
            new = (tick if event.ticked else untick)(newest, event.key)
            clicks.note(request)
            return new

        yield from changed(deal_with, plan, opened, words, request, ticks=True)

    @say_errors
    def send_again(
        plan: Plan, opened: str | None, words: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[Updates]:
        """For a page that no answer to its clicks has reached."""
        clicks.note(request, up_to=int(event.number))
        yield from changed(lambda newest: newest, plan, opened, words, request, ticks=True)

    def take_field(name: str) -> Callable[..., Iterator[Updates]]:
        @say_errors
        def take_setting(
            plan: Plan, opened: str | None, words: str, value: Any, request: gr.Request
        ) -> Iterator[Updates]:
            yield from changed(
                lambda newest: setting_form.with_field(newest, name, value), plan, opened, words, request
            )

        return take_setting

    def tick_once_known(
        wanted: Callable[[str, Reasons], list[str]],
        enough: Callable[[Reasons], bool],
        words: tuple[Plan, str | None, str],
        request: gr.Request,
    ) -> Iterator[Updates]:
        """Tick what is wanted as soon as enough is known of what this model can take."""
        plan, opened, searched = words
        plan = current_plan(plan, request)
        task = plan["task"]
        reasons: Reasons = {}
        for reasons in asking.fit_as_found(
            context.store, plan["model"], owner_of(request), task, well_known.HANDFUL
        ):
            if enough(reasons):
                break
            yield {
                at["finding"]: str(method_cards.finding_out(len(reasons))),
                at["title"]: str(method_cards.title_line(plan, reasons)),
            }
        names = wanted(task, reasons)
        yield from changed(
            lambda newest: tick_methods(newest, names), plan, opened, searched, request, ticks=True
        )

    @say_errors
    def tick_a_handful(plan: Plan, opened: str | None, words: str, request: gr.Request) -> Iterator[Updates]:
        yield from tick_once_known(
            well_known.handful,
            lambda reasons: set(well_known.HANDFUL) <= set(reasons),
            (plan, opened, words),
            request,
        )

    @say_errors
    def tick_all_that_fit(
        plan: Plan, opened: str | None, words: str, request: gr.Request
    ) -> Iterator[Updates]:
        yield from tick_once_known(
            method_cards.fitting,
            lambda reasons: len(reasons) == len(registry.methods()),
            (plan, opened, words),
            request,
        )

    @say_errors
    def clear_ticks(plan: Plan, opened: str | None, words: str, request: gr.Request) -> Iterator[Updates]:
        yield from changed(lambda newest: with_ticks(newest, []), plan, opened, words, request, ticks=True)

    @say_errors
    def find_method(plan: Plan, opened: str | None, words: str, request: gr.Request) -> Iterator[Updates]:
        shown = opened or next(iter(registry.methods()))
        newest = current_plan(plan, request)
        yield from counted(context, at, newest, shown, words, request, ticks=False)

    inputs = [context.plan, at["opened"], at["search"]]
    # Each tick is told by itself: one that is still under way must not swallow the next.
    at["grid"].tick(take_tick, inputs, outputs, trigger_mode="multiple", **QUIET)
    at["grid"].missed(send_again, inputs, outputs, trigger_mode="once", **QUIET)
    # Each field by itself: what another shows may be older than the plan.
    for name in setting_form.ORDER:
        at[name].input(take_field(name), [*inputs, at[name]], outputs, trigger_mode="always_last", **QUIET)
    at["handful"].click(tick_a_handful, inputs, outputs, trigger_mode="once", **QUIET)
    at["all"].click(tick_all_that_fit, inputs, outputs, trigger_mode="once", **QUIET)
    at["clear"].click(clear_ticks, inputs, outputs, **QUIET)
    at["only"].change(None, at["only"], None, js=ONLY_WHAT_CAN_RUN)
    at["search"].change(find_method, inputs, outputs, trigger_mode="always_last", **QUIET)


def check_choices(plan: Plan, reasons: Reasons | None) -> None:
    """ValueError that names the ticked methods which can't run, with the first reason."""
    no = method_cards.cannot_run(plan, reasons)
    if no:
        titles = ", ".join(registry.method(method_of(key)).title for key in no)
        raise ValueError(f"Untick what cannot run here: {titles}. {next(iter(no.values()))}")


def _wire_queue(context: PageContext, at: dict[str, Any]) -> None:
    outputs = [at["queue"], at["form_key"], context.setting_id, context.tabs, context.timer]

    @say_errors
    def queue_plan(plan: Plan, form_key: str, request: gr.Request) -> Iterator[Updates]:
        plan = current_plan(plan, request)
        check_choices(plan, asking.known_fit(context.store, plan["model"], owner_of(request), plan["task"]))
        preset = to_preset(plan)
        label = queue_label(plan)
        yield {at["queue"]: gr.Button(label.replace("Queue", "Queueing"), interactive=False)}
        calm = {at["queue"]: gr.Button(label, interactive=True)}
        try:
            queued = queue(context, preset, owner_of(request), form_key)
        except Exception:
            yield calm
            raise
        yield calm | {
            at["form_key"]: secrets.token_hex(8),
            context.setting_id: queued.setting_id,
            context.tabs: gr.Tabs(selected="train"),
            context.timer: gr.Timer(active=True),
        }

    at["queue"].click(
        queue_plan,
        [context.plan, at["form_key"]],
        outputs,
        trigger_mode="once",
        concurrency_id="queueing",
        **QUIET,
    )
