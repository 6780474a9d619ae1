"""The folded card of published results on the Compare tab: what these methods did on a 3B model, beside one's own table."""

from __future__ import annotations

from typing import Any

import gradio as gr
import plotly.graph_objects as go
from markupsafe import Markup

from workbench.compare import Comparison
from workbench.curves import Point
from workbench.published_rows import CONDITIONS, SOURCE, URL, PublishedRow, published_rows
from workbench.ui import shown
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors, setting_of
from workbench.ui.controls import html_block, segmented
from workbench.ui.parts import format_bytes, format_count, format_score, marker
from workbench.ui.scatter_plot import scatter_figure

MINE, ALL = "My methods", "All"


def draw(p: dict[str, Any]) -> None:
    """Closed at first, and drawn only when it is opened."""
    with (
        gr.Column(elem_classes="wb-card wb-published-card"),
        gr.Accordion("Published results on Llama-3.2-3B", open=False, elem_classes="wb-as-table") as fold,
    ):
        p["published_fold"] = fold
        with gr.Row(elem_classes="wb-card-head"):
            html_block(str(_source()))
            p["published_which"] = segmented([MINE, ALL], MINE, label="Which methods")
        p["published"] = gr.Plot(show_label=False, container=False, elem_classes="wb-plot")
        p["published_table"] = html_block("")


def wire(context: PageContext, p: dict[str, Any]) -> None:
    @say_errors
    def show_published(setting_id: str | None, which: str, request: gr.Request) -> tuple[Any, str]:
        owner = owner_of(request)
        found = shown.compared(context.store, setting_of(context, setting_id, owner), owner)
        rows = chosen_rows(found, which)
        return published_figure(rows), str(published_html(rows, found))

    inputs, outputs = (
        [context.setting_id, p["published_which"]],
        [p["published"], p["published_table"]],
    )
    p["published_fold"].expand(show_published, inputs, outputs, **QUIET)
    p["published_which"].input(show_published, inputs, outputs, **QUIET)


def chosen_rows(found: Comparison | None, which: str) -> list[PublishedRow]:
    """Those of the methods on the table, or all; all too where none of them was published."""
    mine = {row.method for row in found.rows} if found else set()
    own = [row for row in published_rows() if row.method in mine]
    return list(published_rows()) if which == ALL or not own else own


def published_figure(rows: list[PublishedRow]) -> go.Figure:
    points = [
        Point(row.label, row.label, row.family, row.peak_memory_bytes, row.accuracy, None, None, row.on_front)
        for row in rows
    ]
    return scatter_figure(points, "peak_memory_bytes", "accuracy")


def published_html(rows: list[PublishedRow], found: Comparison | None) -> Markup:
    """A plain table; methods that are on one's own table are marked."""
    mine = {row.method for row in found.rows} if found else set()
    body = Markup("").join(_row(row, row.method in mine) for row in rows)
    heads = ("Accuracy, %", "Peak memory", "Trained", "Time per step", "Size", "Forgetting")
    head = Markup("").join(Markup('<th scope="col" class="wb-num">{}</th>').format(text) for text in heads)
    return Markup(
        '<div class="wb-scroll"><table class="wb-plain"><caption class="wb-hidden">Published results</caption><thead><tr>'
        '<th scope="col">Run</th>{}</tr></thead><tbody>{}</tbody></table></div><p class="wb-note">{}</p>'
    ).format(head, body, CONDITIONS)


def _row(row: PublishedRow, mine: bool) -> Markup:
    cells = (
        format_score(row.accuracy),
        format_bytes(row.peak_memory_bytes),
        format_count(row.trainable_parameters),
        f"{1000 * row.seconds_per_step:.0f} ms",
        format_bytes(row.adapter_bytes),
        f"{row.forgetting:+.2f} nats".replace("-", "\u2212"),
    )
    name = Markup('<span class="wb-row">{}{}{}</span>').format(
        marker(row.family, 11),
        Markup('<span translate="no">{}</span>').format(row.label),
        Markup('<span class="wb-tag">on your table</span>') if mine else "",
    )
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(
        name, Markup("").join(Markup('<td class="wb-num">{}</td>').format(cell) for cell in cells)
    )


def _source() -> Markup:
    return Markup(
        '<div class="wb-head"><span class="wb-note">Not your runs and not comparable with them: '
        '<a href="{}" target="_blank" rel="noreferrer">{}</a>.</span></div>'
    ).format(URL, SOURCE)
