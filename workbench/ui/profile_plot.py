"""The card "Every column at once" of the Compare tab: parallel coordinates, the best of each column on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
import plotly.graph_objects as go
from markupsafe import Markup

from workbench import profiles
from workbench.compare import Comparison
from workbench.curves import spread
from workbench.families import family
from workbench.metric import metric
from workbench.profiles import Axis, Profile
from workbench.ui import shown
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors, setting_of
from workbench.ui.controls import html_block
from workbench.ui.curve_table import plain_table
from workbench.ui.plots import DASHES, GREY, new_figure, safe, short
from workbench.ui.shown import in_words

MOST = 8
HEIGHT = 360


def draw(p: dict[str, Any]) -> None:
    """Add the card's parts to those of the tab, drawn where it is called."""
    with gr.Column(elem_classes="wb-card"):
        html_block(
            '<div class="wb-head"><h3>Every column at once</h3><span class="wb-note">a line for each method; the best of each'
            " column is on top</span></div>"
        )
        p["profile_columns"] = gr.Dropdown(
            [], multiselect=True, max_choices=MOST, label="Columns", show_label=False, container=False
        )
        p["profile"] = gr.Plot(show_label=False, container=False, elem_classes="wb-plot wb-profile")
        with gr.Accordion("Show as table", open=False, elem_classes="wb-as-table"):
            p["profile_table"] = html_block("")


def wire(context: PageContext, p: dict[str, Any]) -> None:
    @say_errors
    def offer_columns(
        setting_id: str | None, chosen: Sequence[str], request: gr.Request
    ) -> tuple[Any, Any, str]:
        owner = owner_of(request)
        found = shown.compared(context.store, setting_of(context, setting_id, owner), owner)
        if found is None:
            return gr.skip(), None, ""
        known = profiles.offered(found)
        kept = [name for name in chosen or () if name in known] or profiles.usual(found)
        choices = [(metric(name).title, name) for name in known]
        return gr.update(choices=choices, value=kept), *drawn(found, kept)

    @say_errors
    def redraw_profile(setting_id: str | None, chosen: Sequence[str], request: gr.Request) -> tuple[Any, str]:
        owner = owner_of(request)
        found = shown.compared(context.store, setting_of(context, setting_id, owner), owner)
        return drawn(found, chosen or ()) if found else (None, "")

    inputs = [context.setting_id, p["profile_columns"]]
    plot = [p["profile"], p["profile_table"]]
    p["drawn"].change(offer_columns, inputs, [p["profile_columns"], *plot], **QUIET)
    p["profile_columns"].input(redraw_profile, inputs, plot, trigger_mode="always_last", **QUIET)


def drawn(found: Comparison, columns: Sequence[str]) -> tuple[Any, str]:
    known = [name for name in columns if name in profiles.offered(found)]
    axes, lines = profiles.profiles(found, known)
    if not axes or not lines:
        return None, "Two methods must have finished, with columns in which they differ."
    return profile_figure(axes, lines), str(_table(axes, lines))


def profile_figure(axes: Sequence[Axis], lines: Sequence[Profile]) -> go.Figure:
    """Lines in the families' colours; a gap where something was not measured."""
    figure = new_figure("", "")
    figure.update_layout(height=HEIGHT, margin={"l": 48, "r": 126, "t": 48, "b": 34})
    for place, axis in enumerate(axes):
        figure.add_shape(
            type="line", x0=place, x1=place, y0=0, y1=1, line={"color": GREY, "width": 1}, layer="below"
        )
        texts = (
            (1, f"<b>{safe(metric(axis.column).title)}</b>", 28),
            (1, in_words(axis.best, axis.column), 12),
        )
        for y, text, shift in (*texts, (0, in_words(axis.worst, axis.column), -12)):
            figure.add_annotation(
                x=place,
                y=y,
                text=safe(text) if shift != 28 else text,
                yshift=shift,
                showarrow=False,
                font={"size": 11.5},
            )
    for line in lines:
        words = "<br>".join(
            f"{metric(axis.column).title}: {in_words(value, axis.column) or 'not measured'}"
            for axis, value in zip(axes, line.values)
        )
        figure.add_scatter(
            x=list(range(len(axes))), y=list(line.heights), mode="lines+markers", name=safe(line.label),
            line={"color": family(line.family).light, "width": 1.8, "dash": DASHES[line.place % len(DASHES)]},
            marker={"symbol": family(line.family).symbol, "size": 7, "color": family(line.family).light},
            hovertemplate=f"<b>{safe(line.label)}</b><br>{words}<extra></extra>",
        )  # fmt: skip
    _name(figure, axes, lines)
    figure.update_xaxes(range=[-0.15, len(axes) - 1 + 0.05], showticklabels=False)
    figure.update_yaxes(range=[-0.04, 1.04], showticklabels=False, showgrid=False)
    return figure


def _name(figure: go.Figure, axes: Sequence[Axis], lines: Sequence[Profile]) -> None:
    """Names at the right end, kept apart."""
    ended = [(line, line.heights[-1]) for line in lines if line.heights[-1] is not None]
    wanted = [height for _, height in ended if height is not None]
    for (line, _), y in zip(ended, spread(wanted, 0.052, 0.0, 1.0)):
        figure.add_annotation(
            x=len(axes) - 1, y=y, text=safe(short(line.label, 18)), xanchor="left", align="left", xshift=9, showarrow=False,
            font={"size": 11.5},
        )  # fmt: skip


def _table(axes: Sequence[Axis], lines: Sequence[Profile]) -> Markup:
    rows = [
        (line.label, *(in_words(value, axis.column) for axis, value in zip(axes, line.values)))
        for line in lines
    ]
    heads = ("Method", *(metric(axis.column).title for axis in axes))
    return plain_table(heads, rows, "The columns of each method")
