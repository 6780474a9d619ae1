"""Draws what curves.py computed, on a transparent ground; light colours, which the style sheet swaps in the dark."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from workbench.curves import Line, Point, spread
from workbench.families import family as find_family
from workbench.metric import Metric, metric
from workbench.ui.comparison_columns import NEAR
from workbench.ui.label_places import label_places
from workbench.ui.parts import format_bytes, format_count, format_seconds
from workbench.ui.shown import head_of, in_sentence, in_words, is_share, plain_figure, times

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
HEIGHT = 310
TOP, BOTTOM, LEFT, RIGHT = 30, 40, 40, 112
INSIDE = HEIGHT - TOP - BOTTOM
LABEL_GAP = 14
LABEL_LENGTH = 17
GREY = "#626F7C"
# As in tokens.css: Plotly places a text by the width it has in this font.
FONT = "Inter, system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
# As narrow as the plot is on a phone: labels placed for this width stay apart on a wider one.
NOMINAL_WIDTH = 270.0


def curve_figure(
    lines: Sequence[Line],
    *,
    title: str,
    x_title: str,
    share: bool,
    last: float | None = None,
    from_zero: bool = True,
) -> go.Figure:
    """Curves with their names at their ends. `share` writes y in percent; `last` is where the x axis ends. What is no
    share begins at zero, unless its lowest value is what matters (perplexity)."""
    scale = 100.0 if share else 1.0
    low, high = _y_range(lines, scale, share, from_zero)
    end = max([last or 0.0, *(line.x[-1] for line in lines)], default=1.0)
    figure = _figure(title, "%" if share else "")
    for line in lines:
        _add_line(figure, line, scale, "%" if share else "")
    for line in lines:
        _add_band(figure, line, scale)
    begin = min((line.x[0] for line in lines), default=0.0)
    first = begin - 0.04 * (end - begin) if begin > 0.1 * end else 0.0
    _name_lines(figure, lines, scale, (low, high), (first, end))
    figure.update_xaxes(range=[first, end + 0.005 * (end - first)], title_text=x_title)
    figure.update_yaxes(range=[low, high], nticks=7)
    return figure


def scatter_figure(
    points: Sequence[Point], column: str, score: str, *, reference: tuple[str, float] | None = None
) -> go.Figure:
    """Score against a cost on a log axis: whiskers, the front as a staircase, the reference as a dotted line."""
    across, up = metric(column), metric(score)
    figure = _figure(head_of(score), "")
    unit = times(score)
    figure.update_layout(margin={"r": 16})
    low, high = _scatter_range(points, reference, unit)
    x_low, x_high = _log_range([point.x for point in points])
    _add_front(figure, points, 10**x_high if across.better == "lower" else 10**x_low, unit)
    if reference is not None and low <= reference[1] * unit <= high:
        figure.add_hline(y=reference[1] * unit, line={"color": GREY, "width": 1, "dash": "dot"})
        figure.add_annotation(
            text=f"{reference[0]} {plain_figure(reference[1], score)}", x=1, xref="paper", xanchor="right",
            y=reference[1] * unit, yshift=-9, showarrow=False, font={"size": 11.5},
        )  # fmt: skip
    for point in points:
        _add_point(figure, point, across, up)
    _name_points(figure, points, (x_low, x_high), (low, high), unit)
    ticks, texts = _log_ticks(10**x_low, 10**x_high, across)
    figure.update_xaxes(
        type="log", range=[x_low, x_high], tickvals=ticks, ticktext=texts,
        title_text=f"{in_sentence(across.name)} (log)",
    )  # fmt: skip
    figure.update_yaxes(range=[low, high], nticks=7)
    return figure


def _figure(title: str, unit: str) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        height=HEIGHT, margin={"l": LEFT, "r": RIGHT, "t": TOP, "b": BOTTOM}, showlegend=False,
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", template="none",
        font={"size": 11.5, "color": GREY, "family": FONT}, hovermode="closest", dragmode=False,
        hoverlabel={"align": "left", "bgcolor": "#FFFFFF", "bordercolor": GREY},
    )  # fmt: skip
    axis: dict[str, Any] = {
        "fixedrange": True,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "automargin": False,
    }
    figure.update_xaxes(showgrid=False, title={"standoff": 8, "font": {"size": 11.5}}, nticks=5, **axis)
    figure.update_yaxes(showgrid=True, gridcolor="#E0E4E9", gridwidth=1, **axis)
    corner = {"xref": "paper", "yref": "paper", "y": 1, "yanchor": "bottom", "yshift": 10, "showarrow": False}
    figure.add_annotation(text=f"<b>{_safe(title)}</b>", x=0, xanchor="left", xshift=-LEFT + 6, **corner)
    if unit:
        figure.add_annotation(text=unit, x=1, xanchor="right", **corner)
    return figure


def _add_line(figure: go.Figure, line: Line, scale: float, unit: str) -> None:
    colour = find_family(line.family).light
    name = _safe(line.label) + ("" if line.seed is None else f" seed {line.seed}")
    x, y, titles = _with_breaks(line, scale)
    told = "<br>%{customdata}" if line.stages else ""
    figure.add_scatter(
        x=x, y=y, customdata=titles or None, mode="lines", name=name, connectgaps=False,
        line={"color": colour, "width": 2.6 if line.live else 1.6, "dash": DASHES[line.place % len(DASHES)]},
        opacity=1.0 if line.live or line.low else 0.85,
        hovertemplate=f"<b>{name}</b>{told}<br>%{{x:.4~g}}: %{{y:.4~g}} {unit}<extra></extra>",
    )  # fmt: skip
    if not line.y:
        return
    symbol = "x" if line.ended else "circle" if line.live else find_family(line.family).symbol
    figure.add_scatter(
        x=[line.x[-1]], y=[line.y[-1] * scale], mode="markers", hoverinfo="skip", cliponaxis=False,
        marker={"symbol": symbol, "size": 9 if line.live or line.ended else 7, "color": colour},
    )  # fmt: skip
    begins = [place for place, value in enumerate(x) if place and x[place - 1] is None and value is not None]
    if begins:
        figure.add_scatter(
            x=[x[place] for place in begins], y=[y[place] for place in begins], mode="markers", hoverinfo="skip",
            marker={"symbol": "circle-open", "size": 7, "color": colour, "line": {"width": 1.6}},
        )  # fmt: skip


def _with_breaks(line: Line, scale: float) -> tuple[list[float | None], list[float | None], list[str]]:
    """The curve with a gap before each further stage, and the stage of every point; no names without stages."""
    x: list[float | None] = []
    y: list[float | None] = []
    titles: list[str] = []
    before = ""
    for at, value in zip(line.x, line.y):
        title = next((name for name, begin in reversed(line.stages) if begin <= at), "")
        if titles and title != before:
            x, y, titles = [*x, None], [*y, None], [*titles, ""]
        x.append(at)
        y.append(value * scale)
        titles.append(_safe(title))
        before = title
    return x, y, titles if line.stages else []


def _add_band(figure: go.Figure, line: Line, scale: float) -> None:
    # Two seeds give a band wider than any plot: the table says how wide.
    if not line.low or line.seeds < 3:
        return
    red, green, blue = (int(find_family(line.family).light[at : at + 2], 16) for at in (1, 3, 5))
    figure.add_scatter(
        x=[*line.x, *reversed(line.x)],
        y=[value * scale for value in (*line.high, *reversed(line.low))],
        fill="toself", fillcolor=f"rgba({red},{green},{blue},0.13)", line={"width": 0}, mode="lines", hoverinfo="skip",
    )  # fmt: skip


def _y_range(lines: Sequence[Line], scale: float, share: bool, from_zero: bool) -> tuple[float, float]:
    """From the curves that went well; one that diverged may leave the plot."""
    steady = [line for line in lines if not line.ended] or list(lines)
    values = [value * scale for line in steady for value in line.y]
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    room = max((high - low) * 0.06, 0.5 if share else 0.02)
    if share:
        return max(low - room, 0.0), min(high + room, 100.5)
    return (min(0.0, low) if from_zero else low - room), high + room


def _name_lines(
    figure: go.Figure,
    lines: Sequence[Line],
    scale: float,
    up: tuple[float, float],
    across: tuple[float, float],
) -> None:
    """Names stand right of the plot for lines that reach its end, beside the last point for those that don't."""
    (low, high), (first, end) = up, across
    pixel = (high - low) / INSIDE
    at_end = [line for line in lines if line.y and line.x[-1] >= 0.97 * end]
    on_the_way = [line for line in lines if line.y and line.x[-1] < 0.97 * end]
    room = int(INSIDE / 11)
    for group, outside in ((at_end[:room], True), (on_the_way[:room], False)):
        wanted = [min(max(line.y[-1] * scale, low), high) for line in group]
        # On the way a name stands a little above the curve's last point.
        lift = 0.0 if outside else 13 * pixel
        for line, y in zip(group, spread([w + lift for w in wanted], LABEL_GAP * pixel, low, high + lift)):
            word = {"failed": ", failed", "lost": ", lost"}.get(line.ended, ", live" if line.live else "")
            text = _safe(_short(line.label, LABEL_LENGTH)) + word
            left = not outside and line.x[-1] - first > 0.42 * (end - first)
            figure.add_annotation(
                text=f"<b>{text}</b>" if word else text, x=1 if outside else line.x[-1],
                xref="paper" if outside else "x", y=y, xanchor="right" if left else "left",
                xshift=-9 if left else 9, showarrow=False, font={"size": 11.5},
            )  # fmt: skip


def _add_front(figure: go.Figure, points: Sequence[Point], edge: float, unit: float) -> None:
    front = sorted((point for point in points if point.on_front), key=lambda point: point.x)
    if front:
        figure.add_scatter(
            x=[*(point.x for point in front), edge], y=[unit * y for y in (*(p.y for p in front), front[-1].y)],
            mode="lines", line={"shape": "hv", "color": GREY, "width": 1.2}, hoverinfo="skip",
        )  # fmt: skip


def _add_point(figure: go.Figure, point: Point, across: Metric, up: Metric) -> None:
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
        x=[point.x], y=[unit * point.y], mode="markers", error_y=error, name=_safe(point.label),
        marker={"symbol": family.symbol, "size": 11, "color": family.light},
        hovertemplate=f"<b>{_safe(point.label)}</b><br>{in_sentence(up.name)} {plain_figure(point.y, up.name)}{about}{percent}<br>"
        f"{in_sentence(across.name)} {in_words(point.x, across)}<extra></extra>",
    )  # fmt: skip


def _name_points(
    figure: go.Figure, points: Sequence[Point], x: tuple[float, float], y: tuple[float, float], unit: float
) -> None:
    order = sorted(points, key=lambda point: (not point.on_front, -point.y))
    labels = [_short(point.label, 22) for point in order]

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
                text=f"<b>{_safe(label)}</b>" if point.on_front else _safe(label), x=math.log10(point.x),
                y=unit * point.y, xshift=place.dx, yshift=-place.dy, xanchor=place.anchor, showarrow=False,
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


def _log_ticks(low: float, high: float, column: Metric) -> tuple[list[float], list[str]]:
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


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _safe(text: str) -> str:
    """Plotly reads a few HTML tags in texts: names given by people must stay text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
