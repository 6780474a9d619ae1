"""The plots' figures as tables, for readers who do not see them and for those who want the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from workbench.curves import Line, Point
from workbench.metric import metric
from workbench.result import Run
from workbench.ui.shown import head_of, in_sentence, in_words, plain_figure


def plain_table(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> Markup:
    """A small table: the first column names the row, the others hold figures."""
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(Markup(' class="wb-num"') if place else "", text)
        for place, text in enumerate(heads)
    )
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            row[0], Markup("").join(Markup('<td class="wb-num">{}</td>').format(cell) for cell in row[1:])
        )
        for row in rows
    )
    return Markup(
        '<div class="wb-scroll"><table class="wb-plain"><caption class="wb-hidden">{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(caption, head, body)


def curve_table(runs: Sequence[Run], losses: Sequence[Line], scores: Sequence[Line], score: str) -> Markup:
    """Each run's last loss and its best validation score."""
    last = {line.key: line.y[-1] for line in losses}
    pick = min if metric(score).better == "lower" else max
    best = {line.key: pick(line.y) for line in scores}
    rows = [
        (
            f"{run.label} seed {run.spec.seed}",
            run.state,
            f"{run.step:,}" if run.step else "",
            f"{last[run.id]:.3f}" if run.id in last else "",
            plain_figure(best.get(run.id), score),
        )
        for run in runs
    ]
    title = f"Best validation {in_sentence(score)}" + (", %" if "%" in head_of(score) else "")
    return plain_table(("Run", "State", "Step", "Last loss", title), rows, "The curves in figures")


def scatter_table(points: Sequence[Point], column: str, score: str, third: str | None = None) -> Markup:
    rows = [
        (
            point.label,
            in_words(point.x, column),
            plain_figure(point.y, score),
            f"{plain_figure(point.low, score)} to {plain_figure(point.high, score)}"
            if point.low is not None
            else "",
            *([in_words(point.third, third)] if third else []),
            "yes" if point.on_front else "",
        )
        for point in sorted(points, key=lambda point: -point.y)
    ]
    more = [metric(third).title] if third else []
    heads = ("Method", metric(column).title, head_of(score), "95 % interval", *more, "On the front")
    return plain_table(heads, rows, f"{metric(score).title} and {in_sentence(column)} of each method")


def learning_table(lines: Sequence[Line], x_title: str, score: str) -> Markup:
    """The mean validation score at each evaluation."""
    places = sorted({x for line in lines for x in line.x})
    places = places[:: max(1, len(places) // 8)]
    rows = []
    for line in lines:
        known = dict(zip(line.x, line.y))
        rows.append((line.label, *(plain_figure(known.get(place), score) for place in places)))
    heads = ("Method", *(f"{x_title} {place:g}" for place in places))
    return plain_table(heads, rows, f"Mean validation {in_sentence(score)} of each method on the way")
