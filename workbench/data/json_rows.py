"""JSON and JSON Lines: lists of objects or pairs, columns, and objects of parts; each row with its line."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from workbench.data.column_names import PARTS
from workbench.data.faults import DataError, place_of, shown
from workbench.data.grid import Grid, from_records, is_nested
from workbench.data.limits import Limits

_WRAPPERS = ("data", "rows", "examples", "records", "items")
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
_Items = list[tuple[int, Any]]


def parse_lines(text: str, file: str, limits: Limits, *, skip_broken: bool = False) -> Grid:
    """JSON Lines: one object (or pair) on each line."""
    items: _Items = []
    broken: dict[int, str] = {}
    for line, raw in enumerate(io.StringIO(text.lstrip("\ufeff"), newline=""), 1):
        if not raw.strip():
            continue
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            broken[line] = "is no JSON"
            continue
        if isinstance(value, dict | list):
            items.append((line, value))
        else:
            broken[line] = "is no object"
    if broken and not skip_broken:
        said = "; ".join(f"line {line} {why}" for line, why in list(broken.items())[:3])
        more = f"; also {place_of(list(broken)[3:])}" if len(broken) > 3 else ""
        raise DataError(
            f"{file} has {len(broken):,} broken row{'s' if len(broken) > 1 else ''}: {said}{more}. Correct the file, or"
            " skip them (skip_broken)",
            code="broken_rows",
            lines=list(broken)[:1000],
            fix="skip_broken",
        )
    grid = _from_items(items, file, limits)
    return replace(grid, skipped=tuple(broken))


def is_lines(text: str) -> bool:
    """More than one JSON value, one below the other."""
    text = text.lstrip("\ufeff \t\r\n")
    try:
        _, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        first = text.split("\n", 1)[0]
        return first.rstrip().endswith(("}", "]")) and "\n" in text.strip()
    return bool(text[end:].strip())


def parse(text: str, file: str, limits: Limits) -> dict[str, Grid]:
    """A JSON document: {"all": grid}, or one grid for each part that it names."""
    try:
        value = _document(text.lstrip("\ufeff"))
    except RecursionError:
        raise DataError(
            f"{file} is nested too deeply to be a table; give a list of objects", code="unreadable"
        ) from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{file} is no valid JSON (line {error.lineno}, column {error.colno}: {error.msg}); correct it there",
            code="unreadable",
            lines=[error.lineno],
        ) from None
    except ValueError as error:
        raise DataError(
            f"{file} is no valid JSON ({shown(str(error))}); correct it", code="unreadable"
        ) from None
    if isinstance(value, dict):
        wrapped = [name for name in _WRAPPERS if isinstance(value.get(name), list | dict)]
        if wrapped and not any(key.casefold() in PARTS for key in value):
            value = value[wrapped[0]]
    if isinstance(value, dict) and (parts := _parts(value)):
        others = [key for key in value if key not in parts.values()]
        left_out = (
            (f"{file}: {', '.join(others)} left out (not train, validation or test)",) if others else ()
        )
        grids = {part: _table(value[key], f"{file} ({key})", limits) for part, key in parts.items()}
        first = next(iter(grids))
        grid = grids[first]
        grids[first] = replace(grid, notes=grid.notes + left_out)
        return grids
    return {"all": _table(value, file, limits)}


def _parts(value: dict[str, Any]) -> dict[str, str]:
    """part -> key, where keys are named after parts and hold rows (not single cells)."""
    found: dict[str, str] = {}
    for key, rows in value.items():
        part = PARTS.get(key.casefold())
        holds_rows = isinstance(rows, dict) or (
            isinstance(rows, list) and all(is_nested(_plain(r)) for r in rows[:20])
        )
        if part and holds_rows and rows and part not in found:
            found[part] = key
    return found


def _plain(item: Any) -> Any:
    return item.value if isinstance(item, _Placed) else item


def _table(value: Any, file: str, limits: Limits) -> Grid:
    if isinstance(value, list):
        return _from_items(
            [(item.line, item.value) if isinstance(item, _Placed) else (0, item) for item in value],
            file,
            limits,
        )
    if isinstance(value, dict) and value:
        columns = {name: _column(cells) for name, cells in value.items()}
        if all(cells is not None for cells in columns.values()):
            lengths = {name: len(cells) for name, cells in columns.items() if cells is not None}
            if len(set(lengths.values())) == 1:
                rows = zip(*[cells for cells in columns.values() if cells is not None])
                records = ((i, dict(zip(columns, row))) for i, row in enumerate(rows, 1))
                return from_records(records, file, limits, place="row")
            said = ", ".join(f"{shown(n, 20)} {length:,}" for n, length in list(lengths.items())[:4])
            raise DataError(
                f"{file} is no table: its columns have different lengths ({said}); give a list of objects, one for"
                " each row",
                code="unreadable",
            )
    raise DataError(
        f'{file} is no table; give a list of objects such as [{{"text": ..., "label": ...}}], or one list for each column',
        code="unreadable",
    )


def _column(cells: Any) -> list[Any] | None:
    """The cells of a column given as a list, or as an object by row number (as pandas writes it)."""
    if isinstance(cells, list):
        return [_plain(cell) for cell in cells]
    if isinstance(cells, dict) and all(key.isdigit() for key in cells):
        return list(cells.values())
    return None


def _from_items(items: _Items, file: str, limits: Limits) -> Grid:
    lined = all(line for line, _ in items)
    places = [line if lined else i for i, (line, _) in enumerate(items, 1)]
    place = "line" if lined else "row"
    values = [value for _, value in items]
    if all(isinstance(value, dict) for value in values):
        return from_records(zip(places, values), file, limits, place=place)
    width = len(values[0]) if isinstance(values[0], list) else 0
    wrong = [p for p, v in zip(places, values) if not isinstance(v, list) or len(v) != width or width < 2]
    if wrong:
        raise DataError(
            f"{file}: {place_of(wrong, place)} {'is' if len(wrong) == 1 else 'are'} neither an object nor a list as long"
            " as the first; give a list of objects, one for each row",
            code="broken_rows",
            lines=wrong[:1000],
        )
    names = [f"column {i}" for i in range(1, width + 1)]
    return from_records(((p, dict(zip(names, v))) for p, v in zip(places, values)), file, limits, place=place)


class _Placed:
    """A list item with the line in which it begins."""

    __slots__ = ("line", "value")

    def __init__(self, line: int, value: Any) -> None:
        self.line, self.value = line, value


def _document(text: str) -> Any:
    """`json.loads`, but items of lists on the first two levels know their line."""
    value, at = _value(text, _skip(text, 0), _LineCounter(text), depth=2)
    if (rest := _skip(text, at)) < len(text):
        raise json.JSONDecodeError("more text after the end", text, rest)
    return value


class _LineCounter:
    """Lines counted once, from front to back."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.line = text, 0, 1

    def __call__(self, at: int) -> int:
        self.line += self.text.count("\n", self.at, at)
        self.at = at
        return self.line


def _value(text: str, at: int, line: _LineCounter, depth: int) -> tuple[Any, int]:
    if depth and text.startswith("[", at):
        items = []
        for start in _elements(text, at, "]", end := [at]):
            begins = line(start)
            value, end[0] = _DECODER.raw_decode(text, start)
            items.append(_Placed(begins, value))
        return items, end[0]
    if depth and text.startswith("{", at):
        found: dict[str, Any] = {}
        for start in _elements(text, at, "}", end := [at]):
            if not text.startswith('"', start):
                raise json.JSONDecodeError("a name in quotes is missing", text, start)
            name, after = _DECODER.raw_decode(text, start)
            after = _skip(text, after)
            if not text.startswith(":", after):
                raise json.JSONDecodeError("a colon is missing", text, after)
            found[name], end[0] = _value(text, _skip(text, after + 1), line, depth - 1)
        return found, end[0]
    return _DECODER.raw_decode(text, at)


def _elements(text: str, at: int, closing: str, end: list[int]) -> Iterator[int]:
    """Starts of the elements of a list or object that opens at `at`; the caller writes each element's end to `end`."""
    position = _skip(text, at + 1)
    if text.startswith(closing, position):
        end[0] = position + 1
        return
    while True:
        yield position
        position = _skip(text, end[0])
        if text.startswith(closing, position):
            end[0] = position + 1
            return
        if not text.startswith(",", position):
            raise json.JSONDecodeError("a comma is missing", text, position)
        position = _skip(text, position + 1)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
