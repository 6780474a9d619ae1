"""The card "Predicted and measured" of the Compare tab: what was said before each run beside what came out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gradio as gr
import plotly.graph_objects as go
from markupsafe import Markup

from workbench import predicted_points
from workbench.compare import Comparison
from workbench.families import family
from workbench.metric import metric
from workbench.predicted_points import Held
from workbench.ui import shown
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors, setting_of
from workbench.ui.controls import html_block, segmented
from workbench.ui.curve_table import plain_table
from workbench.ui.label_places import label_places
from workbench.ui.parts import empty_state
from workbench.ui.plots import GREY, INSIDE, new_figure, safe, short
from workbench.ui.scatter_plot import NOMINAL_WIDTH, log_ticks
from workbench.ui.shown import in_words

WORDS = {"peak_memory_bytes": "memory", "train_seconds": "time", "trainable_parameters": "trained"}
NONE_YET = (
    "Nothing was predicted for these runs: an estimate is kept with runs that were queued after it existed."
)


def draw(p: dict[str, Any]) -> None:
    """Add the card's parts to those of the tab, drawn where it is called."""
    with gr.Column(elem_classes="wb-card"):
        with gr.Row(elem_classes="wb-card-head"):
            p["held_title"] = html_block(str(_title("")))
            p["held_of"] = segmented(
                [(word, name) for name, word in WORDS.items()], "peak_memory_bytes", label="Predicted what"
            )
        p["held"] = gr.Plot(show_label=False, container=False, elem_classes="wb-plot")
        p["held_none"] = html_block(str(empty_state(NONE_YET)))
        with gr.Accordion("Show as table", open=False, elem_classes="wb-as-table"):
            p["held_table"] = html_block("")


def wire(context: PageContext, p: dict[str, Any]) -> None:
    @say_errors
    def draw_held(setting_id: str | None, column: str, request: gr.Request) -> list[Any]:
        owner = owner_of(request)
        found = shown.compared(context.store, setting_of(context, setting_id, owner), owner)
        return drawn(found, column)

    parts = [p[name] for name in ("held_title", "held", "held_none", "held_table")]
    p["drawn"].change(draw_held, [context.setting_id, p["held_of"]], parts, **QUIET)
    p["held_of"].change(draw_held, [context.setting_id, p["held_of"]], parts, **QUIET)


def drawn(found: Comparison | None, column: str) -> list[Any]:
    points = predicted_points.held(found, column) if found and column in WORDS else []
    figure = held_figure(points, column) if points else None
    return [
        str(_title(predicted_points.summary(points))),
        gr.update(value=figure, visible=figure is not None),
        gr.update(visible=figure is None),
        str(_table(points, column)) if points else "",
    ]


def held_figure(points: Sequence[Held], column: str) -> go.Figure:
    """Both on one log scale: on the diagonal the prediction was right."""
    known = metric(column)
    figure = new_figure("measured", "")
    values = [value for point in points for value in (point.predicted, point.measured)]
    low, high = math.log10(min(values)) - 0.08, math.log10(max(values)) + 0.08
    figure.update_layout(margin={"l": 62, "r": 16})
    figure.add_scatter(
        x=[10**low, 10**high], y=[10**low, 10**high], mode="lines", line={"color": GREY, "width": 1, "dash": "dot"},
        hoverinfo="skip",
    )  # fmt: skip
    for point in points:
        colour = family(point.family)
        figure.add_scatter(
            x=[point.predicted], y=[point.measured], mode="markers", name=safe(point.label),
            marker={"symbol": colour.symbol, "size": 11, "color": colour.light},
            hovertemplate=f"<b>{safe(point.label)}</b><br>predicted {in_words(point.predicted, known)}<br>"
            f"measured {in_words(point.measured, known)}<br>{_error(point)}<extra></extra>",
        )  # fmt: skip
    _name(figure, points, low, high)
    ticks, texts = log_ticks(10**low, 10**high, known)
    axis = {"type": "log", "range": [low, high], "tickvals": ticks, "ticktext": texts}
    figure.update_xaxes(title_text="predicted before the run", **axis)
    figure.update_yaxes(**axis)
    return figure


def _name(figure: go.Figure, points: Sequence[Held], low: float, high: float) -> None:
    def part(value: float) -> float:
        return (math.log10(value) - low) / (high - low)

    pixels = [(part(p.predicted) * NOMINAL_WIDTH, (1 - part(p.measured)) * INSIDE) for p in points]
    labels = [short(point.label, 20) for point in points]
    for point, label, place in zip(points, labels, label_places(pixels, labels, NOMINAL_WIDTH, INSIDE, [])):
        if place is not None:
            figure.add_annotation(
                text=safe(label), x=math.log10(point.predicted), y=math.log10(point.measured), xshift=place.dx,
                yshift=-place.dy, xanchor=place.anchor, align=place.anchor, showarrow=False, font={"size": 11.5},
            )  # fmt: skip


def _table(points: Sequence[Held], column: str) -> Markup:
    rows = [
        (p.label, in_words(p.predicted, column), in_words(p.measured, column), _error(p))
        for p in sorted(points, key=lambda point: -abs(point.error))
    ]
    return plain_table(
        ("Method", "Predicted", "Measured", "Error"), rows, "Predicted and measured, the worst first"
    )


def _error(point: Held) -> str:
    return f"{100 * point.error:+.1f} %".replace("-", "\u2212")


def _title(note: str) -> Markup:
    return Markup(
        '<div class="wb-head"><h3>Predicted and measured</h3><span class="wb-note">{}</span></div>'
    ).format(note or "before each run, and in it")
