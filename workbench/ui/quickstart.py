"""The start of the Data tab: the quickstart and every other ready-made comparison, to run or to open as a plan."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import registry
from workbench.data import BundledCard, bundled
from workbench.hosted import Limits
from workbench.presets import Preset, shipped_presets
from workbench.spec import Budget, Setting
from workbench.ui import atlas_view, parts, removal_card
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors
from workbench.ui.controls import html_block
from workbench.ui.frame import budget_words, data_title, model_title
from workbench.ui.live_plan import change_plan
from workbench.ui.plan import Plan, from_preset
from workbench.ui.queueing import queue

_NUMBERS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip


def draw_start(context: PageContext, at: dict[str, Any]) -> None:
    first, rest = _presets(context)
    at["form_key"] = gr.State(lambda: secrets.token_hex(8))
    if context.limits is not None:
        removal_card.draw(context, at)
    at["welcome"] = html_block(welcome(first, _card(str(first.data["source"]))))
    at["ready"] = html_block(ready_made(rest))
    if atlas := atlas_view.atlas_html(open_first=not context.store.runs(limit=1)):
        html_block(atlas)


def wire_start(context: PageContext, at: dict[str, Any]) -> None:
    removal_card.wire(context, at)
    first, rest = _presets(context)
    outputs = [at["welcome"], at["ready"], context.setting_id, context.tabs, context.timer, context.plan]

    @say_errors
    def act_on_preset(
        plan: Plan, form_key: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        preset = next((one for one in (first, *rest) if one.name == event.key), None)
        if preset is None:
            raise ValueError(f"There is no ready-made comparison called {event.key!r:.60}.")
        if event.action == "open":
            opened = change_plan(plan, request, lambda _: from_preset(preset))
            yield {context.plan: opened, context.tabs: gr.Tabs(selected="methods")}
            return
        calm = {at["welcome"]: _welcome(first), at["ready"]: str(ready_made(rest))}
        if preset is first:
            yield {at["welcome"]: _welcome(first, "Reading the data and queueing the runs")}
        else:
            yield {at["ready"]: str(ready_made(rest, preset.name))}
        try:
            queued = queue(context, preset, owner_of(request), f"{form_key}:{preset.name}")
        except Exception:
            yield calm
            raise
        if not preset.chain:
            plan = change_plan(
                plan, request, lambda p: p if p["data"] or p["choices"] else from_preset(preset)
            )
        yield calm | {
            context.setting_id: queued.setting_id,
            context.tabs: gr.Tabs(selected="compare"),
            context.timer: gr.Timer(active=True),
            context.plan: plan,
        }

    inputs = [context.plan, at["form_key"]]
    for block in (at["welcome"], at["ready"]):
        block.action(act_on_preset, inputs, outputs, trigger_mode="once", concurrency_id="queueing", **QUIET)


def _welcome(preset: Preset, busy: str = "") -> str:
    return str(welcome(preset, _card(str(preset.data["source"])), busy))


def _presets(context: PageContext) -> tuple[Preset, list[Preset]]:
    first, *rest = shipped_presets()
    if context.limits is not None:
        rest = [preset for preset in rest if _is_within(preset, context.limits)]
    return first, rest


def _is_within(preset: Preset, limits: Limits) -> bool:
    return (
        preset.runs <= limits.runs
        and preset.setting.get("max_length", Setting.max_length) <= limits.max_length
    )


def _card(name: str) -> Any:
    return next((card for card in bundled() if card.name == name), None)


def welcome(preset: Preset, card: BundledCard | None, busy: str = "") -> Markup:
    """What the page is for, and the one button that shows it."""
    go = (
        parts.badge("busy", busy)
        if busy
        else parts.button(
            "Run the quickstart", "run", preset.name, kind="primary", small=False, icon_name="play"
        )
    )
    return Markup(
        '<section class="wb-card wb-hero"><div><h1>Which fine-tuning method should you use?</h1>'
        '<p class="wb-lead">Bring your data, tick the methods, and read one fair, measured table: {trainable},'
        " {memory}, {latency}, accuracy, each with its {error}.</p>"
        '<div class="wb-hero-go">{go}<span class="wb-two wb-small">{description}<br>'
        '<span class="wb-muted">{needs}</span></span></div></div><ol class="wb-steps">{steps}</ol></section>'
    ).format(
        trainable=parts.term(
            "trainable parameters",
            "The weights that training may change. Some methods change all of them, others less than one in a thousand.",
        ),
        memory=parts.term(
            "memory", "The most that training held at any moment: what your machine must have."
        ),
        latency=parts.term("latency", "How long the trained model takes to answer one text."),
        error=parts.term(
            "error bar",
            "How far the figure might lie off by chance. It needs several seeds: the same training started from other"
            " random numbers.",
        ),
        go=go,
        description=_size(preset),
        needs="no network, no GPU, nothing to install",
        steps=Markup("").join(
            Markup("<li><b>{}</b><div>{}</div></li>").format(number, step)
            for number, step in enumerate(_steps(preset, card), 1)
        ),
    )


def _size(preset: Preset) -> Markup:
    runs = len(preset.methods) * len(preset.seeds)
    return Markup("<b>{}</b> of {} each").format(
        f"{runs} runs", budget_words(preset.setting.get("budget", Budget()))
    )


def _steps(preset: Preset, card: BundledCard | None) -> Iterable[Markup]:
    rows = f"{parts.format_count(card.total_rows)} {card.title.lower()}" if card else preset.data["source"]
    count, seeds = len(preset.methods), len(preset.seeds)
    yield Markup("<strong>Takes</strong> {} and {}, both in the box").format(rows, model_title(preset.model))
    yield Markup('<strong>Trains</strong> {} with {}, several at a time<div class="wb-row">{}</div>').format(
        _counted(count, "method"),
        _counted(seeds, "seed") + (" each" if count > 1 else ""),
        _method_chips(preset),
    )
    yield Markup("<strong>Measures</strong> memory, latency and accuracy on rows nobody trained on")
    yield Markup("<strong>Opens</strong> the comparison. You can cancel at any time and keep what is done")


def _method_chips(preset: Preset) -> Markup:
    names = dict.fromkeys(line.method for line in preset.methods)
    methods = [registry.method(name) for name in names]
    return Markup("").join(parts.chip(method.family, method.title) for method in methods)


def _counted(number: int, noun: str) -> str:
    word = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f"{word} {noun}{'' if number == 1 else 's'}"


def ready_made(presets: Sequence[Preset], busy: str = "") -> Markup:
    """Every other comparison that ships, each to run or to open as a plan."""
    rows = (
        Markup(
            '<li><div class="wb-grow"><span class="wb-strong">{}</span>{}<div class="wb-two wb-small">{}</div>'
            '<div class="wb-note">{}</div></div>{}{}</li>'
        ).format(
            preset.title,
            parts.badge("warn", "needs the Hub") if preset.needs_hub else "",
            preset.description,
            f"{_data(preset)}, {model_title(preset.model)}, {_runs(preset)}",
            # A plan is one comparison: a chain can be run, not opened as one.
            "" if preset.chain else parts.button("Open in Methods", "open", preset.name),
            parts.badge("busy", "queueing")
            if busy == preset.name
            else parts.button("Run", "run", preset.name),
        )
        for preset in presets
    )
    return Markup(
        '<details class="wb-ready"><summary>More ready-made comparisons<span class="wb-muted">{}</span></summary>'
        "<ul>{}</ul></details>"
    ).format(len(presets), Markup("").join(rows))


def _data(preset: Preset) -> str:
    """The data of a comparison, or of each hop of a chain."""
    of = [hop.preset for hop in preset.chain] or [preset]
    return ", ".join(dict.fromkeys(data_title(str(one.data["source"])) for one in of))


def _runs(preset: Preset) -> str:
    number = preset.runs
    hops = f"{len(preset.chain)} hops, " if preset.chain else ""
    return f"{hops}{number} run{'' if number == 1 else 's'}"
