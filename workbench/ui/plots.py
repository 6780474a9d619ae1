"""Draws what curves.py computed, on a transparent ground; light colours, which the style sheet swaps in the dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from workbench.curves import Line, spread
from workbench.families import family as find_family

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
HEIGHT = 310
TOP, BOTTOM, LEFT, RIGHT = 30, 40, 40, 128
INSIDE = HEIGHT - TOP - BOTTOM
LABEL_GAP = 14
LABEL_LENGTH = 17
GREY = "#626F7C"
# As in tokens.css: Plotly places a text by the width it has in this font.
FONT = "Inter, system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"


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
    figure = new_figure(title, "%" if share else "")
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


def new_figure(title: str, unit: str) -> go.Figure:
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
    figure.add_annotation(
        text=f"<b>{safe(title)}</b>", x=0, xanchor="left", align="left", xshift=-LEFT + 6, **corner
    )
    if unit:
        figure.add_annotation(text=unit, x=1, xanchor="right", align="right", **corner)
    return figure


def _add_line(figure: go.Figure, line: Line, scale: float, unit: str) -> None:
    colour = find_family(line.family).light
    name = safe(line.label) + ("" if line.seed is None else f" seed {line.seed}")
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
        titles.append(safe(title))
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
            text = safe(short(line.label, LABEL_LENGTH)) + word
            left = not outside and line.x[-1] - first > 0.42 * (end - first)
            figure.add_annotation(
                text=f"<b>{text}</b>" if word else text, x=1 if outside else line.x[-1],
                xref="paper" if outside else "x", y=y, xanchor="right" if left else "left",
                align="right" if left else "left",
                xshift=-9 if left else 9, showarrow=False, font={"size": 11.5},
            )  # fmt: skip


def short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def safe(text: str) -> str:
    """Plotly reads a few HTML tags in texts: names given by people must stay text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
