"""The atlas on the page: the project's own results, marked as recorded elsewhere, read before anything was trained here."""

from __future__ import annotations

from markupsafe import Markup

from workbench import atlas, lessons
from workbench.atlas import AtlasRow, Sheet
from workbench.metric import metric
from workbench.ui import parts, shown
from workbench.ui.frame import data_title, model_title
from workbench.ui.lesson_result import column_title

MOST_GROUPS = 12
"""More overlapping groups of rows that can't be told apart are no help to a reader, and wider than a page."""
COLUMNS = ("trainable_share", "peak_memory_bytes", "train_seconds", "latency_ratio", "adapter_bytes")


def atlas_html(language: str = "en", *, open_first: bool = True) -> Markup:
    """Every sheet as a fold, the first one open; nothing where no sheet was shipped."""
    found = atlas.sheets()
    if not found:
        return Markup("")
    return Markup('<section class="wb-atlas">{}</section>').format(
        Markup("").join(_sheet(one, language, open_first and not place) for place, one in enumerate(found))
    )


def _sheet(found: Sheet, language: str, is_open: bool) -> Markup:
    words = lessons.words(language)
    seeds = words["atlas_one_seed"] if found.seeds == 1 else words["atlas_seeds"].format(seeds=found.seeds)
    said = words["atlas_rows"].format(
        rows=len(found.methods),
        data=data_title(found.data),
        model=model_title(found.model),
        budget=found.budget,
    )
    lead = words["atlas_lead"].format(date=found.recorded_at, machine=found.machine)
    left_out = f"; {words['atlas_left_out'].format(count=len(found.left_out))}" if found.left_out else ""
    return Markup(
        '<details class="wb-ready wb-atlas-sheet"{open}><summary>{title} {badge}<span class="wb-muted">{said}</span></summary>'
        '<p class="wb-two">{lead}</p><p class="wb-note">{seeds}{left_out}. {alike}</p>'
        '<p class="wb-note" translate="no">{versions}</p>{table}</details>'
    ).format(
        open=Markup(" open") if is_open else "",
        title=found.title,
        badge=parts.badge("warn", words["atlas"]),
        said=said,
        lead=lead,
        seeds=seeds[:1].upper() + seeds[1:],
        left_out=left_out,
        alike=words["atlas_alike"]
        if len(_groups(found)) <= MOST_GROUPS
        else words["atlas_many_groups"].format(count=len(_groups(found))),
        versions=", ".join(f"{name} {version}" for name, version in found.versions.items()),
        table=_table(found, language),
    )


def _groups(found: Sheet) -> list[str]:
    return sorted({letter for row in found.rows for letter in row.letters.split()})


def _table(found: Sheet, language: str) -> Markup:
    unit = shown.times(found.metric)
    means = [row.cells[found.metric].mean * unit for row in found.rows if found.metric in row.cells]
    low, high = (min(means), max(means)) if means else (0.0, 1.0)
    room = max(high - low, 1e-3) * 0.12
    every = "".join(groups) if len(groups := _groups(found)) <= MOST_GROUPS else ""
    reference = next((row for row in found.rows if row.reference and row.method in shown.YARDSTICKS), None)
    dotted = (
        reference.cells[found.metric].mean * unit if reference and found.metric in reference.cells else None
    )
    heads = [lessons.words(language)["method"], column_title(found.metric, language), "", ""]
    heads += [column_title(name, language) for name in COLUMNS]
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(
            Markup(' class="wb-num"') if place in (1, *range(4, 20)) else "", one
        )
        for place, one in enumerate(heads)
    )
    rows = Markup("").join(
        _row(row, found.metric, (low - room, high + room), dotted, every, language) for row in found.rows
    )
    return Markup(
        '<div class="wb-scroll wb-atlas-scroll" tabindex="0"><table class="wb-plain wb-lesson-table"><caption class="wb-hidden">{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(found.title, head, rows)


def _row(
    row: AtlasRow, name: str, scale: tuple[float, float], dotted: float | None, every: str, language: str
) -> Markup:
    cell, unit = row.cells.get(name), shown.times(name)
    score, drawn = Markup(""), Markup("")
    if cell is not None:
        half = None if cell.half_width is None else shown.plain_figure(cell.half_width, name)
        score = parts.plus_minus(shown.plain_figure(cell.mean, name), half)
        low, high = (None if bound is None else bound * unit for bound in (cell.low, cell.high))
        drawn = parts.whisker(cell.mean * unit, low, high, scale[0], scale[1], row.family, reference=dotted)
    elif row.reasons:
        drawn = Markup('<span class="wb-note">{}</span>').format(row.reasons[0])
    cells = Markup("").join(
        Markup('<td class="wb-num" data-label="{}">{}</td>').format(
            column_title(column, language),
            parts.number(parts.format_value(row.cells[column].mean, metric(column).format))
            if column in row.cells
            else "",
        )
        for column in COLUMNS
    )
    return Markup(
        '<tr{}><th scope="row"><span class="wb-lesson-choice">{}{}</span></th><td class="wb-num" data-label="{}">{}</td><td>{}</td><td>{}</td>{}</tr>'
    ).format(
        Markup(' class="wb-reference-row"') if row.reference else "",
        parts.marker(row.family),
        row.label,
        column_title(name, language),
        score,
        drawn,
        parts.group_letters(row.letters, every) if every else "",
        cells,
    )
