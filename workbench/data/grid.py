"""Grid: rows of texts with their places, as every reader returns them before they become a DataFrame."""

from __future__ import annotations

import datetime
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.data.faults import DataError
from workbench.data.limits import Limits

LINE = "__line__"
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Grid:
    """`lines` holds the 1-based place of each row; `place` says whether that is a line of text or a row of a table.
    `skipped` are the places left out because they were broken, and the caller allowed it. `nested` are the columns in
    which lists or objects stand, as JSON text."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]
    notes: tuple[str, ...] = ()
    skipped: tuple[int, ...] = ()
    place: str = "line"
    file: str = ""
    nested: frozenset[str] = frozenset()


def as_text(value: Any) -> str:
    """A cell as text. Missing becomes empty; "NA" or "null" written as text stays what it is."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value) if _SURROGATE.search(value) else value
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def is_nested(value: Any) -> bool:
    return isinstance(value, dict | list | tuple | bytes)


def as_json(value: Any) -> str:
    """A list or an object as JSON text, the same for equal values."""
    return as_text(json.dumps(value, sort_keys=True, ensure_ascii=False, default=as_text))


def from_records(
    records: Iterable[tuple[int, dict[str, Any]]], file: str, limits: Limits, *, place: str = "line"
) -> Grid:
    """A grid from (place, object) pairs: the columns are all keys met; lists and objects become JSON text, and columns
    that hold bytes are left out."""
    columns: dict[str, None] = {}
    nested: set[str] = set()
    raw_bytes: dict[str, None] = {}
    kept: list[tuple[int, dict[str, Any]]] = []
    for line, record in records:
        kept.append((line, record))
        for name, value in record.items():
            columns[name] = None
            if isinstance(value, bytes):
                raw_bytes[name] = None
            elif is_nested(value):
                nested.add(name)
        limits.check_shape(file, len(kept), len(columns))
    texts = [name for name in columns if name not in raw_bytes]
    if raw_bytes and not texts:
        raise DataError(f"{file} holds bytes in {', '.join(raw_bytes)}, and no texts", code="columns")
    notes = (f"{file}: {', '.join(raw_bytes)} left out (bytes, not texts)",) if raw_bytes else ()
    rows = [tuple(_cell(record.get(name)) for name in texts) for _, record in kept]
    lines = [line for line, _ in kept]
    found = frozenset(nested.intersection(texts))
    return Grid(tuple(texts), rows, lines, notes, place=place, file=file, nested=found)


def _cell(value: Any) -> str:
    return as_json(value) if is_nested(value) else as_text(value)


def frame(grid: Grid, limits: Limits) -> pd.DataFrame:
    """The grid as a DataFrame of texts with a column of places, checked for size."""
    limits.check_shape(grid.file, len(grid.rows), len(grid.columns))
    if not grid.rows:
        raise DataError(
            f"{grid.file} has no rows (only a header, or nothing but blank lines)", code="no_rows"
        )
    for line, row in zip(grid.lines, grid.rows):
        for name, cell in zip(grid.columns, row):
            if len(cell) > limits.cell and name not in grid.nested:
                raise DataError(
                    f"{grid.file}: {grid.place} {line} holds {len(cell):,} characters in {name!r}; at most"
                    f" {limits.cell:,} are taken in one cell: shorten it or leave the row out",
                    code="too_large",
                    lines=[line],
                )
    names = unique_names(grid.columns)
    columns = zip(*grid.rows)
    data = {name: pd.Series(list(cells), dtype=object) for name, cells in zip(names, columns)}
    return pd.DataFrame({**data, LINE: pd.Series(list(grid.lines), dtype="int64")})


def unique_names(columns: Sequence[str]) -> list[str]:
    """Trimmed NFC names; an empty one becomes `column 3`, a repeated one gets a number."""
    taken: set[str] = {LINE}
    names = []
    for number, column in enumerate(columns, 1):
        name = unicodedata.normalize("NFC", as_text(column)).strip().strip("\ufeff") or f"column {number}"
        again, unique = 2, name
        while unique in taken:
            unique = f"{name} ({again})"
            again += 1
        taken.add(unique)
        names.append(unique)
    return names
