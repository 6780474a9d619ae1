"""The base model's panel on the Methods tab: an embedded one, a Hub id, a folder or an earlier run, and its facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from workbench import registry
from workbench.result import Run
from workbench.sources import embedded, known_references
from workbench.ui import asking, form, method_cards, model_browser, parts, sheet
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors, sentence_of
from workbench.ui.controls import html_block, segmented
from workbench.ui.frame import model_title
from workbench.ui.live_plan import change_plan, current_plan
from workbench.ui.method_counts import Updates, counted, plan_outputs
from workbench.ui.plan import Plan, empty_plan
from workbench.ui.sheet import draw_sheet


def draw_model(context: PageContext, at: dict[str, Any]) -> None:
    kinds = [("Embedded", "embedded"), ("Hub", "hub"), ("Folder", "folder"), ("Run", "run")]
    if context.hosted:
        kinds = [kind for kind in kinds if kind[1] != "folder"]
    html_block('<h3 class="wb-h3">Base model</h3>')
    at["model_kind"] = segmented(kinds, "embedded", label="Where the base model comes from")
    at["models"] = html_block(method_cards.model_cards(embedded(), empty_plan()["model"]))
    at["model_drawn"] = gr.State(empty_plan()["model"])
    at["browse_models"] = gr.Button("Browse models", size="sm", elem_classes="wb-tool")
    at["model_sheet"] = draw_sheet("Search the models")
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


def wire_model(context: PageContext, at: dict[str, Any]) -> None:
    outputs = [*plan_outputs(context, at), *model_outputs(at), at["form"]]

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
            yield model_updates(context, at, before, owner) | {
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
            at["form"]: form.redraw_layers(asking.known_modules(context.store, ref, owner, new["task"])),
            **model_updates(context, at, new, owner),
        }
        yield from counted(context, at, new, shown, words, request)

    @say_errors
    def choose_embedded(
        plan: Plan, opened: str | None, words: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[Updates]:
        yield from chosen(event.key, plan, opened, words, request)

    @say_errors
    def browse(plan: Plan, request: gr.Request) -> Updates:
        ref = current_plan(plan, request)["model"]
        return model_browser.open_list(at["model_sheet"], _newest_runs(context, owner_of(request)), ref)

    @say_errors
    def find_models(words: str, plan: Plan, request: gr.Request) -> str:
        runs, ref = _newest_runs(context, owner_of(request)), current_plan(plan, request)["model"]
        return str(model_browser.list_html(embedded(), runs, ref, words))

    @say_errors
    def act_in_sheet(
        plan: Plan, opened: str | None, words: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[Updates]:
        if event.action == model_browser.CARD:
            yield model_browser.open_card(at["model_sheet"], event.key)
        elif event.action == model_browser.ALL:
            yield browse(plan, request)
        else:
            yield sheet.closed(at["model_sheet"])
            if event.action == model_browser.USE:
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
    inside: Any = at["model_sheet"]
    at["browse_models"].click(browse, context.plan, inside.outputs, **QUIET)
    inside.find.input(
        find_models, [inside.find, context.plan], inside.body, trigger_mode="always_last", **QUIET
    )
    for block in (inside.head, inside.body):
        block.action(act_in_sheet, rest, [*outputs, *inside.outputs], trigger_mode="once", **QUIET)
    at["hub"].input(choose_named, [at["hub"], *rest], outputs, trigger_mode="once", **QUIET)
    at["run"].input(choose_named, [at["run"], *rest], outputs, trigger_mode="once", **QUIET)
    for event in (at["folder_go"].click, at["folder"].submit):
        event(choose_named, [at["folder"], *rest], outputs, trigger_mode="once", **QUIET)


def model_outputs(at: dict[str, Any]) -> list[Any]:
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
        "model_drawn",
    )
    return [at[name] for name in names]


def model_updates(context: PageContext, at: dict[str, Any], plan: Plan, owner: str | None) -> Updates:
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
    updates[at["model_drawn"]] = ref
    return updates | _said_of_model(context, at, plan, owner)


def news_of_model(
    context: PageContext, at: dict[str, Any], plan: Plan, drawn: str | None, owner: str | None
) -> Updates:
    """The left column where `drawn`, what it was drawn for, may be another model. Else its fields are left alone: a reader
    may be choosing in them."""
    if drawn != plan["model"]:
        return model_updates(context, at, plan, owner)
    runs = gr.Dropdown(choices=_finished_runs(context, owner))
    return {at["run"]: runs} | _said_of_model(context, at, plan, owner)


def _said_of_model(context: PageContext, at: dict[str, Any], plan: Plan, owner: str | None) -> Updates:
    facts = _facts(context, plan, owner)
    size = facts["parameters"] if facts else None
    return {
        at["facts"]: str(method_cards.model_facts(facts)) if facts else "",
        at["model_line"]: str(method_cards.model_summary(model_title(plan["model"]), size)),
    }


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


def _newest_runs(context: PageContext, owner: str | None) -> list[Run]:
    """Runs that can be trained on from, the newest last."""
    return context.store.runs(states=("finished",), owner=owner)[-200:]


def _finished_runs(context: PageContext, owner: str | None) -> list[tuple[str, str]]:
    return [(_run_words(run), f"run:{run.id}") for run in reversed(_newest_runs(context, owner))]


def _run_words(run: Run) -> str:
    score = model_browser.score_words(run)
    return f"{run.label}, seed {run.spec.seed}{', ' if score else ''}{score} ({run.id[:6]})"
