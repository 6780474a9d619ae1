"""The folded section "Data tools" of the Data tab: more rows by augmentation, a learning curve, further data sets mixed in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.data import bundled
from workbench.data.augment import AUGMENTERS, augmenter, options_of
from workbench.data.mixing import check_mix
from workbench.data.subsets import USUAL
from workbench.options import OptionFact
from workbench.ui import asking, parts, slow_augmentation
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors
from workbench.ui.controls import html_block, segmented
from workbench.ui.live_plan import change_plan, current_plan
from workbench.ui.plan import Plan
from workbench.ui.tool_values import (
    NONE,
    as_field,
    as_sentence,
    before_and_after,
    chosen_tool,
    field_names,
    mix_list,
    new_rows,
    progress_line,
    read_entry,
    read_fields,
    read_sizes,
    tool_head,
)
from workbench.uploads import kept_uploads

Updates = dict[Any, Any]
Redraw = Callable[[Plan, gr.Request], Iterator[Updates]]
LOOK_AGAIN_SECONDS = 1.0
AMOUNTS = (("all rows", "all"), ("share", "share"), ("rows", "rows"))
CURVE_SENTENCE = (
    "Trains every method on several numbers of training rows, each part of the next, all tested on the same rows: how"
    " many examples does each method need?"
)
MIX_SENTENCE = (
    "Joins further data sets of the same task with this one. Labels are united, rows remember their source, and rows of"
    " one source's test part never stand in another's training part."
)


def draw(at: dict[str, Any]) -> None:
    """Draw the section, folded and hidden, inside the current block."""
    with gr.Accordion("Data tools", open=False, visible=False, elem_classes="wb-fold wb-tools") as at[
        "tools"
    ]:
        _draw_augment(at)
        _draw_curve(at)
        _draw_mix(at)


def _draw_augment(at: dict[str, Any]) -> None:
    choices = [("None", NONE), *((one.title, name) for name, one in AUGMENTERS.items())]
    with gr.Column(elem_classes="wb-tool"):
        html_block(
            str(
                tool_head(
                    "More training rows",
                    "Makes new training rows from those there are. Validation and test stay as they are.",
                )
            )
        )
        at["tool"] = segmented(choices, NONE, label="How new rows are made")
        at["tool_card"] = html_block("")
        for name, one in AUGMENTERS.items():
            with gr.Column(visible=False) as at[f"tool_{name}"]:
                facts = [fact for fact in one.options.facts() if not fact.advanced]
                with gr.Row(elem_classes="wb-fields"):
                    for fact in facts:
                        at[f"tool_{name}_{fact.name}"] = _field(fact)
        with gr.Row(elem_classes="wb-line", visible=False) as at["tool_buttons"]:
            at["tool_preview"] = gr.Button("Preview", size="sm")
            at["tool_apply"] = gr.Button("Apply", size="sm", variant="primary")
        at["tool_shown"] = html_block("")


def _draw_curve(at: dict[str, Any]) -> None:
    with gr.Column(elem_classes="wb-tool"):
        html_block(str(tool_head("Learning curve", CURVE_SENTENCE)))
        with gr.Row(elem_classes="wb-fields wb-tool-line"):
            at["sizes"] = gr.Textbox(
                label="Numbers of training rows", info="Separated by commas; empty for no learning curve.",
                placeholder=", ".join(map(str, USUAL)), max_lines=1, max_length=120, elem_classes="wb-sizes",
            )  # fmt: skip
            at["sizes_apply"] = gr.Button("Apply", size="sm", variant="primary")


def _draw_mix(at: dict[str, Any]) -> None:
    with gr.Column(elem_classes="wb-tool"):
        html_block(str(tool_head("Mix in other data", MIX_SENTENCE)))
        at["mix_list"] = html_block("")
        with gr.Row(elem_classes="wb-fields wb-tool-line"):
            at["mix_source"] = gr.Dropdown(
                [], label="Data set", allow_custom_value=True, elem_classes="wb-verbatim",
                info="A bundled set, a file uploaded before, a path, or a Hub data set.",
            )  # fmt: skip
            at["mix_amount"] = gr.Dropdown(
                list(AMOUNTS), value="all", label="How much", info="A share is of the mixed training part."
            )
            at["mix_number"] = gr.Number(0.25, label="Share", info="0.25 for a quarter.", visible=False)
            at["mix_prefix"] = gr.Textbox(
                label="Prefix for its labels",
                info="Keeps equal names apart. Empty unites them.",
                max_lines=1,
                max_length=40,
            )
            at["mix_add"] = gr.Button("Add", size="sm", variant="primary")


def outputs(at: Mapping[str, Any]) -> list[Any]:
    """All components that `updates` may change."""
    names = (
        "tools",
        "tool",
        "tool_card",
        "tool_buttons",
        "tool_preview",
        "tool_shown",
        "sizes",
        "mix_list",
        "mix_source",
    )
    return [at[name] for name in names] + [at[f"tool_{name}"] for name in AUGMENTERS] + _fields(at)


def updates(
    at: Mapping[str, Any], context: PageContext, plan: Plan, look: Mapping[str, Any] | None, owner: str | None
) -> Updates:
    """What the section shows for this plan and what was found; hidden where there is no data."""
    data = plan["data"]
    if data is None or look is None:
        return {at["tools"]: gr.Accordion(visible=False)}
    used = [data.get(name) for name in ("augment", "subsets", "mix")]
    name, options = chosen_tool(data.get("augment"))
    label = "Data tools" + (f": {sum(map(bool, used))} in use" if any(used) else "")
    found: Updates = {at["tools"]: gr.Accordion(label=label, visible=True), at["tool"]: name}
    found |= _tool_panels(at, name)
    if name in AUGMENTERS:
        values = options_of(augmenter(name), options).to_dict()
        found |= {
            at[f"tool_{name}_{fact}"]: as_field(name, fact, value)
            for fact, value in values.items()
            if f"tool_{name}_{fact}" in at
        }
    found[at["tool_shown"]] = str(new_rows(look.get("new") or {}, look))
    found[at["sizes"]] = ", ".join(map(str, data.get("subsets") or ()))
    found[at["mix_list"]] = str(mix_list(data, look.get("sources") or {}))
    found[at["mix_source"]] = gr.Dropdown(choices=_sources(context, plan, owner), value=None)
    return found


def wire(context: PageContext, at: dict[str, Any], all_outputs: Sequence[Any], redraw: Redraw) -> None:
    """The section's events; `redraw` shows the whole tab for a new plan."""

    def changed(
        plan: Plan, request: gr.Request, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Iterator[Updates]:
        yield from redraw(change_plan(plan, request, lambda newest: _with_data(newest, change)), request)

    def choose_amount(amount: str) -> Any:
        if amount == "rows":
            return gr.Number(500, label="Rows", info="Of its training part.", visible=True)
        return gr.Number(0.25, label="Share", info="0.25 for a quarter.", visible=amount == "share")

    def choose_tool(name: str) -> Updates:
        return _tool_panels(at, name) | {at["tool_shown"]: ""}

    @say_errors
    def preview_rows(plan: Plan, look: Any, name: str, *values: Any) -> str:
        if not look or not look.get("spec"):
            raise ValueError("Choose data that can be trained on first.")
        augment = {name: read_fields(name, values)}
        if reason := asking.why_not_augment(name, augment[name]):
            return str(parts.notice("warn", "Not possible here", as_sentence(reason)))
        pairs = asking.preview_augmentation(context.store, look["spec"]["fingerprint"], augment)
        return str(before_and_after(pairs, augmenter(name).title))

    @say_errors
    def apply_tool(plan: Plan, name: str, request: gr.Request, *values: Any) -> Iterator[Updates]:
        if name == NONE:
            yield from changed(plan, request, lambda data: {**data, "augment": None})
            return
        augment = {name: read_fields(name, values)}
        if reason := asking.why_not_augment(name, augment[name]):
            yield {at["tool_shown"]: str(parts.notice("warn", "Not possible here", as_sentence(reason)))}
            return
        newest = current_plan(plan, request)
        data = _with_data(newest, lambda data: {**data, "augment": augment})["data"]
        if name == "back_translation":
            if context.hosted:
                raise ValueError(
                    "This shared page does not translate: run the workbench on your own machine for that."
                )
            job = slow_augmentation.start(context.store, data | {"task": newest["task"]}, owner_of(request))
            while job.running:
                yield {at["tool_shown"]: str(progress_line(*job.progress()))}
                time.sleep(LOOK_AGAIN_SECONDS)
            if job.error:
                yield {
                    at["tool_shown"]: str(
                        parts.notice("warn", "The translation stopped", as_sentence(job.error))
                    )
                }
                return
        yield from changed(plan, request, lambda data: {**data, "augment": augment})

    @say_errors
    def apply_sizes(plan: Plan, words: str, request: gr.Request) -> Iterator[Updates]:
        sizes = read_sizes(words)
        yield from changed(
            plan,
            request,
            lambda data: {**data, "subsets": sizes, "train_rows": None if sizes else data.get("train_rows")},
        )

    @say_errors
    def add_source(
        plan: Plan, source: str | None, amount: str, number: float | None, prefix: str, request: gr.Request
    ) -> Iterator[Updates]:
        entry = read_entry(source, amount, number, prefix)
        yield from changed(plan, request, lambda data: {**data, "mix": _joined(data.get("mix"), entry)})

    @say_errors
    def remove_source(plan: Plan, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        place = int(event.key)
        yield from changed(
            plan, request,
            lambda data: {**data, "mix": [one for i, one in enumerate(data.get("mix") or ()) if i != place]},
        )  # fmt: skip

    fields = _fields(at)
    panels = [
        at["tool_card"],
        at["tool_buttons"],
        at["tool_preview"],
        at["tool_shown"],
        *(at[f"tool_{name}"] for name in AUGMENTERS),
    ]
    at["tool"].input(choose_tool, at["tool"], panels, **QUIET)
    at["tool_preview"].click(
        preview_rows, [context.plan, at["look"], at["tool"], *fields], at["tool_shown"], **QUIET
    )
    outs = list(all_outputs)
    at["tool_apply"].click(
        apply_tool, [context.plan, at["tool"], *fields], outs, trigger_mode="once", **QUIET
    )
    for event in (at["sizes_apply"].click, at["sizes"].submit):
        event(apply_sizes, [context.plan, at["sizes"]], outs, trigger_mode="once", **QUIET)
    at["mix_amount"].input(choose_amount, at["mix_amount"], at["mix_number"], **QUIET)
    entry = [at[f"mix_{name}"] for name in ("source", "amount", "number", "prefix")]
    at["mix_add"].click(add_source, [context.plan, *entry], outs, trigger_mode="once", **QUIET)
    at["mix_list"].action(remove_source, context.plan, outs, trigger_mode="once", **QUIET)


def _field(fact: OptionFact) -> Any:
    words: dict[str, Any] = {"label": fact.name.replace("_", " ").capitalize(), "info": fact.help}
    if fact.kind == "list" and fact.choices:
        return gr.Dropdown(
            [str(c) for c in fact.choices], value=list(fact.default), multiselect=True, **words
        )
    if fact.kind in ("int", "float"):
        return gr.Number(
            fact.default,
            minimum=fact.min,
            maximum=fact.max,
            step=fact.step or 1,
            precision=0 if fact.kind == "int" else None,
            **words,
        )
    return gr.Textbox(
        ", ".join(fact.default) if fact.kind == "list" else fact.default, max_lines=1, max_length=400, **words
    )


def _fields(at: Mapping[str, Any]) -> list[Any]:
    return [at[f"tool_{name}_{option}"] for name, option in field_names()]


def _tool_panels(at: Mapping[str, Any], name: str) -> Updates:
    found: Updates = {at[f"tool_{one}"]: gr.Column(visible=one == name) for one in AUGMENTERS}
    found[at["tool_card"]] = (
        str(Markup('<p class="wb-small wb-two">{}</p>').format(AUGMENTERS[name].card))
        if name in AUGMENTERS
        else ""
    )
    found[at["tool_buttons"]] = gr.Row(visible=True)
    found[at["tool_preview"]] = gr.Button(visible=name in AUGMENTERS)
    return found


def _sources(context: PageContext, plan: Plan, owner: str | None) -> list[tuple[str, str]]:
    own = str((plan["data"] or {}).get("source"))
    known = [(card.title, card.name) for card in bundled() if card.task == plan["task"]]
    known += [(f"{name} (uploaded)", reference) for name, reference in kept_uploads(context.store, owner)]
    return [(title, source) for title, source in known if source != own]


def _with_data(plan: Plan, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Plan:
    if plan["data"] is None:
        raise ValueError("Choose data first.")
    return {
        **plan,
        "data": {
            name: value for name, value in change(dict(plan["data"])).items() if value not in (None, [], {})
        },
    }


def _joined(mix: Any, entry: dict[str, Any]) -> list[dict[str, Any]]:
    joined = [*(mix or ()), entry]
    check_mix(joined)
    return joined
