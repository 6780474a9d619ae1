"""The Methods tab: base model, what all runs share, the cards to tick, the drawer with options, and the plan's footer."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gradio as gr

from workbench import registry
from workbench.result import Run
from workbench.sources import embedded, known_references
from workbench.ui import asking, form, method_cards, parts, setting_form
from workbench.ui.cards import card_grid, redraw
from workbench.ui.context import QUIET, PageContext, Tab, owner_of, say_errors, sentence_of
from workbench.ui.controls import html_block, segmented
from workbench.ui.frame import model_title
from workbench.ui.live_plan import change_plan, current_plan
from workbench.ui.plan import (
    Plan,
    add_again,
    change_options,
    empty_plan,
    entry_of,
    method_of,
    remove_again,
    tick,
    tick_methods,
    ticked_keys,
    to_preset,
    to_yaml,
    untick,
    with_ticks,
    workshop_five,
)
from workbench.ui.queueing import queue

Updates = dict[Any, Any]
LABELS = 2
"""Taken for counting while the data are not known: a head for two labels."""


def build(context: PageContext) -> Tab:
    """Draw the tab inside the current gr.Tab and wire its own events."""
    at: dict[str, Any] = {"plan": context.plan}
    _draw_head(at)
    with gr.Row(elem_classes="wb-methods"):
        with gr.Column(elem_classes="wb-card wb-methods-left"):
            _draw_model(context, at)
            html_block('<hr><h3 class="wb-h3">Same for every run</h3>')
            at |= setting_form.draw_setting(empty_plan())
        with gr.Column(elem_classes="wb-methods-middle"):
            at["model_line"] = html_block("", elem_classes="wb-only-narrow")
            at["grid"] = card_grid(method_cards.card_groups(empty_plan(), None, {}))
            html_block(method_cards.scale_note())
        with gr.Column(elem_classes="wb-card wb-drawer"):
            _draw_drawer(context, at)
    with gr.Row(elem_classes="wb-plan"):
        at["footer"] = html_block(method_cards.plan_footer(empty_plan(), {}))
        at["queue"] = gr.Button("Queue runs", variant="primary", interactive=False)
    at["form_key"] = gr.State(lambda: secrets.token_hex(8))
    _wire_model(context, at)
    _wire_plan(context, at)
    _wire_drawer(context, at)
    _wire_queue(context, at)

    def show_methods(plan: Plan, opened: str | None, words: str, request: gr.Request) -> Iterator[Updates]:
        plan = current_plan(plan, request)
        first = opened or next(iter(ticked_keys(plan)), None) or "lora"
        first = first if method_of(first) in registry.methods() else next(iter(registry.methods()))
        start: Updates = dict(zip((at[name] for name in setting_form.ORDER), setting_form.values_of(plan)))
        owner = owner_of(request)
        yield start | _model_updates(context, at, plan, owner)
        asking.known_modules(context.store, plan["model"], owner, plan["task"])
        yield {at["opened"]: first, at["form_of"]: _form_of(plan, first)}
        yield from _counted(context, at, plan, first, words, owner)

    outputs = [
        *_plan_outputs(context, at),
        *_model_outputs(at),
        *(at[name] for name in setting_form.ORDER),
        at["opened"],
        at["form_of"],
    ]
    return Tab(say_errors(show_methods), [context.plan, at["opened"], at["search"]], outputs, parts=at)


def _draw_head(at: dict[str, Any]) -> None:
    with gr.Row(elem_classes="wb-line wb-methods-head"):
        at["title"] = html_block(method_cards.title_line(empty_plan(), None))
        at["search"] = gr.Textbox(
            label="Find a method", show_label=False, placeholder="Find a method", max_lines=1, max_length=100,
            elem_classes="wb-search",
        )  # fmt: skip
        at["five"] = gr.Button("Workshop five", size="md", elem_classes="wb-tool")
        at["all"] = gr.Button("All that fit", size="md", elem_classes="wb-tool")
        at["clear"] = gr.Button("Clear", size="md", elem_classes="wb-tool wb-quiet")


def _draw_model(context: PageContext, at: dict[str, Any]) -> None:
    kinds = [("Embedded", "embedded"), ("Hub", "hub"), ("Folder", "folder"), ("Run", "run")]
    if context.hosted:
        kinds = [kind for kind in kinds if kind[1] != "folder"]
    html_block('<h3 class="wb-h3">Base model</h3>')
    at["model_kind"] = segmented(kinds, "embedded", label="Where the base model comes from")
    at["models"] = html_block(method_cards.model_cards(embedded(), ""))
    hub = list(context.limits.models) if context.limits else [r for r in known_references() if ":" not in r]
    with gr.Column(visible=False) as at["hub_panel"]:
        at["hub"] = gr.Dropdown(
            hub, value=None, allow_custom_value=not context.limits, label="Hub id", info="owner/name. Safetensors only; nothing of it is run."
        )  # fmt: skip
    with gr.Column(visible=False) as at["folder_panel"]:
        at["folder"] = gr.Textbox(
            label="Folder on this machine",
            info="It holds config.json and safetensors.",
            max_lines=1,
            max_length=1000,
        )
        at["folder_go"] = gr.Button("Take this folder", size="sm")
    with gr.Column(visible=False) as at["run_panel"]:
        at["run"] = gr.Dropdown(
            [], value=None, label="Earlier run", info="Train on from where it ended: staged fine-tuning."
        )
    at["facts"] = html_block("")


def _draw_drawer(context: PageContext, at: dict[str, Any]) -> None:
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
        def draw_options(form_of: dict[str, Any] | None, request: gr.Request) -> None:
            if form_of is not None:
                _draw_options(context, at, form_of, owner_of(request))

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


def _form_of(plan: Plan, key: str) -> dict[str, Any]:
    return {**entry_of(plan, key), "model": plan["model"], "task": plan["task"]}


def _draw_options(
    context: PageContext, at: dict[str, Any], form_of: dict[str, Any], owner: str | None
) -> None:
    key, method = form_of["key"], registry.method(form_of["method"])
    modules = asking.known_modules(context.store, form_of["model"], owner, form_of["task"])
    drawn = form.draw_form(method, form_of["options"], form_of["learning_rate"], modules)
    components = [component for _, component in drawn]

    @say_errors
    def change_choice(plan: Plan, words: str, request: gr.Request, *given: Any) -> Iterator[Updates]:
        options, rate = form.read_form(method, given)
        new = change_plan(plan, request, lambda newest: change_options(newest, key, options, rate))
        yield {context.plan: new}
        yield from _counted(context, at, new, key, words, owner_of(request), ticks=False)

    for component in components:
        component.input(
            change_choice,
            [context.plan, at["search"], *components],
            _plan_outputs(context, at),
            trigger_mode="always_last",
            **QUIET,
        )


def _plan_outputs(context: PageContext, at: dict[str, Any]) -> list[Any]:
    names = (
        "grid",
        "title",
        "footer",
        "queue",
        "count",
        "drawer_head",
        "card_panel",
        "code",
        "command",
        "again",
        "take_out",
    )
    return [context.plan, *(at[name] for name in names)]


def _model_outputs(at: dict[str, Any]) -> list[Any]:
    names = (
        "model_kind",
        "models",
        "hub_panel",
        "folder_panel",
        "run_panel",
        "hub",
        "folder",
        "run",
        "facts",
        "model_line",
    )
    return [at[name] for name in names]


def _counted(
    context: PageContext,
    at: dict[str, Any],
    plan: Plan,
    opened: str,
    words: str,
    owner: str | None,
    *,
    ticks: bool = True,
) -> Iterator[Updates]:
    """Cards, drawer and footer of a plan: at once with what is known, then with what had to be asked.

    Without `ticks` the boxes are left as the reader has them: an answer must not undo a tick made meanwhile.
    """
    words = (words or "").strip()
    store, model, task = context.store, plan["model"], plan["task"]
    labels = (plan["data"] or {}).get("labels") or LABELS
    reasons = asking.known_fit(store, model, owner, task)
    asked = _all_choices(plan)
    counts = {
        key: asking.known_count(store, model, owner, choice, task, labels) for key, choice in asked.items()
    }
    yield _plan_updates(at, plan, opened, reasons, counts, words, ticks)
    if reasons is not None and all(counts[key] is not None or reasons.get(asked[key][0]) for key in asked):
        return
    try:
        reasons = asking.methods_that_fit(store, model, owner, task)
        fitting = {key: choice for key, choice in asked.items() if not reasons.get(choice[0])}
        rows = asking.count_choices(store, model, owner, list(fitting.values()), task, labels)
    except Exception as error:
        gr.Warning(f"What the methods train can’t be counted: {parts.join(sentence_of(error))}", duration=10)
        return
    counts = dict(zip(fitting, rows))
    yield _plan_updates(at, plan, opened, reasons, counts, words, ticks=False)


def _all_choices(plan: Plan) -> dict[str, tuple[str, dict[str, Any]]]:
    """Every card's key with its method and all its options."""
    keys = dict.fromkeys([*registry.methods(), *ticked_keys(plan), *plan["drafts"]])
    found = {}
    for key in keys:
        method, options = method_cards.options_of(plan, key)
        if plan["task"] in method.tasks:
            found[key] = (method.name, options.to_dict())
    return found


def _plan_updates(
    at: dict[str, Any],
    plan: Plan,
    opened: str,
    reasons: Mapping[str, str | None] | None,
    counts: Mapping[str, Mapping[str, Any] | None],
    words: str,
    ticks: bool,
) -> Updates:
    groups = method_cards.card_groups(plan, reasons, counts, words)
    found = len({method_of(card.key) for group in groups for card in group.cards})
    method = registry.method(method_of(opened))
    reason = (reasons or {}).get(method.name)
    count = {"reason": reason} if reason else counts.get(opened)
    return {
        at["grid"]: redraw(groups, ticked=ticked_keys(plan) if ticks else None, opened=opened),
        at["title"]: str(method_cards.title_line(plan, reasons, words, found)),
        at["footer"]: str(method_cards.plan_footer(plan, counts)),
        at["queue"]: gr.Button(method_cards.queue_label(plan), interactive=bool(plan["choices"])),
        at["count"]: str(method_cards.count_box(count)),
        at["drawer_head"]: str(method_cards.drawer_head(opened)),
        at["card_panel"]: str(method_cards.drawer_card(method)),
        at["code"]: _code(plan, opened),
        at["command"]: _COMMAND,
        at["again"]: gr.Button(f"Add {method.title} again, other options", interactive=not reason),
        at["take_out"]: gr.Button(visible=opened != method.name),
    }


_COMMAND = (
    '<p class="wb-note">Kept as my-comparison.yaml, it runs without the page:'
    ' <span class="wb-mono">workbench run my-comparison.yaml</span></p>'
)


def _code(plan: Plan, key: str) -> str:
    try:
        return to_yaml(plan, only=key)
    except ValueError as error:
        return f"# {error}"


def _wire_plan(context: PageContext, at: dict[str, Any]) -> None:
    outputs = _plan_outputs(context, at)
    fields = [at[name] for name in setting_form.ORDER]

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
        yield from _counted(context, at, plan, shown, words, owner_of(request), ticks=ticks)

    @say_errors
    def take_tick(
        plan: Plan, opened: str | None, words: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[Updates]:
        change = tick if event.ticked else untick
        yield from changed(lambda newest: change(newest, event.key), plan, opened, words, request, ticks=True)

    @say_errors
    def take_setting(
        plan: Plan, opened: str | None, words: str, request: gr.Request, *values: Any
    ) -> Iterator[Updates]:
        yield from changed(
            lambda newest: setting_form.with_setting(newest, values), plan, opened, words, request
        )

    @say_errors
    def tick_workshop_five(
        plan: Plan, opened: str | None, words: str, request: gr.Request
    ) -> Iterator[Updates]:
        five = workshop_five()
        yield from changed(
            lambda newest: tick_methods(newest, five), plan, opened, words, request, ticks=True
        )

    @say_errors
    def tick_all_that_fit(
        plan: Plan, opened: str | None, words: str, request: gr.Request
    ) -> Iterator[Updates]:
        plan = current_plan(plan, request)
        reasons = asking.methods_that_fit(context.store, plan["model"], owner_of(request), plan["task"])
        fits = [
            name
            for name, m in registry.methods().items()
            if not reasons.get(name) and plan["task"] in m.tasks
        ]
        yield from changed(
            lambda newest: tick_methods(newest, fits), plan, opened, words, request, ticks=True
        )

    @say_errors
    def clear_ticks(plan: Plan, opened: str | None, words: str, request: gr.Request) -> Iterator[Updates]:
        yield from changed(lambda newest: with_ticks(newest, []), plan, opened, words, request, ticks=True)

    @say_errors
    def find_method(plan: Plan, opened: str | None, words: str, request: gr.Request) -> Iterator[Updates]:
        shown = opened or next(iter(registry.methods()))
        newest = current_plan(plan, request)
        yield from _counted(context, at, newest, shown, words, owner_of(request), ticks=False)

    inputs = [context.plan, at["opened"], at["search"]]
    # Each tick is told by itself: one that is still under way must not swallow the next.
    at["grid"].tick(take_tick, inputs, outputs, trigger_mode="multiple", **QUIET)
    gr.on(
        [field.input for field in fields],
        take_setting,
        [*inputs, *fields],
        outputs,
        trigger_mode="always_last",
        **QUIET,
    )
    at["five"].click(tick_workshop_five, inputs, outputs, **QUIET)
    at["all"].click(tick_all_that_fit, inputs, outputs, **QUIET)
    at["clear"].click(clear_ticks, inputs, outputs, **QUIET)
    at["search"].change(find_method, inputs, outputs, trigger_mode="always_last", **QUIET)


def _wire_drawer(context: PageContext, at: dict[str, Any]) -> None:
    outputs = [*_plan_outputs(context, at), at["opened"], at["form_of"]]

    @say_errors
    def open_method(plan: Plan, words: str, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        plan = current_plan(plan, request)
        yield {at["opened"]: event.key, at["form_of"]: _form_of(plan, event.key)}
        yield from _counted(context, at, plan, event.key, words, owner_of(request), ticks=False)

    @say_errors
    def add_method_again(plan: Plan, opened: str, words: str, request: gr.Request) -> Iterator[Updates]:
        key = ""

        def add(newest: Plan) -> Plan:
            nonlocal key
            new, key = add_again(newest, opened)
            return new

        new = change_plan(plan, request, add)
        yield {context.plan: new, at["opened"]: key, at["form_of"]: _form_of(new, key)}
        yield from _counted(context, at, new, key, words, owner_of(request))

    @say_errors
    def take_method_out(plan: Plan, opened: str, words: str, request: gr.Request) -> Iterator[Updates]:
        first = method_of(opened)
        new = change_plan(plan, request, lambda p: remove_again(p, opened) if opened != first else p)
        yield {context.plan: new, at["opened"]: first, at["form_of"]: _form_of(new, first)}
        yield from _counted(context, at, new, first, words, owner_of(request))

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


def _wire_model(context: PageContext, at: dict[str, Any]) -> None:
    outputs = [*_plan_outputs(context, at), *_model_outputs(at), at["form_of"]]

    def show_model_kind(kind: str, request: gr.Request) -> Updates:
        shown: Updates = {at["models"]: gr.update(visible=kind == "embedded")}
        shown |= {at[f"{name}_panel"]: gr.Column(visible=kind == name) for name in ("hub", "folder", "run")}
        if kind == "run":
            shown[at["run"]] = gr.Dropdown(choices=_finished_runs(context, owner_of(request)))
        return shown

    def chosen(
        ref: str, plan: Plan, opened: str | None, words: str, request: gr.Request
    ) -> Iterator[Updates]:
        ref = (ref or "").strip()
        if not ref:
            raise ValueError("Name a model first: a Hub id looks like owner/name.")
        owner = owner_of(request)
        if context.limits is not None:
            from workbench.hosted import check_model

            check_model(ref, context.limits)
        before = current_plan(plan, request)
        yield {
            at["facts"]: str(
                parts.notice("busy", f"Looking at {model_title(ref)}", "Its config and its files.")
            )
        }
        try:
            asking.look_at_model(
                context.store, ref, owner, before["task"], anew=not ref.startswith("embedded:")
            )
        except Exception as error:
            yield _model_updates(context, at, before, owner) | {
                at["model_kind"]: gr.skip(), at["models"]: gr.skip(), at["hub_panel"]: gr.skip(),
                at["folder_panel"]: gr.skip(), at["run_panel"]: gr.skip(), at["hub"]: gr.skip(),
                at["folder"]: gr.skip(), at["run"]: gr.skip(),
                at["facts"]: str(parts.notice("fail", "This model can’t be used", sentence_of(error))),
            }  # fmt: skip
            return
        new = change_plan(plan, request, lambda newest: {**newest, "model": ref})
        shown = opened or next(iter(registry.methods()))
        yield {
            context.plan: new,
            at["form_of"]: _form_of(new, shown),
            **_model_updates(context, at, new, owner),
        }
        yield from _counted(context, at, new, shown, words, owner)

    @say_errors
    def choose_embedded(
        plan: Plan, opened: str | None, words: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[Updates]:
        yield from chosen(event.key, plan, opened, words, request)

    @say_errors
    def choose_named(
        ref: str, plan: Plan, opened: str | None, words: str, request: gr.Request
    ) -> Iterator[Updates]:
        if ref and not isinstance(ref, str):
            raise ValueError("A model is named by one text.")
        yield from chosen(ref, plan, opened, words, request)

    rest = [context.plan, at["opened"], at["search"]]
    panels = [at[name] for name in ("models", "hub_panel", "folder_panel", "run_panel", "run")]
    at["model_kind"].input(show_model_kind, at["model_kind"], panels, **QUIET)
    at["models"].action(choose_embedded, rest, outputs, trigger_mode="once", **QUIET)
    at["hub"].input(choose_named, [at["hub"], *rest], outputs, trigger_mode="once", **QUIET)
    at["run"].input(choose_named, [at["run"], *rest], outputs, trigger_mode="once", **QUIET)
    for event in (at["folder_go"].click, at["folder"].submit):
        event(choose_named, [at["folder"], *rest], outputs, trigger_mode="once", **QUIET)


def _model_updates(context: PageContext, at: dict[str, Any], plan: Plan, owner: str | None) -> Updates:
    """Left column for the plan's model."""
    ref = plan["model"]
    kind = model_kind(ref)
    updates: Updates = {
        at["model_kind"]: kind,
        at["models"]: gr.update(
            value=str(method_cards.model_cards(embedded(), ref)), visible=kind == "embedded"
        ),
        at["hub"]: ref if kind == "hub" else None,
        at["folder"]: ref if kind == "folder" else "",
        at["run"]: gr.Dropdown(choices=_finished_runs(context, owner), value=ref if kind == "run" else None),
    }
    updates |= {at[f"{name}_panel"]: gr.Column(visible=kind == name) for name in ("hub", "folder", "run")}
    facts = _facts(context, plan, owner)
    updates[at["facts"]] = str(method_cards.model_facts(facts)) if facts else ""
    updates[at["model_line"]] = str(
        method_cards.model_summary(model_title(ref), facts["parameters"] if facts else None)
    )
    return updates


def _facts(context: PageContext, plan: Plan, owner: str | None) -> Mapping[str, Any] | None:
    """An embedded model's facts stand in its card; others are known once they were looked at."""
    card = next((card for card in embedded() if card.ref == plan["model"]), None)
    if card is not None:
        return vars(card)
    return asking.known_model(context.store, plan["model"], owner, plan["task"])


def model_kind(ref: str) -> str:
    """Which way of naming a model this reference belongs to."""
    for prefix, kind in (("embedded:", "embedded"), ("run:", "run")):
        if ref.startswith(prefix):
            return kind
    return "folder" if ref.startswith(("/", ".", "~")) or ref.count("/") > 1 else "hub"


def _finished_runs(context: PageContext, owner: str | None) -> list[tuple[str, str]]:
    runs: list[Run] = context.store.runs(states=("finished",), owner=owner)
    return [(_run_words(run), f"run:{run.id}") for run in reversed(runs[-200:])]


def _run_words(run: Run) -> str:
    accuracy = run.result.metrics.get("accuracy") if run.result else None
    score = f", {parts.format_score(accuracy)} %" if accuracy is not None else ""
    return f"{run.label}, seed {run.spec.seed}{score} ({run.id[:6]})"


def _wire_queue(context: PageContext, at: dict[str, Any]) -> None:
    outputs = [at["queue"], at["form_key"], context.setting_id, context.tabs, context.timer]

    @say_errors
    def queue_plan(plan: Plan, form_key: str, request: gr.Request) -> Iterator[Updates]:
        plan = current_plan(plan, request)
        preset = to_preset(plan)
        label = method_cards.queue_label(plan)
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
