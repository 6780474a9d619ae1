"""Plots as static SVG from the same points as the page's: scores as whiskers, score for its price, curves. No script, no file.

Colours are the custom properties of the page's tokens, so that light, dark and print follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from workbench.comparison_rows import Row
from workbench.curves import Line, Point, spread
from workbench.families import family
from workbench.metric import metric

WIDTH, HEIGHT = 560.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 130.0, 14.0, 40.0
DASHES = ("", "6 4", "2 3", "8 3 2 3", "10 4", "10 3 2 3")
SHORT = 18
ROW = 26.0
Write = Callable[[float], str]


@dataclass(frozen=True)
class Scale:
    """A value's place in pixels; `log` for values above 0."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = (
            (math.log10(self.low), math.log10(self.high), math.log10(max(value, 1e-12)))
            if self.log
            else (self.low, self.high, value)
        )
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)


def whiskers(rows: Sequence[Row], score: str, write: Write) -> Markup:
    """One line for each row: its mean and interval on one shared scale."""
    shown = [row for row in rows if row.mean(score) is not None]
    if not shown:
        return Markup("")
    times = _times(score)
    bounds = [
        times * value
        for row in shown
        for value in (row.cells[score].mean, row.cells[score].low, row.cells[score].high)
        if value is not None and not row.reference
    ] or [times * (shown[0].mean(score) or 0.0)]
    low, high = _room(min(bounds), max(bounds), times)
    height = ROW * len(shown) + 30
    scale = Scale(low, high, 190.0, WIDTH - 60)
    pieces = [_ticks_across(scale, height - 24, _steps(low, high), lambda value: f"{value:g}", top=4)]
    for place, row in enumerate(shown):
        pieces.append(_whisker_row(row, score, scale, 4 + ROW * (place + 0.5), times, write))
    return _svg(height, f"{metric(score).title} of each row with its 95 % interval", pieces)


def scatter(points: Sequence[Point], across: str, score: str, write: Write) -> Markup:
    """Score against a cost on a log axis; the line joins those that nobody beats on both."""
    shown = [point for point in points if point.x > 0]
    if not shown:
        return Markup("")
    times = _times(score)
    values = [times * value for p in shown for value in (p.y, p.low, p.high) if value is not None]
    low, high = _room(min(values), max(values), times)
    x = Scale(min(p.x for p in shown) / 1.2, max(p.x for p in shown) * 1.2, LEFT, WIDTH - RIGHT / 2, log=True)
    y = Scale(low, high, HEIGHT - BOTTOM, TOP)
    pieces = [_ticks_up(y, x, _steps(low, high)), _ticks_across(x, HEIGHT - BOTTOM, _powers(x), write)]
    front = sorted((p for p in shown if p.on_front), key=lambda p: p.x)
    if front:
        path = f"M{x(front[0].x):.1f} {y(times * front[0].y):.1f}"
        path += "".join(f"H{x(p.x):.1f}V{y(times * p.y):.1f}" for p in front[1:]) + f"H{x.end:.1f}"
        pieces.append(Markup('<path class="front" d="{}"/>').format(path))
    labels = spread([-y(times * p.y) for p in shown], 13, -y.start, -y.end)
    for point, label in zip(shown, labels):
        at, up = x(point.x), y(times * point.y)
        if point.low is not None and point.high is not None:
            pieces.append(
                Markup('<path class="bar {}" d="M{:.1f} {:.1f}V{:.1f}"/>').format(
                    family(point.family).css_class, at, y(times * point.low), y(times * point.high)
                )
            )
        pieces.append(_mark(point.family, at, up))
        pieces.append(_text(at + 9, -label + 4, _short(point.label), bold=point.on_front))
    pieces.append(_text((x.start + x.end) / 2, HEIGHT - 6, f"{metric(across).title} (log)", anchor="middle"))
    return _svg(HEIGHT, f"{metric(score).title} against {metric(across).title.lower()}", pieces)


def curves(lines: Sequence[Line], score: str, x_title: str) -> Markup:
    """Mean score on the way with its band over seeds, names at the ends."""
    shown = [line for line in lines if line.y]
    if not shown:
        return Markup("")
    times = _times(score)
    values = [times * value for line in shown for value in line.y]
    low, high = _room(min(values), max(values), times)
    end = max(line.x[-1] for line in shown)
    x, y = Scale(0.0, end, LEFT, WIDTH - RIGHT), Scale(low, high, HEIGHT - BOTTOM, TOP)
    pieces = [
        _ticks_up(y, x, _steps(low, high)),
        _ticks_across(x, HEIGHT - BOTTOM, _steps(0.0, end), lambda value: f"{value:g}"),
    ]
    ends = spread([-y(times * line.y[-1]) for line in shown], 13, -y.start, -y.end)
    for line, label in zip(shown, ends):
        css = family(line.family).css_class
        places = [f"{x(a):.1f} {y(min(max(times * b, low), high)):.1f}" for a, b in zip(line.x, line.y)]
        if line.low and line.seeds > 2:
            outline = [*zip(line.x, line.high), *reversed(list(zip(line.x, line.low)))]
            points = " ".join(f"{x(a):.1f},{y(min(max(times * b, low), high)):.1f}" for a, b in outline)
            pieces.append(Markup('<polygon class="band {}" points="{}"/>').format(css, points))
        dash = DASHES[line.place % len(DASHES)]
        pieces.append(
            Markup('<path class="line {}" d="M{}"{}/>').format(
                css, "L".join(places), Markup(' stroke-dasharray="{}"').format(dash) if dash else ""
            )
        )
        pieces.append(_text(x(line.x[-1]) + 8, -label + 4, _short(line.label)))
    pieces.append(_text((x.start + x.end) / 2, HEIGHT - 6, x_title, anchor="middle"))
    return _svg(HEIGHT, f"Validation {metric(score).title.lower()} on the way", pieces)


def _whisker_row(row: Row, score: str, scale: Scale, y: float, times: float, write: Write) -> Markup:
    cell = row.cells[score]
    css = family(row.family).css_class
    mean = times * cell.mean
    outside = not scale.low <= mean <= scale.high
    pieces = [_text(0, y + 4, _short(row.label, 30)), _text(WIDTH, y + 4, write(cell.mean), anchor="end")]
    if outside:
        where = scale.start if mean < scale.low else scale.end
        pieces.append(_text(where, y + 4, "◂" if mean < scale.low else "▸", anchor="middle"))
        return Markup("").join(pieces)
    if cell.low is not None and cell.high is not None:
        a, b = (scale(min(max(times * bound, scale.low), scale.high)) for bound in (cell.low, cell.high))
        pieces.append(
            Markup(
                '<path class="bar {0}" d="M{1:.1f} {2:.1f}H{3:.1f}M{1:.1f} {4:.1f}v8M{3:.1f} {4:.1f}v8"/>'
            ).format(css, a, y, b, y - 4)
        )
    pieces.append(_mark(row.family, scale(mean), y))
    return Markup("").join(pieces)


def _svg(height: float, label: str, pieces: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="plot" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}"><title>{}</title>{}</svg>'
    ).format(WIDTH, height, label, label, Markup("").join(pieces))


def _mark(name: str, x: float, y: float) -> Markup:
    found = family(name)
    return Markup('<g class="mark {}" transform="translate({:.1f} {:.1f})">{}</g>').format(
        found.css_class, x - 6, y - 6, Markup(found.shape)
    )


def _text(x: float, y: float, words: str, *, anchor: str = "start", bold: bool = False) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}"{}>{}</text>').format(
        x, y, anchor, Markup(' class="strong"') if bold else "", words
    )


def _ticks_up(y: Scale, x: Scale, ticks: Sequence[float]) -> Markup:
    return Markup("").join(
        Markup('<path class="grid" d="M{:.1f} {:.1f}H{:.1f}"/>').format(x.start, y(tick), x.end)
        + _text(x.start - 8, y(tick) + 4, f"{tick:g}", anchor="end")
        for tick in ticks
    )


def _ticks_across(x: Scale, bottom: float, ticks: Sequence[float], write: Write, top: float = TOP) -> Markup:
    return Markup("").join(
        Markup('<path class="grid" d="M{0:.1f} {1:.1f}V{2:.1f}"/>').format(x(tick), top, bottom)
        + _text(x(tick), bottom + 16, write(tick), anchor="middle")
        for tick in ticks
    )


def _steps(low: float, high: float, most: int = 5) -> list[float]:
    """Round figures within bounds."""
    if high <= low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s * power for s in (1, 2, 5, 10) if (high - low) / (s * power) <= most)
    first = math.ceil(low / step - 1e-9)
    return [round(step * place, 10) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _powers(scale: Scale) -> list[float]:
    low, high = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [s * 10.0**p for p in range(low, high + 1) for s in steps]
        inside = [tick for tick in ticks if scale.low <= tick <= scale.high]
        if len(inside) <= 6:
            return inside
    return inside[:: math.ceil(len(inside) / 6)]


def _room(low: float, high: float, times: float) -> tuple[float, float]:
    room = max((high - low) * 0.08, 0.005 * times if times > 1 else abs(high) * 0.01 or 0.01)
    return (max(low - room, 0.0), min(high + room, 100.0)) if times > 1 else (low - room, high + room)


def _times(score: str) -> float:
    return 100.0 if metric(score).format == "share" else 1.0


def _short(text: str, length: int = SHORT) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
