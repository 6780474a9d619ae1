"""The card "Two runs, field by field" of the Compare tab: in what choice, setting, environment and result they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.config_diff import Diff, diff
from workbench.metric import COLUMNS
from workbench.result import Run
from workbench.ui import shown
from workbench.ui.context import QUIET, PageContext, owner_of, run_of, say_errors, setting_of
from workbench.ui.controls import html_block
from workbench.ui.shown import in_words, place_of

LONGEST = 120
MEASURED = {column.name for column in COLUMNS}


def draw(p: dict[str, Any]) -> None:
    """Add the card's parts to those of the tab, drawn where it is called."""
    with gr.Column(elem_classes="wb-card wb-diff-card"):
        html_block(
            '<div class="wb-head"><h3>Two runs, field by field</h3><span class="wb-note">only what differs</span></div>'
        )
        with gr.Row(elem_classes="wb-diff-runs"):
            p["diff_first"] = gr.Dropdown([], label="One run")
            p["diff_second"] = gr.Dropdown([], label="Another")
        p["diff"] = html_block("")


def wire(context: PageContext, p: dict[str, Any]) -> None:
    @say_errors
    def offer_runs(
        setting_id: str | None, first: str | None, second: str | None, request: gr.Request
    ) -> tuple[Any, Any, str]:
        owner = owner_of(request)
        found = shown.compared(context.store, setting_of(context, setting_id, owner), owner)
        runs = sorted(found.runs, key=place_of) if found else []
        one, other = usual_pair(runs, first, second)
        choices = [(_words(run), run.id) for run in runs]
        html = diff_html(one, other)
        return (
            gr.update(choices=choices, value=one.id if one else None),
            gr.update(choices=choices, value=other.id if other else None),
            str(html),
        )

    @say_errors
    def show_diff(first: str | None, second: str | None, request: gr.Request) -> str:
        owner = owner_of(request)
        runs = [run_of(context, one, owner) if one else None for one in (first, second)]
        return str(diff_html(*runs))

    chosen = [p["diff_first"], p["diff_second"]]
    p["drawn"].change(offer_runs, [context.setting_id, *chosen], [*chosen, p["diff"]], **QUIET)
    for part in chosen:
        part.input(show_diff, chosen, p["diff"], **QUIET)


def usual_pair(runs: Sequence[Run], first: str | None, second: str | None) -> tuple[Run | None, Run | None]:
    """What was chosen as far as it still exists; else the best run and the next of another choice."""
    by_id = {run.id: run for run in runs}
    one = by_id.get(first or "") or (runs[0] if runs else None)
    other = by_id.get(second or "")
    if other is None and one is not None:
        other = next((run for run in runs if run.spec.choice.id != one.spec.choice.id), None)
        other = other or next((run for run in runs if run.id != one.id), None)
    return one, other


def diff_html(first: Run | None, second: Run | None) -> Markup:
    """A table of the fields that differ; a sentence where none does."""
    if first is None or second is None:
        return Markup('<p class="wb-two">Two runs are needed: choose them above.</p>')
    found = diff(first, second)
    if not found.fields:
        return Markup('<p class="wb-two">These two do not differ in any of {} fields.</p>').format(found.same)
    return _table(found, _words(first), _words(second))


def _table(found: Diff, first: str, second: str) -> Markup:
    body, group = Markup(""), ""
    for one in found.fields:
        if one.group != group:
            group = one.group
            body += Markup('<tr><th colspan="3" scope="rowgroup" class="wb-diff-group">{}</th></tr>').format(
                group
            )
        body += Markup('<tr><th scope="row" translate="no">{}</th><td>{}</td><td>{}</td></tr>').format(
            # Long names may break after an underscore, before they break anywhere.
            Markup("_<wbr>").join(one.name.split("_")),
            _value(one.name, one.first),
            _value(one.name, one.second),
        )
    return Markup(
        '<div class="wb-scroll"><table class="wb-plain wb-diff"><caption class="wb-hidden">Fields that differ</caption>'
        '<thead><tr><th scope="col">Field</th><th scope="col">{}</th><th scope="col">{}</th></tr></thead><tbody>{}</tbody>'
        '</table></div><p class="wb-note">{} further fields are the same.</p>'
    ).format(first, second, body, found.same)


def _value(name: str, value: Any) -> str:
    """A measured figure as the table writes it, everything else as it is."""
    if value is None:
        return "–"
    if name in MEASURED and isinstance(value, int | float):
        return in_words(value, name)
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _words(run: Run) -> str:
    ended = "" if run.state == "finished" else f", {run.state}"
    return f"{run.label} seed {run.spec.seed}{ended}"
