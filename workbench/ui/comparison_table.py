"""The comparison as a table: rank, name, score with whisker and letters, what moves, cost to train, cost to serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from workbench import registry
from workbench.compare import Comparison, Row
from workbench.metric import metric
from workbench.statistics import Interval
from workbench.ui.comparison_columns import (
    best_values,
    caption,
    memory_source,
    predicted_memory,
    score_scale,
    table_columns,
    usual_columns,
)
from workbench.ui.deployed_rows import with_forms
from workbench.ui.parts import (
    badge,
    bar,
    button,
    chip,
    format_score,
    format_value,
    group_letters,
    join,
    number,
    plus_minus,
    whisker,
)
from workbench.ui.shown import is_share, plain_figure, times, yardstick_of
from workbench.ui.table import Cell, Column, table_html
from workbench.ui.table import Row as TableRow
from workbench.ui.vote_column import vote_cell

# Methods of these families leave the model as it was built: there is nothing to merge.
_NOTHING_TO_MERGE = ("whole", "selected")
_BADLY_ENDED = ("failed", "lost", "cancelled")
# Whatever the order, failed rows stay below the others and references below them.
_LAYERS = {"run": 0, "chosen": 0, "failed": 1, "reference": 2}


def comparison_table(
    comparison: Comparison,
    *,
    find: str = "",
    chosen: Sequence[str] | None = None,
    order: Sequence[str] | None = None,
    advised: str = "",
) -> Markup:
    """The whole table with the chosen columns, the usual ones unless given; `find` keeps the rows whose name or family
    contains all of its words. `order` are the rows' keys in another order than by score, `advised` is tinted."""
    chosen = usual_columns(comparison) if chosen is None else chosen
    source = memory_source(comparison)
    scale = score_scale(comparison)
    drawing = _Drawing(comparison, scale, table_columns(comparison, scale, chosen, source))
    rows = [_row(row, drawing) for row in (*comparison.rows, *comparison.references) if _is_found(row, find)]
    rows = [replace(row, kind="chosen") if row.kind == "run" and row.key == advised else row for row in rows]
    places = {key: place for place, key in enumerate(order or ())}
    rows.sort(key=lambda row: (_LAYERS[row.kind], places.get(row.key, len(places))))
    rows = with_forms(rows, comparison.deployed, drawing.columns, comparison.metric)
    words = caption(comparison, source, chosen)
    return table_html(drawing.columns, rows, caption=words, sorted_by=None if order else comparison.metric)


class _Drawing:
    """What all rows share."""

    def __init__(self, comparison: Comparison, scale: tuple[float, float], columns: Sequence[Column]) -> None:
        self.comparison, self.scale, self.columns = comparison, scale, columns
        self.best = best_values([row for row in comparison.rows if row.mean(comparison.metric) is not None])
        self.every = "".join(sorted({letter for row in comparison.rows for letter in row.letters.split()}))
        peaks = [row.mean("peak_memory_bytes") or 0.0 for row in comparison.rows]
        peaks += [predicted_memory(comparison, row) or 0.0 for row in comparison.rows]
        self.largest_memory = max(peaks, default=0.0)
        yardstick = yardstick_of(comparison)
        reference = yardstick.mean(comparison.metric) if yardstick else None
        self.reference = None if reference is None else times(comparison.metric) * reference


def _row(row: Row, drawing: _Drawing) -> TableRow:
    score = drawing.comparison.metric
    failed = sum(row.states.get(state, 0) for state in _BADLY_ENDED)
    if not row.reference and row.mean(score) is None and failed:
        return TableRow(row.key, _failed_cells(row, failed, drawing), "failed", row.family)
    cells = {name: _cell(row, name, drawing) for name in row.cells}
    cells |= {"name": _name(row, failed), "whisker": _whisker(row, drawing)}
    cells["letters"] = Cell(group_letters("".join(row.letters.split()), drawing.every))
    cells["memory_bar"] = _memory_bar(row, drawing)
    cells["votes"] = vote_cell(drawing.comparison.votes.get(row.key))
    if "merged_latency_ratio" not in row.cells and not row.reference and row.mean(score) is not None:
        cells["merged_latency_ratio"] = _unmerged(row)
    return TableRow(row.key, cells, "reference" if row.reference else "run", row.family)


def _cell(row: Row, name: str, drawing: _Drawing) -> Cell:
    cell = row.cells.get(name)
    if cell is None:
        return Cell("")
    column = metric(name)
    best = not row.reference and drawing.best.get(name) == cell.mean
    if name == drawing.comparison.metric and not is_share(name):
        spread = plain_figure(cell.half_width, name) or None
        return Cell(plus_minus(plain_figure(cell.mean, name), spread), cell.mean, best)
    if column.group == "how good" and not is_share(name):
        return Cell(_with_spread(plain_figure(cell.mean, name), cell, column.format), cell.mean, best)
    if column.group == "how good":
        half = format_score(cell.half_width) if name == drawing.comparison.metric else None
        return Cell(plus_minus(format_score(cell.mean), half or None), cell.mean, best)
    text: str | Markup = format_value(cell.mean, column.format)
    return Cell(_with_spread(text, cell, column.format), cell.mean, best)


def _with_spread(text: str, cell: Interval, kind: str) -> Markup:
    """Costs carry their interval as a hint: they vary little, and the table stays readable."""
    half = cell.half_width
    if not half:
        return number(text)
    return Markup('<span title="95 % ± {}, {} seeds">{}</span>').format(
        format_value(half, kind), cell.n, number(text)
    )


def _name(row: Row, failed: int) -> Cell:
    notes: list[str | Markup] = []
    done, total = row.states.get("finished", 0), sum(row.states.values())
    if failed:
        word = f"{failed} of {total} {_ended_word(row)}"
        notes.append(
            Markup('<span class="wb-note wb-bad" title="{}">{} {}</span>').format(
                word, failed, _ended_word(row)
            )
        )
    if _under_way(row):
        words = f"{done} of {total} runs done"
        notes.append(Markup('<span class="wb-note" title="{}">{} of {}</span>').format(words, done, total))
    html = Markup(
        '<span class="wb-name"><span class="wb-cut" title="{0}">{0}</span><span class="wb-space"></span>{1}{2}</span>'
    )
    family = chip(row.family, "Reference" if row.reference else None)
    return Cell(html.format(row.label, join(*notes, between=" "), family), row.label)


def _whisker(row: Row, drawing: _Drawing) -> Cell:
    score = drawing.comparison.metric
    cell = row.cells.get(score)
    if cell is None:
        return Cell("")
    unit = times(score)
    low, high = (None if bound is None else unit * bound for bound in (cell.low, cell.high))
    label = None if is_share(score) else plain_figure(cell.mean, score)
    return Cell(
        whisker(
            unit * cell.mean, low, high, *drawing.scale, row.family, reference=drawing.reference, label=label
        )
    )


def _memory_bar(row: Row, drawing: _Drawing) -> Cell:
    value = row.mean("peak_memory_bytes")
    predicted = predicted_memory(drawing.comparison, row)
    if not drawing.largest_memory or (value is None and predicted is None):
        return Cell("")
    label = f"peak memory {format_value(value, 'bytes')}" if value is not None else ""
    label += f", predicted {format_value(predicted, 'bytes')}" if predicted is not None else ""
    return Cell(
        Markup('<div class="wb-memory-bar">{}</div>').format(
            bar(value, drawing.largest_memory, tick=predicted, label=label.strip(", "))
        )
    )


def _unmerged(row: Row) -> Cell:
    method = registry.methods().get(row.method)
    if method is None or method.mergeable:
        return Cell("")
    word = "–" if method.family in _NOTHING_TO_MERGE else "cannot"
    return Cell(Markup('<span class="wb-muted">{}</span>').format(word))


def _failed_cells(row: Row, failed: int, drawing: _Drawing) -> dict[str, Cell]:
    total = sum(row.states.values())
    reason = row.reasons[-1] if row.reasons else ""
    html = Markup(
        '<span class="wb-failed-cell">{}<span class="wb-small wb-why-failed">{}</span><span class="wb-space"></span>{}</span>'
    ).format(
        badge("fail", f"{failed} of {total} {_ended_word(row)}"),
        reason,
        button(Markup('Try again<span class="wb-hidden">: {}</span>').format(row.label), "retry", row.key),
    )
    return {"name": _name(row, 0), drawing.columns[1].key: Cell(html, span=len(drawing.columns) - 1)}


def _ended_word(row: Row) -> str:
    kinds = [state for state in _BADLY_ENDED if row.states.get(state)]
    return kinds[0] if len(kinds) == 1 else "ended badly"


def _under_way(row: Row) -> bool:
    return any(row.states.get(state) for state in ("queued", "starting", "running"))


def _is_found(row: Row, find: str) -> bool:
    told = f"{row.label} {row.method} {row.family.replace('_', '-')}".casefold()
    return all(word in told for word in find.casefold().split())
