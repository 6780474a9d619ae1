"""Draws score against a cost: whiskers, the front as a line, names that keep apart, a third column as the size of the marks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import plotly.graph_objects as go

from workbench.curves import Point
from workbench.families import family as find_family
from workbench.metric import Metric, metric
from workbench.ui.comparison_columns import NEAR
from workbench.ui.label_places import label_places
from workbench.ui.parts import format_bytes, format_count, format_seconds
from workbench.ui.plots import GREY, INSIDE, new_figure, safe, short
from workbench.ui.shown import head_of, in_sentence, in_words, is_share, plain_figure, times

# As narrow as the plot is on a phone: labels placed for this width stay apart on a wider one.
NOMINAL_WIDTH = 270.0


def scatter_figure(
    points: Sequence[Point],
    column: str,
    score: str,
    *,
    reference: tuple[str, float] | None = None,
    third: str | None = None,
) -> go.Figure:
    """Score against a cost on a log axis: whiskers, the front as a staircase, the reference as a dotted line. A third column
    is the size of the marks; the front over three has no line, its names are bold."""
    across, up = metric(column), metric(score)
    figure = new_figure(head_of(score), "")
    unit = times(score)
    figure.update_layout(margin={"r": 16})
    low, high = _scatter_range(points, reference, unit)
    x_low, x_high = _log_range([point.x for point in points])
    if third is None and across.better != "none" and up.better == "higher":
        _add_front(figure, points, 10**x_high if across.better == "lower" else 10**x_low, unit)
    if reference is not None and low <= reference[1] * unit <= high:
        figure.add_hline(y=reference[1] * unit, line={"color": GREY, "width": 1, "dash": "dot"})
        figure.add_annotation(
            text=f"{reference[0]} {plain_figure(reference[1], score)}", x=1, xref="paper", xanchor="right", align="right",
            y=reference[1] * unit, yshift=-9, showarrow=False, font={"size": 11.5},
        )  # fmt: skip
    for point in points:
        _add_point(figure, point, across, up, metric(third) if third else None, _mark_size(point, points))
    _name_points(figure, points, (x_low, x_high), (low, high), unit)
    ticks, texts = log_ticks(10**x_low, 10**x_high, across)
    figure.update_xaxes(
        type="log", range=[x_low, x_high], tickvals=ticks, ticktext=texts,
        title_text=f"{in_sentence(across.name)} (log)",
    )  # fmt: skip
    figure.update_yaxes(range=[low, high], nticks=7)
    return figure


def _add_front(figure: go.Figure, points: Sequence[Point], edge: float, unit: float) -> None:
    front = sorted((point for point in points if point.on_front), key=lambda point: point.x)
    if front:
        figure.add_scatter(
            x=[*(point.x for point in front), edge], y=[unit * y for y in (*(p.y for p in front), front[-1].y)],
            mode="lines", line={"shape": "hv", "color": GREY, "width": 1.2}, hoverinfo="skip",
        )  # fmt: skip


def _mark_size(point: Point, points: Sequence[Point]) -> float:
    """From 8 to 22 by the square root, so that the area speaks; 11 where there is no third column."""
    values = [p.third for p in points if p.third is not None]
    if point.third is None or not values or max(values) <= 0:
        return 11.0
    return 8.0 + 14.0 * math.sqrt(max(point.third, 0.0) / max(values))


def _add_point(
    figure: go.Figure, point: Point, across: Metric, up: Metric, third: Metric | None, size: float
) -> None:
    family, unit = find_family(point.family), times(up.name)
    error = None
    if point.low is not None and point.high is not None:
        error = {
            "type": "data", "symmetric": False, "array": [unit * (point.high - point.y)],
            "arrayminus": [unit * (point.y - point.low)], "color": family.light, "thickness": 1.4, "width": 0,
        }  # fmt: skip
    about = (
        f" ±{plain_figure((point.high - point.low) / 2, up.name)}"
        if point.low is not None and point.high is not None
        else ""
    )
    percent = " %" if is_share(up.name) else ""
    figure.add_scatter(
        x=[point.x], y=[unit * point.y], mode="markers", error_y=error, name=safe(point.label),
        marker={"symbol": family.symbol, "size": size, "color": family.light, "opacity": 0.85 if third else 1.0},
        hovertemplate=f"<b>{safe(point.label)}</b><br>{in_sentence(up.name)} {plain_figure(point.y, up.name)}{about}{percent}<br>"
        f"{in_sentence(across.name)} {in_words(point.x, across)}"
        + (f"<br>{in_sentence(third.name)} {in_words(point.third, third)}" if third else "")
        + "<extra></extra>",
    )  # fmt: skip


def _name_points(
    figure: go.Figure, points: Sequence[Point], x: tuple[float, float], y: tuple[float, float], unit: float
) -> None:
    order = sorted(points, key=lambda point: (not point.on_front, -point.y))
    labels = [short(point.label, 22) for point in order]

    def across(value: float) -> float:
        return (math.log10(value) - x[0]) / (x[1] - x[0]) * NOMINAL_WIDTH

    def down(share: float) -> float:
        return (y[1] - unit * share) / (y[1] - y[0]) * INSIDE

    pixels = [(across(point.x), down(point.y)) for point in order]
    front = sorted((point for point in points if point.on_front), key=lambda point: point.x)
    strokes = [
        (across(p.x) - 2, down(p.high), across(p.x) + 2, down(p.low))
        for p in points
        if p.low is not None and p.high is not None
    ]
    for one, other in itertools.pairwise(front):
        strokes.append((across(one.x), down(one.y) - 1, across(other.x), down(one.y) + 1))
        strokes.append((across(other.x) - 1, down(other.y), across(other.x) + 1, down(one.y)))
    if front:
        right = down(front[-1].y)
        strokes.append((across(front[-1].x), right - 1, NOMINAL_WIDTH, right + 1))
    places = label_places(pixels, labels, NOMINAL_WIDTH, INSIDE, strokes)
    for point, label, place in zip(order, labels, places):
        if place is not None:
            figure.add_annotation(
                text=f"<b>{safe(label)}</b>" if point.on_front else safe(label), x=math.log10(point.x),
                y=unit * point.y, xshift=place.dx, yshift=-place.dy, xanchor=place.anchor, align=place.anchor, showarrow=False,
                font={"size": 11.5},
            )  # fmt: skip


def _scatter_range(
    points: Sequence[Point], reference: tuple[str, float] | None, unit: float
) -> tuple[float, float]:
    values = [unit * v for p in points for v in (p.y, p.low, p.high) if v is not None]
    if not values:
        return 0.0, unit
    centre = [unit * point.y for point in points]
    # Four points of a hundred, or 4 % of a score that is no share, are the least that is drawn apart.
    least = 0.04 * unit if unit > 1 else 0.04 * abs(max(centre))
    spread_of_means = max(max(centre) - min(centre), least)
    # A row with a very wide interval must not press the others into one line.
    low = max(min(values), min(centre) - spread_of_means)
    high = min(max(values), max(centre) + spread_of_means)
    near = max(spread_of_means, NEAR) if unit > 1 else spread_of_means
    if reference is not None and low - near <= unit * reference[1] <= high + (near if unit == 1 else unit):
        low, high = min(low, unit * reference[1]), max(high, unit * reference[1])
    room = max((high - low) * 0.08, 0.01 * unit if unit > 1 else 0.0)
    return max(low - room, 0.0), min(high + room, 101.0) if unit > 1 else high + room


def _log_range(values: Sequence[float]) -> tuple[float, float]:
    logs = [math.log10(value) for value in values if value > 0]
    if not logs:
        return 0.0, 1.0
    room = max((max(logs) - min(logs)) * 0.08, 0.08)
    return min(logs) - room, max(logs) + room


def log_ticks(low: float, high: float, column: Metric) -> tuple[list[float], list[str]]:
    """Round figures in the unit that is written: 1, 2, 5 or whole powers of ten, at most seven."""
    unit = 1.0
    if column.format == "bytes":
        unit = 1024.0 ** max(0, math.floor(math.log(math.sqrt(low * high), 1024)))
    powers = range(math.floor(math.log10(low / unit)), math.ceil(math.log10(high / unit)) + 1)
    for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power * unit for power in powers for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= 6:
            break
    write = {"bytes": format_bytes, "count": _short_count, "seconds": format_seconds}.get(
        column.format, lambda value: f"{value:g}"
    )
    return inside, [write(tick) for tick in inside]


def _short_count(value: float) -> str:
    for size, word in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{word}"
    return format_count(value)
