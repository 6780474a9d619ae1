"""Parquet and Excel to rows of texts; sizes are checked before anything is unpacked."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from workbench.data.faults import DataError, shown
from workbench.data.grid import Grid, as_text, from_records
from workbench.data.limits import Limits


def parse_parquet(data: bytes, file: str, limits: Limits) -> Grid:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = pq.ParquetFile(io.BytesIO(data))
        meta = source.metadata
        limits.check_shape(file, meta.num_rows, source.schema_arrow.__len__())
        sizes = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        limits.check_unpacked(file, len(data), sizes)
        return from_records(_parquet_rows(source, file, limits), file, limits, place="row")
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{file} can't be read as Parquet ({_first_line(error)}); write it again or give CSV",
            code="unreadable",
        ) from None


def _parquet_rows(source: Any, file: str, limits: Limits) -> Iterator[tuple[int, dict[str, Any]]]:
    row = unpacked = 0
    classes = _class_names(source.schema_arrow.metadata or {})
    for batch in source.iter_batches(batch_size=200):
        # A dictionary-encoded column may be tiny on disk and huge as texts, so the bytes are counted batch by batch.
        unpacked += sum(column.nbytes for column in _plain_columns(batch))
        limits.check_unpacked(file, limits.unpacked_bytes, unpacked)
        for record in batch.to_pylist():
            row += 1
            for column, names in classes.items():
                number = record.get(column)
                record[column] = (
                    names[number] if isinstance(number, int) and 0 <= number < len(names) else None
                )
            yield row, record


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Class numbers that `datasets` wrote carry their names in the schema."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {n: list(f["names"]) for n, f in features.items() if f.get("_type") == "ClassLabel"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _plain_columns(batch: Any) -> Iterator[Any]:
    import pyarrow as pa

    for column in batch.columns:
        yield column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def parse_excel(data: bytes, file: str, limits: Limits) -> Grid:
    """The first sheet that holds more than a title; its first row is the header."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        notes: tuple[str, ...] = ()
        for number, sheet in enumerate(book.worksheets):
            sheet.reset_dimensions()
            rows = list(_sheet_rows(sheet, file, limits))
            if not rows:
                continue
            if len(book.worksheets) > 1:
                left_out = [other.title for i, other in enumerate(book.worksheets) if i != number]
                notes = (
                    f"{file}: sheet “{shown(sheet.title, 30)}” is read; left out: {shown(', '.join(left_out), 80)}",
                )
            width = len(rows[0][1])
            columns = tuple(rows[0][1])
            body = [(line, (*cells, *[""] * (width - len(cells)))[:width]) for line, cells in rows[1:]]
            return Grid(columns, [c for _, c in body], [n for n, _ in body], notes, place="row", file=file)
    except DataError:
        raise
    except Exception as error:  # openpyxl raises whatever its XML and zip layers raise
        raise DataError(
            f"{file} can't be read as Excel ({_first_line(error)}); save it again as .xlsx or give CSV",
            code="unreadable",
        ) from None
    raise DataError(f"{file} is empty: no sheet has a filled cell", code="empty")


def _sheet_rows(sheet: Any, file: str, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    size = 0
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        cells = [as_text(value) for value in values]
        while cells and not cells[-1].strip():
            cells.pop()
        limits.check_shape(file, number - 1, len(cells))
        size += sum(map(len, cells))
        limits.check_unpacked(file, limits.unpacked_bytes, size)
        if cells:
            yield number, cells


def _first_line(error: BaseException) -> str:
    return shown((str(error) or type(error).__name__).splitlines()[0], 100)
