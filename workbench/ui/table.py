"""A real <table> whose header buttons sort it in the browser; below 600 px each row becomes a card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
from markupsafe import Markup

from workbench.families import family as find_family
from workbench.ui.theme import page_file

RowKind = Literal["run", "chosen", "failed", "reference", "form"]


@dataclass(frozen=True)
class Column:
    key: str
    title: str | Markup
    group: str = ""
    numeric: bool = False
    sortable: bool = True
    first: Literal["ascending", "descending"] = "descending"
    """The direction of the first click: the one that puts the best on top."""
    help: str = ""
    narrow: int = 1
    """Width on a narrow screen, in thirds of the row's card; 0 hides it there."""
    label: str = ""
    """Its name on a narrow screen and in the list to sort by; the title, unless that is HTML."""
    row_header: bool = False
    """True for the one column that names the row."""

    @property
    def name(self) -> str:
        return self.label or ("" if isinstance(self.title, Markup) else self.title)


@dataclass(frozen=True)
class Cell:
    """What is shown, and the plain value to sort by (None: not measured, comes last)."""

    html: str | Markup
    value: float | str | None = None
    best: bool = False
    span: int = 1
    """Columns taken; the cells of the columns covered are left out."""


@dataclass(frozen=True)
class Row:
    key: str
    cells: Mapping[str, Cell]
    kind: RowKind = "run"
    """Failed and reference rows stay below the others in any order, without a rank; a form stays below its own row."""
    family: str | None = None


_ROW_CLASSES = {
    "run": "",
    "chosen": "wb-chosen",
    "failed": "wb-failed-row",
    "reference": "wb-reference-row",
    "form": "wb-form-row",
}


def sortable_table(
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    caption: str | Markup = "",
    sorted_by: str | None = None,
    ranked: bool = True,
    **arguments: Any,
) -> gr.HTML:
    """The component; a handler returns `str(table_html(...))` for it. `parts.button`s inside fire the event `action`."""
    classes = arguments.pop("elem_classes", [])
    return gr.HTML(
        str(table_html(columns, rows, caption=caption, sorted_by=sorted_by, ranked=ranked)),
        elem_classes=["wb-html", *([classes] if isinstance(classes, str) else classes)],
        apply_default_css=False,
        js_on_load=page_file("table.js").read_text(encoding="utf-8"),
        **arguments,
    )


def table_html(
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    caption: str | Markup = "",
    sorted_by: str | None = None,
    ranked: bool = True,
) -> Markup:
    """Rows are drawn in the order given; `sorted_by` only says which column that order follows."""
    edges = {column.key for place, column in enumerate(columns) if place and _opens_group(columns, place)}
    ranks = iter(range(1, len(rows) + 1))
    body = Markup("").join(_row(columns, row, edges, ranks if ranked else None) for row in rows)
    select = Markup('<label class="wb-sort-by">Sort by <select>{}</select></label>').format(
        Markup("").join(
            Markup('<option value="{}"{}>{}</option>').format(
                column.key,
                Markup(" selected") if column.key == sorted_by else "",
                column.name,
            )
            for column in columns
            if column.sortable and column.name
        )
    )
    return Markup(
        '{}<div class="wb-scroll"><table class="wb-table" role="table">{}<thead role="rowgroup">{}</thead>'
        '<tbody role="rowgroup">{}</tbody></table></div>'
    ).format(
        select if any(column.sortable for column in columns) else "",
        Markup("<caption>{}</caption>").format(caption) if caption else "",
        _head(columns, edges, sorted_by, ranked),
        body,
    )


def _opens_group(columns: Sequence[Column], place: int) -> bool:
    return bool(columns[place].group) and columns[place].group != columns[place - 1].group


def _head(columns: Sequence[Column], edges: set[str], sorted_by: str | None, ranked: bool) -> Markup:
    groups: list[tuple[str, int, bool]] = []
    for place, column in enumerate(columns):
        if place and not _opens_group(columns, place) and groups:
            name, width, edge = groups[-1]
            groups[-1] = (name, width + 1, edge)
        else:
            groups.append((column.group, 1, column.key in edges))
    rank = (
        Markup('<th class="wb-rank" scope="col"><span class="wb-hidden">place</span></th>') if ranked else ""
    )
    line = Markup("")
    if any(column.group for column in columns):
        line = Markup('<tr role="row">{}{}</tr>').format(
            Markup("<td></td>") if ranked else "",
            Markup("").join(
                Markup('<th class="wb-group-name{}" scope="colgroup" colspan="{}">{}</th>').format(
                    " wb-edge" if edge else "", width, name
                )
                if name
                else Markup('<td colspan="{}"></td>').format(width)
                for name, width, edge in groups
            ),
        )
    heads = Markup("").join(_head_cell(column, column.key in edges, sorted_by) for column in columns)
    return line + Markup('<tr role="row">{}{}</tr>').format(rank, heads)


def _head_cell(column: Column, edge: bool, sorted_by: str | None) -> Markup:
    title: str | Markup = column.title
    if column.sortable:
        title = Markup('<button type="button" class="wb-sort">{}</button>').format(title)
    now = (
        Markup(' aria-sort="{}"').format(column.first) if column.sortable and column.key == sorted_by else ""
    )
    return Markup(
        '<th scope="col" role="columnheader" class="{}{}" data-column="{}" data-first="{}"{}{}>{}</th>'
    ).format(
        "wb-num" if column.numeric else "",
        " wb-edge" if edge else "",
        column.key,
        column.first,
        now,
        Markup(' title="{}"').format(column.help) if column.help else "",
        title,
    )


def _row(columns: Sequence[Column], row: Row, edges: set[str], ranks: Any) -> Markup:
    pinned, own = row.kind in ("failed", "reference"), row.kind == "form"
    cells = []
    if ranks is not None:
        place = "" if pinned or own else next(ranks)
        cells.append(Markup('<td role="cell" class="wb-rank">{}</td>').format(place))
    covered = 0
    for column in columns:
        if covered:
            covered -= 1
            continue
        cell = row.cells.get(column.key, Cell(""))
        covered = cell.span - 1
        cells.append(_cell(column, cell, column.key in edges))
    classes = _ROW_CLASSES[row.kind] + (f" {find_family(row.family).css_class}" if row.family else "")
    return Markup('<tr role="row" class="{}" data-key="{}"{}>{}</tr>').format(
        classes,
        row.key,
        Markup(" data-pinned") if pinned else Markup(" data-below") if own else "",
        Markup("").join(cells),
    )


def _cell(column: Column, cell: Cell, edge: bool) -> Markup:
    tag = "th" if column.row_header else "td"
    names = [
        "wb-num" if column.numeric and cell.span == 1 else "",
        "wb-edge" if edge else "",
        "wb-best" if cell.best else "",
        f"wb-narrow-{3 if cell.span > 1 or column.row_header else column.narrow}",
    ]
    label = "" if column.row_header or cell.span > 1 else column.name
    return Markup(
        '<{tag} {scope} class="{names}" data-column="{key}"{label}{value}{span}>{html}{best}</{tag}>'
    ).format(
        tag=tag,
        scope=Markup('scope="row" role="rowheader"') if column.row_header else Markup('role="cell"'),
        names=" ".join(name for name in names if name),
        key=column.key,
        label=Markup(' data-label="{}"').format(label) if label else "",
        value="" if cell.value is None else Markup(' data-value="{}"').format(cell.value),
        span=Markup(' colspan="{}"').format(cell.span) if cell.span > 1 else "",
        html=cell.html,
        best=Markup('<span class="wb-hidden"> best</span>') if cell.best else "",
    )
