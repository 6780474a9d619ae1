"""The Compare tab: what may be said, the table, scatter and learning curves, single runs, downloads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import gradio as gr
from markupsafe import Markup

from workbench import learning_curve
from workbench.compare import Comparison
from workbench.curves import XAxis, scatter_points, seed_lines
from workbench.more_runs import more_seeds
from workbench.result import ACTIVE_STATES, FINAL_STATES, Run
from workbench.ui import example_explorer, inside_panel, shown, study_view
from workbench.ui.compare_layout import GRID, TABLE, draw, table_title, title
from workbench.ui.comparison_columns import column_choices, kept_columns, plain_grid, usual_columns
from workbench.ui.comparison_table import comparison_table
from workbench.ui.context import QUIET, PageContext, Tab, owner_of, run_of, say_errors, setting_of
from workbench.ui.curve_table import learning_table, scatter_table
from workbench.ui.downloads import commands, preset_yaml, write_downloads
from workbench.ui.failures import failures, has_checkpoint
from workbench.ui.learning_curve_plot import curve_plot, curve_rows, summary
from workbench.ui.parts import icon, page_title
from workbench.ui.plots import curve_figure
from workbench.ui.run_detail import detail_html
from workbench.ui.run_list import run_list
from workbench.ui.scatter_plot import scatter_figure
from workbench.ui.setting_facts import facts_card
from workbench.ui.verdicts import verdicts_card

ONE_SETTING = Markup('<span class="wb-badge wb-busy">{}one setting: all rows are comparable</span>').format(
    icon("ok", 12)
)
_PARTS = (
    *("head", "chooser", "empty", "body", "verdicts", "facts", "table_title", "columns", "table", "grid"),
    *(
        "scatter",
        "scatter_table",
        "learning",
        "learning_table",
        "sizes_card",
        "sizes_title",
        "sizes",
        "sizes_table",
        "detail_run",
        "detail",
        "runs",
    ),
    *("csv", "json", "markdown", "preset", "code_commands", "code_preset", "downloads", "drawn"),
)


def build(context: PageContext) -> Tab:
    """Draw the tab; everything in it comes from `refresh_compare`."""
    p = draw()
    handlers = _Handlers(context, p)
    tab = Tab(handlers.refresh_compare, handlers.inputs, [p[name] for name in _PARTS], parts=p)
    _wire(context, p, handlers, tab)
    return tab


class _Handlers:
    """What the tab does, with the context that it needs."""

    def __init__(self, context: PageContext, parts: dict[str, Any]) -> None:
        self.context = context
        names = ("drawn", "every", "find", "columns", "across", "x", "detail_run", "asked")
        self.inputs = [context.setting_id, *(parts[name] for name in names)]

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
        new["table"] = str(comparison_table(found, find=find or "", chosen=columns))
        new["grid"] = _grid(found)
        new["scatter"], new["scatter_table"] = draw_scatter(found, across)
        new["learning"], new["learning_table"] = self._learning(found, x)
        new |= self._sizes(sizes, owner)
        new["detail_run"], detail_run = _detail_choices(found.runs, detail_run)
        new["detail"] = str(detail_html(next((r for r in found.runs if r.id == detail_run), None)))
        new["runs"] = self._run_list(found, asked)
        files = write_downloads(found)
        new |= {kind: gr.update(value=path) for kind, path in files.items()}
        new |= {"code_commands": commands(found), "code_preset": preset_yaml(found)}
        return [new[name] for name in _PARTS]

    def _found(self, setting_id: str | None, request: gr.Request) -> Comparison:
        owner = owner_of(request)
        chosen = setting_of(self.context, setting_id, owner)
        found = shown.compared(self.context.store, chosen, owner)
        if found is None:
            raise ValueError(shown.NO_RUNS)
        return found

    def _learning(self, found: Comparison, x: XAxis) -> tuple[Any, str]:
        score = shown.chosen_by(found.setting)
        lines = seed_lines(self.context.store, found.runs, score, x=x)
        words = {"step": "training step", "time": "seconds of training"}[x]
        title = f"Validation {shown.in_sentence(score)}"
        share = shown.is_share(score)
        figure = curve_figure(lines, title=title, x_title=words, share=share, from_zero=False)
        return figure, str(learning_table(lines, "step" if x == "step" else "second", score))

    def _sizes(self, setting_ids: Sequence[str], owner: str | None) -> dict[str, Any]:
        """The learning curve over settings with other numbers of training rows; hidden where there are none."""
        if not setting_ids:
            return {
                "sizes_card": gr.update(visible=False),
                "sizes_title": "",
                "sizes": None,
                "sizes_table": "",
            }
        store = self.context.store
        curve = learning_curve.points(
            store, setting_ids, compare=lambda one: cast(Comparison, shown.compared(store, one, owner))
        )
        return {
            "sizes_card": gr.update(visible=True),
            "sizes_title": str(title("Learning curve by training rows", summary(curve))),
            "sizes": curve_plot(curve),
            "sizes_table": str(curve_rows(curve)),
        }

    @say_errors
    def filter_table(
        self, setting_id: str | None, find: str, columns: Sequence[str], request: gr.Request
    ) -> str:
        found = self._found(setting_id, request)
        return str(comparison_table(found, find=(find or "")[:80], chosen=columns))

    @say_errors
    def redraw_scatter(self, setting_id: str | None, across: str, request: gr.Request) -> tuple[Any, str]:
        return draw_scatter(self._found(setting_id, request), across)

    @say_errors
    def redraw_learning(self, setting_id: str | None, x: XAxis, request: gr.Request) -> tuple[Any, str]:
        return self._learning(self._found(setting_id, request), x)

    @say_errors
    def show_detail(self, run_id: str | None, request: gr.Request) -> str:
        run = run_of(self.context, run_id, owner_of(request)) if run_id else None
        return str(detail_html(run))

    @say_errors
    def act_on_verdict(
        self, setting_id: str | None, event: gr.EventData, request: gr.Request
    ) -> tuple[Any, Any, Any]:
        """Queue exactly the seeds that a verdict lacks, or show more of the verdicts."""
        found = self._found(setting_id, request)
        if event.action == "every":
            return gr.skip(), bool(event.key), str(verdicts_card(found, every=bool(event.key)))
        rows = {row.key for row in found.rows}
        if event.action == "all_seeds":
            going = ("finished", *ACTIVE_STATES)
            keys = [row.key for row in found.rows if any(row.states.get(state) for state in going)]
            count = int(event.key)
        else:
            *pair, number = event.key.split(":")
            keys, count = [key for key in pair if key in rows], int(number)
        specs = more_seeds(found.runs, keys, count)
        key = f"seeds:{found.setting.id}:{event.key}:{len(found.runs)}:{owner_of(request)}"
        ids = shown.queue_more(self.context, specs, owner_of(request), key)
        gr.Info(f"{len(ids)} runs queued. Train shows how they go on.", duration=6)
        return gr.Timer(active=True), gr.skip(), gr.skip()

    @say_errors
    def act_on_row(self, setting_id: str | None, event: gr.EventData, request: gr.Request) -> Any:
        """Queue a failed row's runs again."""
        owner = owner_of(request)
        found = self._found(setting_id, request)
        runs = [
            run
            for one in failures(found.runs)
            for run in one.runs
            if event.action == "retry" and run.spec.choice.id == event.key
        ]
        cancelled = [r for r in found.runs if r.spec.choice.id == event.key and r.state == "cancelled"]
        runs = runs or cancelled
        if not runs:
            raise ValueError("These runs were queued again already.")
        shown.check_limits(self.context, [run.spec for run in runs], owner)
        for run in runs:
            self.context.runner.retry(run.id)
        return gr.Timer(active=True)

    @say_errors
    def act_on_list(
        self, setting_id: str | None, event: gr.EventData, request: gr.Request
    ) -> tuple[Any, Any, Any]:
        """Cancel an active run; try an ended one again, resume it, or delete it after a second click."""
        owner = owner_of(request)
        run = run_of(self.context, event.key, owner)
        asked = run.id if event.action == "delete" else ""
        if event.action == "cancel":
            self.context.runner.cancel(run.id)
        elif event.action == "delete_now":
            if run.state not in FINAL_STATES:
                raise ValueError(f"This run is {run.state}: cancel it first, then delete it.")
            self.context.store.delete(run.id)
        elif event.action in ("retry", "resume"):
            shown.check_limits(self.context, [run.spec], owner)
            {"retry": self.context.runner.retry, "resume": self.context.runner.resume}[event.action](run.id)
        found = shown.compared(self.context.store, setting_of(self.context, setting_id, owner), owner)
        return gr.Timer(active=True), asked, self._run_list(found, asked) if found else ""

    def _run_list(self, found: Comparison, asked: str) -> str:
        resumable = {run.id for run in found.runs if has_checkpoint(self.context.store, run)}
        return str(run_list(found.runs, found.metric, asked=asked, resumable=resumable))


def draw_scatter(found: Comparison, across: str) -> tuple[Any, str]:
    points = scatter_points(found, across)
    row = shown.yardstick_of(found)
    mean = row.mean(found.metric) if row else None
    reference = None if row is None or mean is None else (shown.yardstick_words(row), mean)
    return scatter_figure(points, across, found.metric, reference=reference), str(
        scatter_table(points, across, found.metric)
    )


def _grid(found: Comparison) -> Any:
    heads, rows = plain_grid(found)
    return gr.update(value={"headers": heads, "data": rows}, pinned_columns=1)


def _detail_choices(runs: Sequence[Run], chosen: str | None) -> tuple[Any, str | None]:
    """Finished runs, the best first."""
    done = sorted((r for r in runs if r.state == "finished"), key=shown.place_of)
    choices = [(f"{run.label} seed {run.spec.seed}", run.id) for run in done]
    ids = [run_id for _, run_id in choices]
    value = chosen if chosen in ids else ids[0] if ids else None
    return gr.update(choices=choices, value=value), value


def show_as(kind: str) -> tuple[Any, Any]:
    return gr.update(visible=kind == TABLE), gr.update(visible=kind == GRID)


def show_columns(open_now: bool) -> tuple[Any, bool]:
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
    for event in (p["find"].change, p["columns"].input):
        event(
            h.filter_table,
            [setting, p["find"], p["columns"]],
            p["table"],
            trigger_mode="always_last",
            **QUIET,
        )
    p["choose_columns"].click(show_columns, p["columns_open"], [p["columns"], p["columns_open"]], **QUIET)
    p["kind"].change(show_as, p["kind"], [p["table"], p["grid"]], **QUIET)
    p["across"].change(h.redraw_scatter, [setting, p["across"]], [p["scatter"], p["scatter_table"]], **QUIET)
    p["x"].change(h.redraw_learning, [setting, p["x"]], [p["learning"], p["learning_table"]], **QUIET)
    example_explorer.wire(context, p)
    inside_panel.wire(context, p)
    study_view.wire(context, p)
    p["detail_run"].input(h.show_detail, p["detail_run"], p["detail"], **QUIET)
    p["code"].click(show_code, p["code_open"], [p["code_box"], p["code_open"]], **QUIET)
    outputs = [context.timer, p["every"], p["verdicts"]]
    p["verdicts"].action(h.act_on_verdict, setting, outputs, trigger_mode="once", **QUIET).then(**redraw)
    p["table"].action(h.act_on_row, setting, context.timer, trigger_mode="once", **QUIET).then(**redraw)
    p["runs"].action(
        h.act_on_list, setting, [context.timer, p["asked"], p["runs"]], trigger_mode="once", **QUIET
    ).then(**redraw)
