"""Draws score against training rows: a log axis, whiskers where there are several seeds, references dotted; and its table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup

from workbench.curves import Line, spread
from workbench.families import family
from workbench.learning_curve import LearningCurve
from workbench.metric import metric
from workbench.ui.curve_table import plain_table
from workbench.ui.parts import format_score
from workbench.ui.plots import INSIDE, LABEL_GAP, curve_figure

MOST_TICKS = 7
LEAST_SEEDS = 3
_NUDGE = 0.012


def curve_plot(curve: LearningCurve) -> go.Figure:
    """The figure; x is drawn as powers of ten, so that each step of the axis is the same factor."""
    lines = [_on_log_axis(line) for line in (*curve.lines, *curve.references)]
    share = metric(curve.metric).format == "share"
    figure = curve_figure(lines, title=metric(curve.metric).title, x_title="training rows (log)", share=share)
    scale = 100.0 if share else 1.0
    for trace in figure.data:
        if trace.mode == "lines":
            trace.customdata = [round(10**x) for x in trace.x]
            trace.hovertemplate = f"<b>{trace.name}</b><br>%{{customdata:,}} rows: %{{y:.1f}}<extra></extra>"
    # Each size gets its own mark below; the ones at the lines' ends would stand beside them.
    figure.data = [trace for trace in figure.data if trace.mode == "lines"]
    _add_points(figure, curve.lines, scale)
    _widen(figure, curve, scale, share)
    _name_again(figure, [*curve.lines, *curve.references], scale)
    ticks = _ticks(curve.sizes)
    first, last = figure.layout.xaxis.range
    figure.update_xaxes(
        range=[first, last + _NUDGE * len(curve.lines) / 2],
        tickvals=[math.log10(size) for size in ticks],
        ticktext=[f"{size:,}" for size in ticks],
        tickmode="array",
    )
    return figure


def curve_rows(curve: LearningCurve) -> Markup:
    """The same figures as a table."""
    rows = []
    for line in (*curve.lines, *curve.references):
        cells = {
            size: format_score(mean) + _half(line, i) for i, (size, mean) in enumerate(zip(line.x, line.y))
        }
        rows.append((line.label, *(cells.get(float(size), "") for size in curve.sizes)))
    heads = ("Method", *(f"{size:,} rows" for size in curve.sizes))
    name = metric(curve.metric).title.lower()
    return plain_table(heads, rows, f"Mean test {name} of each method by training rows, in percent")


def summary(curve: LearningCurve) -> str:
    """One sentence on how the picture came about."""
    whiskers = ", whiskers 95 %" if curve.seeds >= LEAST_SEEDS else ""
    seeds = f"mean of {curve.seeds} seeds{whiskers}" if curve.seeds > 1 else "one seed each"
    return f"{len(curve.sizes)} sizes, the same validation and test rows; {seeds}"


def _on_log_axis(line: Line) -> Line:
    return replace(line, x=tuple(math.log10(max(x, 1.0)) for x in line.x), low=(), high=())


def _add_points(figure: go.Figure, lines: Sequence[Line], scale: float) -> None:
    """A mark at each size, with a whisker where several seeds were run."""
    for place, line in enumerate(lines):
        drawn = family(line.family)
        error: dict[str, Any] | None = None
        if _has_whiskers(line):
            error = {
                "type": "data", "symmetric": False, "color": drawn.light, "thickness": 1.2, "width": 0,
                "array": [_size(high - y, scale) for y, high in zip(line.y, line.high)],
                "arrayminus": [_size(y - low, scale) for y, low in zip(line.y, line.low)],
            }  # fmt: skip
        # Whiskers of one size stand side by side: on one spot none could be read.
        nudge = (place - (len(lines) - 1) / 2) * (_NUDGE if _has_whiskers(line) else 0)
        figure.add_scatter(
            x=[math.log10(max(x, 1.0)) + nudge for x in line.x], y=[y * scale for y in line.y], mode="markers",
            error_y=error, hoverinfo="skip", cliponaxis=False,
            marker={"symbol": drawn.symbol, "size": 7, "color": drawn.light},
        )  # fmt: skip


def _widen(figure: go.Figure, curve: LearningCurve, scale: float, share: bool) -> None:
    """Room for whiskers, as far as they are no longer than the whole spread of the means."""
    low, high = figure.layout.yaxis.range
    room = (high - low) / 2
    for line in filter(_has_whiskers, curve.lines):
        for bottom, top in zip(line.low, line.high):
            if not math.isnan(bottom):
                low = max(min(low, bottom * scale), figure.layout.yaxis.range[0] - room)
                high = min(max(high, top * scale), figure.layout.yaxis.range[1] + room)
    if share:
        low, high = max(low, 0.0), min(high, 100.5)
    figure.update_yaxes(range=[low, high])


def _name_again(figure: go.Figure, lines: Sequence[Line], scale: float) -> None:
    """The names at the lines' ends moved apart once more: the wider axis has brought them together."""
    low, high = figure.layout.yaxis.range
    last = max((line.x[-1] for line in lines), default=0.0)
    ends = [line.y[-1] * scale for line in lines if line.x[-1] == last]
    named = [
        one for one in figure.layout.annotations if one.xref == "paper" and one.yref != "paper" and one.x == 1
    ]
    if len(named) == len(ends):
        for one, y in zip(named, spread(ends, LABEL_GAP * (high - low) / INSIDE, low, high)):
            one.y = y


def _has_whiskers(line: Line) -> bool:
    """Of two seeds they would be longer than any plot: the table says how long."""
    return line.seeds >= LEAST_SEEDS and bool(line.high)


def _ticks(sizes: Sequence[int]) -> list[int]:
    """The sizes themselves; of many, or of two that would touch, only some."""
    kept: list[int] = []
    span = math.log10(max(sizes) / min(sizes)) if len(sizes) > 1 else 1.0
    for size in reversed(sizes):
        if not kept or math.log10(kept[-1] / size) >= span / MOST_TICKS:
            kept.append(size)
    return list(reversed(kept))


def _size(value: float, scale: float) -> float:
    return 0.0 if math.isnan(value) else value * scale


def _half(line: Line, place: int) -> str:
    if not line.high or math.isnan(line.high[place]):
        return ""
    return f" ±{50 * (line.high[place] - line.low[place]):.1f}"
