"""Bars: a quantity on its track, class probabilities, progress, label balance, split and length histogram."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from workbench.families import family as find_family
from workbench.ui.parts.numbers import NBSP, format_count, format_score


def _percent(value: float, maximum: float) -> str:
    """A CSS length between 0 and 100 %, whatever comes in."""
    if not maximum > 0 or not math.isfinite(value):
        return "0%"
    return f"{min(max(value / maximum, 0.0), 1.0) * 100:.1f}%"


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def bar(
    value: float | None,
    maximum: float,
    family: str | None = None,
    tick: float | None = None,
    label: str = "",
    *,
    steps: int = 0,
) -> Markup:
    """Bar = measured, tick = predicted, on one scale. Without a family it is ink. `steps` cuts it into equal decades.

    Neither measured nor predicted: nothing is drawn. `label` is what a screen reader says.
    """
    value, tick = _known(value), _known(tick)
    if value is None and tick is None:
        return Markup("")
    fill = "" if value is None else Markup('<i style="width:{}"></i>').format(_percent(value, maximum))
    cuts = Markup("").join(
        Markup('<span class="wb-cut" style="left:{:.1f}%"></span>').format(100 * place / steps)
        for place in range(1, steps)
    )
    ghost = (
        ""
        if tick is None
        else Markup('<span class="wb-ghost" style="left:{}"></span>').format(_percent(tick, maximum))
    )
    return Markup('<div class="wb-bar {}"{}>{}{}{}</div>').format(
        _colour(family), _role(label), fill, cuts, ghost
    )


def _colour(family: str | None) -> str:
    """Ink is said aloud: a bar inside a family's card or row would inherit that family's colour."""
    return find_family(family).css_class if family else "f-ink"


def _role(label: str) -> Markup:
    return Markup(' role="img" aria-label="{}"').format(label) if label else Markup(' aria-hidden="true"')


def probability_bars(
    probabilities: Mapping[str, float] | Sequence[tuple[str, float]],
    family: str | None = None,
    limit: int = 6,
) -> Markup:
    """One bar per label, in the order given, the likeliest in bold. More labels than `limit`: the likeliest ones."""
    pairs = list(probabilities.items() if isinstance(probabilities, Mapping) else probabilities)
    if not pairs:
        return Markup("")
    best = max(range(len(pairs)), key=lambda place: pairs[place][1])
    kept = set(sorted(range(len(pairs)), key=lambda place: -pairs[place][1])[:limit])
    rows = [
        Markup(
            '<div class="wb-probability{}"><span>{}</span>{}<span class="wb-num">{:.2f}</span></div>'
        ).format(" wb-best" if place == best else "", label, bar(share, 1.0, family), share)
        for place, (label, share) in enumerate(pairs)
        if place in kept
    ]
    if len(pairs) > limit:
        rest = sum(share for place, (_, share) in enumerate(pairs) if place not in kept)
        rows.append(
            Markup('<div class="wb-note">{} more labels share {:.2f}</div>').format(len(pairs) - limit, rest)
        )
    return Markup('<div class="wb-probabilities {}">{}</div>').format(_colour(family), Markup("").join(rows))


def progress_bar(
    share: float | None, family: str | None = None, label: str = "", failed: float = 0.0
) -> Markup:
    """How far a run or the queue is; `failed` is the part of `share` that failed. Unknown share: a bar at work."""
    classes = find_family(family).css_class if family else "f-action"
    value = _known(share)
    if value is None:
        return Markup(
            '<div class="wb-bar wb-progress wb-unknown {}" role="progressbar" aria-label="{}"><i></i></div>'
        ).format(classes, label)
    good = _percent(value - failed, 1.0)
    bad = (
        Markup('<i class="wb-failed" style="left:{};width:{}"></i>').format(good, _percent(failed, 1.0))
        if failed > 0
        else ""
    )
    return Markup(
        '<div class="wb-bar wb-progress {}" role="progressbar" aria-valuemin="0" aria-valuemax="100"'
        ' aria-valuenow="{:.0f}" aria-label="{}"><i style="width:{}"></i>{}</div>'
    ).format(classes, min(max(value, 0), 1) * 100, label, good, bad)


def label_balance(counts: Mapping[str, int], limit: int = 8, noun: str = "labels") -> Markup:
    """Rows per label; more labels than `limit` are summed up in one line."""
    total = sum(counts.values())
    largest = max(counts.values(), default=0)
    shown = list(counts.items())
    if len(shown) > limit:
        shown = sorted(shown, key=lambda pair: -pair[1])
    rows = [
        Markup(
            '<div class="wb-balance"><span title="{0}" translate="no">{0}</span>{1}<span class="wb-num">{2}'
            '<span class="wb-unit">{3}rows</span></span><span class="wb-num wb-muted">{4}</span></div>'
        ).format(
            label, bar(count, largest), format_count(count), NBSP, f"{format_score(count / total)}{NBSP}%"
        )
        for label, count in shown[:limit]
        if total
    ]
    rest = [count for _, count in shown[limit:]]
    if rest:
        rows.append(
            Markup('<div class="wb-note">{} more {} with {} to {} rows each</div>').format(
                len(rest), noun, format_count(min(rest)), format_count(max(rest))
            )
        )
    return Markup('<div class="wb-balances">{}</div>').format(Markup("").join(rows))


def split_bar(parts: Sequence[tuple[str, int]]) -> Markup:
    """Train, validation and test side by side, as wide as they are large."""
    total = sum(count for _, count in parts)
    pieces = [
        Markup('<i style="flex-grow:{0}" title="{1} {2}">{3}{2}</i>').format(
            count,
            name,
            format_count(count),
            Markup("<span>{} </span>").format(name) if count * 8 > total else "",
        )
        for name, count in parts
        if count
    ]
    label = ", ".join(f"{name} {format_count(count)}" for name, count in parts)
    return Markup('<div class="wb-split" role="img" aria-label="{}">{}</div>').format(
        label, Markup("").join(pieces)
    )


def histogram(
    counts: Sequence[int], edges: Sequence[float], limit: float | None = None, unit: str = "tokens per row"
) -> Markup:
    """Bars between `edges` (one more than `counts`); those beyond `limit` are marked, with the limit as a line."""
    if len(edges) != len(counts) + 1:
        raise ValueError(
            f"a histogram of {len(counts)} bars needs {len(counts) + 1} edges, {len(edges)} given"
        )
    if not counts or not edges[-1] > edges[0]:
        return Markup("")
    left, right, top, bottom = 38.0, 548.0, 16.0, 120.0
    highest = max(max(counts), 1)
    last = max(edges[-1], limit * 1.02) if limit is not None else edges[-1]

    def x(value: float) -> float:
        return left + (right - left) * (value - edges[0]) / (last - edges[0])

    rows = Markup("").join(
        Markup('<path d="M{} {:.1f}H{}"/><text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
            left, y, right, left - 8, y + 4, format_count(level)
        )
        for level, y in ((0, bottom), (highest / 2, (top + bottom) / 2), (highest, top))
        if level == 0 or level >= 1
    )
    bars = Markup("").join(
        Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="1.5"/>').format(
            "wb-beyond" if limit is not None and edges[place] >= limit else "",
            x(edges[place]) + 1,
            bottom - max((bottom - top) * count / highest, 1.0),
            max(x(edges[place + 1]) - x(edges[place]) - 2, 1.0),
            max((bottom - top) * count / highest, 1.0),
        )
        for place, count in enumerate(counts)
        if count
    )
    step = max(1, round(len(counts) / 5))
    names = Markup("").join(
        Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{:.4g}</text>').format(
            x(edges[place]), bottom + 18, edges[place]
        )
        for place in range(0, len(edges), step)
    )
    line = ""
    if limit is not None and edges[0] < limit:
        end = x(limit) > (left + right) / 2
        line = Markup(
            '<path class="wb-limit" d="M{0:.1f} 4V{1}"/><text class="wb-limit-name" x="{2:.1f}" y="12" text-anchor="{3}">'
            "limit {4:.4g}</text>"
        ).format(x(limit), bottom, x(limit) + (-6 if end else 6), "end" if end else "start", limit)
    over = sum(count for place, count in enumerate(counts) if limit is not None and edges[place] >= limit)
    label = f"{format_count(sum(counts))} rows from {edges[0]:.4g} to {edges[-1]:.4g} {unit}"
    label += f", {format_count(over)} beyond the limit of {limit:.4g}" if limit is not None else ""
    return Markup(
        '<svg class="wb-histogram" viewBox="0 0 560 158" role="img" aria-label="{}">{}{}{}{}'
        '<text x="{}" y="154" text-anchor="end">{}</text></svg>'
    ).format(label, rows, bars, line, names, right, unit)
