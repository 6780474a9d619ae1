"""Whiskers: a mean with its interval on a shared scale, so that rows below each other can be compared by eye."""

import math

from markupsafe import Markup

from workbench.families import family as find_family
from workbench.ui.parts.numbers import MINUS

_WIDTH, _HEIGHT, _MARGIN = 164.0, 26.0, 6.0


def _place(value: float, low: float, high: float) -> float:
    return _MARGIN + (_WIDTH - 2 * _MARGIN) * (value - low) / (high - low)


def _check_scale(low: float, high: float) -> None:
    if not high > low:
        raise ValueError(f"a scale must rise; got {low} to {high}")


def whisker(
    mean: float | None,
    low: float | None,
    high: float | None,
    scale_low: float,
    scale_high: float,
    family: str,
    reference: float | None = None,
    label: str | None = None,
) -> Markup:
    """Family marker at the mean, interval as a line, dotted line at the reference. One seed: the marker alone.

    All numbers are in the unit shown. `label` is what a screen reader says; unless given, the numbers with one decimal.
    """
    if mean is None or math.isnan(mean):
        return Markup("")
    _check_scale(scale_low, scale_high)
    found = find_family(family)
    words = label or _words(mean, low, high)
    if not scale_low <= mean <= scale_high:
        side = "◂ off the scale" if mean < scale_low else "off the scale ▸"
        return Markup('<span class="wb-note" role="img" aria-label="{}">{}</span>').format(words, side)
    middle = _HEIGHT / 2
    pieces = []
    if reference is not None and scale_low <= reference <= scale_high:
        pieces.append(
            Markup('<path class="wb-reference" d="M{:.1f} -7V33"/>').format(
                _place(reference, scale_low, scale_high)
            )
        )
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        pieces.append(_interval(low, high, scale_low, scale_high))
    pieces.append(
        Markup('<g class="wb-mark" transform="translate({:.1f} {:.1f}) scale(.92)">{}</g>').format(
            _place(mean, scale_low, scale_high) - 5.5, middle - 5.5, Markup(found.shape)
        )
    )
    return _svg(found.css_class, words, pieces)


def difference(
    mean: float | None, low: float | None, high: float | None, limit: float, family: str, *, certain: bool
) -> Markup:
    """A difference on a scale from -limit to +limit with a line at zero; one that cannot be told is hollow and grey."""
    if mean is None or math.isnan(mean):
        return Markup("")
    _check_scale(-limit, limit)
    inside = min(max(mean, -limit), limit)
    pieces = [
        Markup('<path class="wb-track" d="M0 13H164"/><path class="wb-zero" d="M{:.1f} 2V24"/>').format(
            _place(0, -limit, limit)
        )
    ]
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        pieces.append(_interval(low, high, -limit, limit))
    pieces.append(
        Markup('<circle class="wb-dot" cx="{:.1f}" cy="13" r="4.2"/>').format(_place(inside, -limit, limit))
    )
    classes = find_family(family).css_class if certain else "f-base wb-uncertain"
    return _svg(classes, _words(mean, low, high), pieces)


def scale_axis(low: float, high: float, steps: int = 4) -> Markup:
    """The figures of a whisker column, for its header."""
    _check_scale(low, high)
    step = _round_step((high - low) / steps)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    texts = (
        Markup('<text x="{:.1f}" y="11" text-anchor="middle">{:g}</text>').format(
            _place(place * step, low, high), round(place * step, 9)
        )
        for place in range(first, last + 1)
    )
    return Markup(
        '<svg class="wb-axis" width="164" height="14" viewBox="0 0 164 14" aria-hidden="true">{}</svg>'
    ).format(Markup("").join(texts))


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 4, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _interval(low: float, high: float, scale_low: float, scale_high: float) -> Markup:
    """A line with a cap at each end; where the scale cuts it, an arrow says that it goes on."""
    a = _place(max(low, scale_low), scale_low, scale_high)
    b = _place(min(high, scale_high), scale_low, scale_high)
    left = f"M{a + 4:.1f} 9.5L{a:.1f} 13L{a + 4:.1f} 16.5" if low < scale_low else f"M{a:.1f} 9v8"
    right = f"M{b - 4:.1f} 9.5L{b:.1f} 13L{b - 4:.1f} 16.5" if high > scale_high else f"M{b:.1f} 9v8"
    return Markup('<path class="wb-interval" d="M{:.1f} 13H{:.1f}{}{}"/>').format(a, b, left, right)


def _svg(classes: str, label: str, pieces: list[Markup]) -> Markup:
    return Markup(
        '<svg class="wb-whisker {}" width="164" height="26" viewBox="0 0 164 26" role="img" aria-label="{}">{}</svg>'
    ).format(classes, label, Markup("").join(pieces))


def _words(mean: float, low: float | None, high: float | None) -> str:
    words = f"{mean:.1f}"
    if low is not None and high is not None:
        words += f", 95 % interval {low:.1f} to {high:.1f}"
    return words.replace("-", MINUS)
