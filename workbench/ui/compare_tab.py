"""The Compare tab: what may be said, the advice, the table, its plots and claims, single runs, downloads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import learning_curve, repeat
from workbench.advice import advise
from workbench.compare import Comparison
from workbench.curves import XAxis
from workbench.result import Run
from workbench.store import Store
from workbench.ui import (
    advice_card,
    claims_card,
    diff_card,
    downloads,
    example_explorer,
    export_panel,
    inside_panel,
    predicted_plot,
    profile_plot,
    published_card,
    share_card,
    shown,
    study_view,
)
from workbench.ui.advice_card import BY_SCORE, WEIGHTS, order_of, weights_of
from workbench.ui.compare_actions import CompareActions
from workbench.ui.compare_layout import GRID, TABLE, draw, table_title
from workbench.ui.compare_plots import draw_learning, draw_scatter, draw_sizes, offered_axes
from workbench.ui.comparison_columns import column_choices, kept_columns, plain_grid, usual_columns
from workbench.ui.comparison_table import comparison_table
from workbench.ui.context import QUIET, PageContext, Tab, owner_of, run_of, say_errors, setting_of
from workbench.ui.parts import icon, page_title
from workbench.ui.run_detail import detail_html
from workbench.ui.setting_facts import facts_card
from workbench.ui.verdicts import verdicts_card

ONE_SETTING = Markup('<span class="wb-badge wb-busy">{}one setting: all rows are comparable</span>').format(
    icon("ok", 12)
)
_PARTS = (
    *("head", "chooser", "empty", "body", "verdicts", "facts", "table_title", "columns", "table", "grid"),
    *("across", "up", "third", "scatter", "scatter_table", "learning", "learning_table"),
    *("sizes_card", "sizes_title", "sizes", "sizes_table", "detail_run", "detail", "runs"),
    *("csv", "json", "preset", "code_commands", "code_preset", "downloads", "drawn"),
)
# Cards that draw themselves whenever the tab was drawn.
_CARDS = (
    *(advice_card, claims_card, profile_plot, predicted_plot, diff_card, published_card, downloads),
    *(example_explorer, inside_panel, export_panel, study_view, share_card),
)


def build(context: PageContext) -> Tab:
    """Draw the tab; everything in it comes from `refresh_compare`."""
    p = draw(share_card.is_offered(context))
    handlers = _Handlers(context, p)
    tab = Tab(handlers.refresh_compare, handlers.inputs, [p[name] for name in _PARTS], parts=p)
    _wire(context, p, handlers, tab)
    return tab


class _Handlers:
    """What the tab shows, with the context that it needs; `actions` are what its buttons do."""

    def __init__(self, context: PageContext, parts: dict[str, Any]) -> None:
        self.context, self.actions = context, CompareActions(context)
        names = ("drawn", "every", "find", "columns", "across", "x", "detail_run", "asked", "up", "third")
        self.inputs = [
            context.setting_id,
            *(parts[name] for name in (*names, "order", *WEIGHTS)),
        ]

    def refresh_compare(
        self,
        setting_id: str | None,
        drawn: str,
        every: bool,
        find: str,
        columns: Sequence[str],
        across: str,
        x: XAxis,
        detail_run: str | None,
        asked: str,
        up: str | None,
        third: str | None,
        order: str,
        a: float,
        b: float,
        c: float,
        d: float,
        e: float,
        request: gr.Request,
    ) -> list[Any]:
        """Redraw when a run came, went or changed its state; steps alone change nothing here."""
        store, owner = self.context.store, owner_of(request)
        chosen = setting_of(self.context, setting_id, owner)
        sizes = learning_curve.related(store, chosen, owner) if chosen else []
        seen = [shown.fingerprint(store, one, owner) for one in (chosen, *sizes)]
        seen.append(study_view.signature(store, chosen, owner))
        signature = f"{chosen} {len(store.settings(owner))} {' '.join(seen)}"
        new: dict[str, Any] = dict.fromkeys(_PARTS, gr.skip())
        if signature == drawn:
            return list(new.values())
        new["drawn"] = signature
        found = shown.compared(store, chosen, owner)
        new["empty"] = gr.update(visible=found is None)
        new["body"] = gr.update(visible=found is not None)
        new["downloads"] = gr.update(visible=found is not None)
        if found is None:
            new |= {"head": str(page_title("Compare")), "chooser": gr.update(visible=False)}
            return [new[name] for name in _PARTS]
        new["head"] = str(page_title("Compare", ONE_SETTING))
        new["chooser"] = shown.show_choices(self.context, owner, chosen)
        new["verdicts"] = str(verdicts_card(found, every=every))
        new["facts"] = str(facts_card(found))
        new["table_title"] = str(table_title(found))
        same = drawn.partition(" ")[0] == found.setting.id
        columns = kept_columns(found, columns) if same else usual_columns(found)
        new["columns"] = gr.update(choices=column_choices(found), value=columns)
        new["table"] = draw_table(found, find, columns, order, (a, b, c, d, e))
        new["grid"] = _grid(found)
        if not same:
            up = third = None
        new["across"], new["up"], new["third"] = axes = offered_axes(found, across, up, third)
        new["scatter"], new["scatter_table"] = draw_scatter(found, *(axis["value"] for axis in axes))
        new["learning"], new["learning_table"] = draw_learning(store, found, x)
        new |= draw_sizes(store, sizes, owner)
        new["detail_run"], detail_run = _detail_choices(found.runs, detail_run)
        new["detail"] = _detail(store, next((r for r in found.runs if r.id == detail_run), None))
        new["runs"] = self.actions.run_list(found, asked)
        files = downloads.write_downloads(found)
        new |= {kind: gr.update(value=path) for kind, path in files.items()}
        new |= {"code_commands": downloads.commands(found), "code_preset": downloads.preset_yaml(found)}
        return [new[name] for name in _PARTS]

    @say_errors
    def filter_table(
        self,
        setting_id: str | None,
        find: str,
        columns: Sequence[str],
        order: str,
        a: float,
        b: float,
        c: float,
        d: float,
        e: float,
        request: gr.Request,
    ) -> str:
        found = self.actions.found(setting_id, request)
        return draw_table(found, find, columns, order, (a, b, c, d, e))

    @say_errors
    def redraw_scatter(
        self, setting_id: str | None, across: str, up: str, third: str, request: gr.Request
    ) -> tuple[Any, str]:
        return draw_scatter(self.actions.found(setting_id, request), across, up, third)

    @say_errors
    def redraw_learning(self, setting_id: str | None, x: XAxis, request: gr.Request) -> tuple[Any, str]:
        return draw_learning(self.context.store, self.actions.found(setting_id, request), x)

    @say_errors
    def show_detail(self, run_id: str | None, request: gr.Request) -> str:
        run = run_of(self.context, run_id, owner_of(request)) if run_id else None
        return _detail(self.context.store, run)


def draw_table(
    found: Comparison, find: str, columns: Sequence[str], order: str, weights: Sequence[float]
) -> str:
    """The table in the order asked for, with the advised row tinted."""
    wanted = weights_of(weights)
    return str(
        comparison_table(
            found,
            find=(find or "")[:80],
            chosen=columns,
            order=order_of(found, order or BY_SCORE, wanted),
            advised=advise(found, wanted).row,
        )
    )


def _detail(store: Store, run: Run | None) -> str:
    """A run's details; of one that repeats another also whether its predictions are the same."""
    earlier = repeat.original(store, run) if run is not None else None
    told = repeat.compared(store, earlier, run) if earlier is not None and run is not None else None
    return str(detail_html(run, repeated=told))


def _grid(found: Comparison) -> Any:
    heads, rows = plain_grid(found)
    return gr.update(value={"headers": heads, "data": rows}, pinned_columns=1)


def _detail_choices(runs: Sequence[Run], chosen: str | None) -> tuple[Any, str | None]:
    """Finished runs, the best first."""
    done = sorted((r for r in runs if r.state == "finished"), key=shown.place_of)
    again = {True: ", repeated", False: ""}
    choices = [(f"{run.label} seed {run.spec.seed}{again[run.retry_of is not None]}", run.id) for run in done]
    ids = [run_id for _, run_id in choices]
    value = chosen if chosen in ids else ids[0] if ids else None
    return gr.update(choices=choices, value=value), value


def show_as(kind: str) -> tuple[Any, Any]:
    return gr.update(visible=kind == TABLE), gr.update(visible=kind == GRID)


def show_columns(open_now: bool) -> tuple[Any, bool]:
    return gr.update(visible=not open_now), not open_now


def show_axes(open_now: bool) -> tuple[Any, bool]:
    return gr.update(visible=not open_now), not open_now


def show_code(visible: bool) -> tuple[Any, bool]:
    return gr.update(visible=not visible), not visible


def go_to_methods() -> Any:
    return gr.Tabs(selected="methods")


def _wire(context: PageContext, p: dict[str, Any], h: _Handlers, tab: Tab) -> None:
    setting = context.setting_id
    redraw = {"fn": tab.refresh, "inputs": list(tab.inputs), "outputs": list(tab.outputs), **QUIET}
    shown.wire_chooser(context, p["chooser"])
    p["empty"].action(go_to_methods, None, context.tabs, **QUIET)
    weights = [p[name] for name in WEIGHTS]
    table = [setting, p["find"], p["columns"], p["order"], *weights]
    events = [p["find"].change, p["columns"].input, p["order"].change, *(one.change for one in weights)]
    for event in events:
        event(h.filter_table, table, p["table"], trigger_mode="always_last", **QUIET)
    p["choose_columns"].click(show_columns, p["columns_open"], [p["columns"], p["columns_open"]], **QUIET)
    p["choose_axes"].click(show_axes, p["axes_open"], [p["axes"], p["axes_open"]], **QUIET)
    p["kind"].change(show_as, p["kind"], [p["table"], p["grid"]], **QUIET)
    axes = [setting, p["across"], p["up"], p["third"]]
    for name in ("across", "up", "third"):
        p[name].input(h.redraw_scatter, axes, [p["scatter"], p["scatter_table"]], **QUIET)
    p["x"].change(h.redraw_learning, [setting, p["x"]], [p["learning"], p["learning_table"]], **QUIET)
    for card in _CARDS:
        card.wire(context, p)
    p["detail_run"].input(h.show_detail, p["detail_run"], p["detail"], **QUIET)
    actions = h.actions
    p["detail"].action(actions.act_on_detail, None, context.timer, trigger_mode="once", **QUIET).then(
        **redraw
    )
    p["code"].click(show_code, p["code_open"], [p["code_box"], p["code_open"]], **QUIET)
    outputs = [context.timer, p["every"], p["verdicts"]]
    p["verdicts"].action(actions.act_on_verdict, setting, outputs, trigger_mode="once", **QUIET).then(
        **redraw
    )
    p["table"].action(actions.act_on_row, setting, context.timer, trigger_mode="once", **QUIET).then(**redraw)
    p["runs"].action(
        actions.act_on_list, setting, [context.timer, p["asked"], p["runs"]], trigger_mode="once", **QUIET
    ).then(**redraw)
