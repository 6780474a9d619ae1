"""Draws what is inside a run: the heat map as a real table with its numbers in it, and energy over directions as curves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup

from workbench import inside_words
from workbench.curves import Line
from workbench.families import family as find_family
from workbench.inside_words import Document
from workbench.ui.plots import GREY, curve_figure

LEVELS = 7
"""Steps of the heat map's ground, as in assets/page/inside.css; on the last one the text turns over."""
STEPS = (1, 2, 3, 5, 7)
EVEN_UP_TO = 4
SIZE, DIRECTIONS, EFFECTIVE = "size", "directions", "effective rank"
LONGEST = 64


@dataclass(frozen=True)
class Cell:
    """`text` stands in the cell and `tip` says it in full; without a value, `tip` says why there is none."""

    value: float | None
    text: str
    tip: str


@dataclass(frozen=True)
class Grid:
    """A heat map: rows by columns, what lies outside the layers apart, all on one scale. `unit` follows its numbers."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    outside: tuple[tuple[str, Cell], ...] = ()
    unit: str = " %"


def grid_of(document: Document, show: str = SIZE) -> Grid:
    """The heat map of a document; `show` chooses among the figures of weight methods."""
    if document["kind"] in ("prefix", "prompt"):
        return _attention_grid(document)
    if show != SIZE and document.get("matrices"):
        return _direction_grid(document, show)
    return _size_grid(document)


def _size_grid(document: Document) -> Grid:
    known = {(cell["layer"], cell["kind"]): cell for cell in document["cells"]}
    kinds = inside_words.columns(document)
    rows = tuple(
        (str(layer), tuple(_size_cell(known.get((layer, kind)), f"layer {layer}", kind) for kind in kinds))
        for layer in range(1, document["layers"] + 1)
    )
    outside = tuple(
        (kind, _size_cell(cell, "outside the layers", kind))
        for (layer, kind), cell in known.items()
        if layer is None and cell["trained"]
    )
    columns = tuple(inside_words.column_title(kind) for kind in kinds)
    return Grid(inside_words.MEASURES[document["kind"]], columns, rows, outside)


def _size_cell(cell: Mapping[str, Any] | None, place: str, kind: str) -> Cell:
    where = f"{place}, {inside_words.kind_title(kind)}"
    if cell is None:
        return Cell(None, "–", f"{where}: {inside_words.NO_SUCH_PART}")
    if not cell["trained"]:
        return Cell(None, "", f"{where}: {inside_words.NOT_TRAINED}")
    if cell["value"] is None:
        return Cell(None, "new", f"{where}: it was zero at the start, so its change has no relative size")
    tip = f"{where}: {inside_words.percent(cell['value'])}"
    if cell.get("size"):
        tip += f" (changed by {cell['change']:.3g}, size before {cell['size']:.3g})"
    if cell.get("largest"):
        tip += f" on average, at most {inside_words.percent(cell['largest'])}, {cell['channels']} channels"
    return Cell(100 * cell["value"], _short(100 * cell["value"]), tip)


def _direction_grid(document: Document, show: str) -> Grid:
    known = {(m["layer"], m["kind"]): m for m in document["matrices"]}
    have = {cell["kind"] for cell in document["cells"]}
    kinds = [kind for kind in inside_words.columns(document) if kind not in ("norm", "bias") and kind in have]
    rows = tuple(
        (str(layer), tuple(_direction_cell(known.get((layer, kind)), layer, kind, show) for kind in kinds))
        for layer in range(1, document["layers"] + 1)
    )
    caption = (
        "Directions that hold 90 % of the change"
        if show == DIRECTIONS
        else "Effective rank of the change: how many equally strong directions would be as spread out"
    )
    return Grid(caption, tuple(inside_words.column_title(kind) for kind in kinds), rows, unit="")


def _direction_cell(matrix: Mapping[str, Any] | None, layer: int, kind: str, show: str) -> Cell:
    where = f"layer {layer}, {inside_words.kind_title(kind)}"
    if matrix is None:
        return Cell(None, "", f"{where}: {inside_words.NOT_TRAINED}")
    value = matrix["directions"]["90"] if show == DIRECTIONS else matrix["effective_rank"]
    most = min(matrix["shape"][-2:])
    if value is None:
        why = (
            "it did not change" if not matrix["energy"] else "only its largest singular values were computed"
        )
        return Cell(None, "?" if matrix["energy"] else "0", f"{where}: {why}")
    allowed = f", r is {matrix['nominal']}" if matrix["nominal"] else ""
    words = str(value) if show == DIRECTIONS else _short(value)
    return Cell(float(value), words, f"{where}: {words} of {most} possible{allowed}")


def _attention_grid(document: Document) -> Grid:
    """Layers down; across the attention on the learned positions and, for a prefix, the norms of its keys and values."""
    shares, norms = document.get("attention") or [], document.get("norms") or []
    columns = ["attention", *(["key norm", "value norm"] if norms else [])]
    rows = []
    for place, share in enumerate(shares):
        where = f"layer {place + 1}"
        cells = [_percent_cell(share, f"{where}: share of the attention on the learned positions")]
        if norms:
            keys, text_keys, values, text_values = norms[place]
            cells.append(
                _percent_cell(keys / text_keys, f"{where}: norm of the learned keys beside the text's")
            )
            cells.append(
                _percent_cell(values / text_values, f"{where}: norm of the learned values beside the text's")
            )
        rows.append((str(place + 1), tuple(cells)))
    caption = inside_words.MEASURES[document["kind"]]
    if norms:
        caption += "; norms of the learned keys and values, in percent of the text's own"
    return Grid(caption, tuple(columns), tuple(rows))


def _percent_cell(share: float, words: str) -> Cell:
    return Cell(100 * share, _short(100 * share), f"{words}: {inside_words.percent(share)}")


def _short(value: float) -> str:
    """At most three figures, as narrow as a cell."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.095 else f"{value:.2f}"


def heat_edges(values: Sequence[float]) -> list[float]:
    """Lower edges of the levels above the lowest, round ones: the highest level holds the largest value.

    Even steps where the values are of one size, else growing ones; none where all are equal.
    """
    known = [value for value in values if value > 0]
    low, top = min(known, default=0.0), max(known, default=0.0)
    if not top > low * (1 + 1e-9):
        return []
    if low * EVEN_UP_TO >= top:
        step = _round_step((top - low) / (LEVELS - 1))
        first, last = math.floor(low / step) + 1, math.floor(top / step * (1 + 1e-9))
        return [step * place for place in range(first, last + 1)][-(LEVELS - 1) :]
    power = math.floor(math.log10(top))
    steps = [step * 10.0**p for p in range(power - 3, power + 1) for step in STEPS]
    return [step for step in steps if step <= top * (1 + 1e-9)][-(LEVELS - 1) :]


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, ... that is not below `least`."""
    power = math.floor(math.log10(least))
    return next(step for step in (m * 10.0**power for m in (1, 2, 5, 10)) if step >= least)


def heat_level(value: float, edges: Sequence[float]) -> int:
    """0 for what lies below all edges."""
    return sum(value >= edge * (1 - 1e-9) for edge in edges) + (LEVELS - 1 - len(edges) if edges else 0)


def heat_html(grid: Grid, family: str) -> Markup:
    """The table; its first column stays in sight where it has to be scrolled."""
    inside = [cell for _, cells in grid.rows for cell in cells]
    drawn = [*inside, *(cell for _, cell in grid.outside)]
    # A new head moves far more than the layers do: it must not wash out what they show.
    edges = heat_edges(_values(inside)) or heat_edges(_values(drawn))
    heads = Markup("").join(Markup('<th scope="col">{}</th>').format(title) for title in grid.columns)
    body = Markup("").join(
        Markup('<tr><th scope="row"><span class="wb-hidden">layer </span>{}</th>{}</tr>').format(
            name, Markup("").join(_heat_cell(cell, edges) for cell in cells)
        )
        for name, cells in grid.rows
    )
    table = Markup(
        '<div class="wb-heat-scroll" tabindex="0" role="group" aria-label="{0}"><table class="wb-heat" style="--columns: {3}">'
        '<caption class="wb-hidden">{0}</caption><thead><tr><th scope="col">layer</th>{1}</tr></thead>'
        "<tbody>{2}</tbody></table></div>"
    ).format(grid.caption, heads, body, len(grid.columns))
    return Markup('<div class="wb-heat-map {}"><p class="wb-note">{}</p>{}{}{}</div>').format(
        find_family(family).css_class,
        grid.caption,
        table if grid.rows and grid.columns else "",
        _outside_html(grid, edges),
        _legend(grid, edges, drawn),
    )


def _values(cells: Sequence[Cell]) -> list[float]:
    return [cell.value for cell in cells if cell.value is not None]


def _heat_cell(cell: Cell, edges: Sequence[float]) -> Markup:
    return Markup('<td class="{}" title="{}">{}</td>').format(_class(cell, edges), cell.tip, _words(cell))


def _class(cell: Cell, edges: Sequence[float]) -> str:
    return "wb-none" if cell.value is None else f"wb-level-{heat_level(cell.value, edges)}"


def _words(cell: Cell) -> Markup:
    """An empty cell says to a screen reader why it is empty."""
    if cell.value is None:
        return Markup('<span aria-hidden="true">{}</span><span class="wb-hidden">{}</span>').format(
            cell.text, cell.tip.rpartition(": ")[2]
        )
    return Markup("{}").format(cell.text)


def _outside_html(grid: Grid, edges: Sequence[float]) -> Markup:
    if not grid.outside:
        return Markup("")
    items = Markup("").join(
        Markup('<li title="{}"><span>{}</span><b class="{}">{}</b></li>').format(
            cell.tip, name, _class(cell, edges), _words(cell)
        )
        for name, cell in grid.outside
    )
    return Markup(
        '<div class="wb-heat-outside"><span class="wb-note">Outside the layers</span><ul>{}</ul></div>'
    ).format(items)


def _legend(grid: Grid, edges: Sequence[float], drawn: Sequence[Cell]) -> Markup:
    """What the grounds mean, in numbers; and what an empty cell means, where there is one."""
    steps = []
    if edges:
        lowest = LEVELS - 1 - len(edges)
        steps.append((lowest, f"below {edges[0]:g}{grid.unit}"))
        for place, (edge, end) in enumerate(itertools.pairwise(edges), lowest + 1):
            steps.append((place, f"{edge:g} to {end:g}{grid.unit}"))
        steps.append((LEVELS - 1, f"{edges[-1]:g}{grid.unit} and more"))
    items = Markup("").join(
        Markup('<li><i class="wb-level-{}"></i>{}</li>').format(level, words) for level, words in steps
    )
    if any(cell.value is None and not cell.text for cell in drawn):
        items += Markup('<li><i class="wb-none"></i>{}</li>').format(inside_words.NOT_TRAINED)
    if any(cell.text == "–" for cell in drawn):
        items += Markup("<li><i>–</i>{}</li>").format(inside_words.NO_SUCH_PART)
    return Markup('<ul class="wb-heat-legend">{}</ul>').format(items)


def energy_lines(documents: Sequence[tuple[Document, str]]) -> list[Line]:
    """One curve for each (document, family) with matrices that changed, x being the number of directions."""
    lines: list[Line] = []
    for document, family in documents:
        shares = inside_words.energy_curve(document)[:LONGEST]
        if not shares:
            continue
        place = sum(line.family == family for line in lines)
        lines.append(
            Line(
                key=document["run"],
                label=document["label"],
                family=family,
                x=tuple(float(k) for k in range(1, len(shares) + 1)),
                y=tuple(shares),
                place=place,
            )
        )
    return lines


def energy_figure(lines: Sequence[Line]) -> go.Figure:
    """Share of the change against the number of directions, on a log axis; a curve ends where its rank does."""
    across = [Line(**{**vars(line), "x": tuple(math.log2(k) for k in line.x)}) for line in lines]
    figure = curve_figure(
        across,
        title="Share of the change held",
        x_title="by so many directions of each matrix (log)",
        share=True,
        last=math.log2(LONGEST),
    )
    powers = range(int(math.log2(LONGEST)) + 1)
    # Room at the left for the point of a rank-1 update.
    figure.update_xaxes(
        tickvals=list(powers), ticktext=[str(2**p) for p in powers], range=[-0.25, math.log2(LONGEST) + 0.05]
    )
    # Room at the top for the names of curves that end there.
    figure.update_yaxes(range=[0, 114], tickvals=[0, 20, 40, 60, 80, 100])
    figure.add_hline(y=90, line={"color": GREY, "width": 1, "dash": "dot"})
    for trace in figure.data:
        if trace.mode == "lines" and trace.hovertemplate:
            trace.customdata = [round(2**x) for x in trace.x]
            trace.hovertemplate = (
                f"<b>{trace.name}</b><br>%{{customdata}} strongest: %{{y:.1f}} %<extra></extra>"
            )
    return figure
