"""CSV and TSV: which delimiter, is there a header, which quoting; broken rows are named by line."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from workbench.data.column_names import is_known
from workbench.data.faults import DataError, place_of
from workbench.data.grid import Grid
from workbench.data.limits import Limits

_DELIMITERS = (",", "\t", ";", "|")
_NO_DELIMITER = "\x1f"
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?\Z")
_COUNTED = 1000


@dataclass
class _Lines:
    """An iterator over physical lines that can be set back: after an unclosed quote we go on with the next line."""

    lines: Sequence[str]
    at: int = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.at >= len(self.lines):
            raise StopIteration
        self.at += 1
        return self.lines[self.at - 1]


@dataclass
class _Parsed:
    records: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    spans: bool = False


def parse(text: str, file: str, limits: Limits, *, skip_broken: bool = False) -> Grid:
    """The rows of a delimited text. DataError: broken_rows with line numbers, unless they are to be skipped."""
    lines = list(io.StringIO(text.lstrip("\ufeff"), newline=""))
    delimiter = _delimiter(lines, file)
    quoted = _records(lines, delimiter, csv.QUOTE_MINIMAL, file, limits)
    parsed, notes = quoted, []
    if delimiter == "\t" and (quoted.broken or quoted.spans):
        # Tab-separated corpora (GLUE) write quotes as they come; reading them as quoting swallows whole rows.
        plain = _records(lines, delimiter, csv.QUOTE_NONE, file, limits)
        if not plain.broken:
            parsed = plain
            notes.append(f"{file}: quotation marks are read as part of the text")
    if parsed.broken and not skip_broken:
        raise _broken_rows(parsed, file)
    first = parsed.records[0] if parsed.records else []
    if _is_header(first, parsed.records[1:201]):
        columns, start = tuple(first), 1
    else:
        columns, start = tuple(f"column {i}" for i in range(1, len(first) + 1)), 0
        notes.append(f"{file}: the first line is read as a row, not as a header")
    rows, places = parsed.records[start:], parsed.lines[start:]
    return Grid(columns, rows, places, tuple(notes), tuple(parsed.broken), file=file)


def _delimiter(lines: Sequence[str], file: str) -> str:
    """The one that cuts the header and most of the first rows into the same number of fields."""
    sample = [line for line in lines[:300] if line.strip()]
    scores = []
    for rank, delimiter in enumerate(_DELIMITERS):
        try:
            widths = [len(record) for record in csv.reader(sample, delimiter=delimiter) if record]
        except csv.Error:
            widths = [line.count(delimiter) + 1 for line in sample]
        if widths and widths[0] > 1:
            usual = Counter(widths).most_common(1)[0][0]
            by_name = file.lower().removesuffix(".gz").endswith(".tsv") and delimiter == "\t"
            share = widths.count(widths[0]) / len(widths)
            scores.append((by_name, usual == widths[0], share, -rank, delimiter))
    return max(scores)[-1] if scores else _NO_DELIMITER


def _records(lines: Sequence[str], delimiter: str, quoting: int, file: str, limits: Limits) -> _Parsed:
    feed = _Lines(lines)
    reader = csv.reader(feed, delimiter=delimiter, quoting=quoting, strict=True)  # type: ignore[arg-type]
    parsed = _Parsed()
    width = 0
    while feed.at < len(lines):
        start = feed.at
        try:
            record = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if feed.at == start + 1 and "field limit" in str(error):
                raise DataError(
                    f"{file}: line {feed.at} holds a cell of more than {limits.cell:,} characters; shorten it or"
                    " leave the row out",
                    code="too_large",
                    lines=[feed.at],
                ) from None
            # "unexpected end" and a runaway field mean a quote that never closes; else text follows a closing quote.
            runaway = feed.at > start + 1 or "unexpected end" in str(error)
            why = "opens a quote that isn't closed" if runaway else "has text after a closing quote"
            parsed.broken[start + 1] = why
            feed.at = start + 1
        else:
            if not record or (len(record) == 1 and not record[0].strip()):
                continue
            width = width or len(record)
            if len(record) == width:
                parsed.records.append(record)
                parsed.lines.append(start + 1)
                parsed.spans = parsed.spans or feed.at > start + 1
                if len(parsed.records) > limits.rows + 1:
                    limits.check_shape(file, len(parsed.records) - 1, width)
            else:
                parsed.broken[start + 1] = f"has {len(record)} fields instead of {width}"
                feed.at = start + 1
        if len(parsed.broken) > limits.rows:
            limits.check_shape(file, len(parsed.broken), width)
    return parsed


def _broken_rows(parsed: _Parsed, file: str) -> DataError:
    broken = list(parsed.broken.items())
    said = "; ".join(f"line {line} {why}" for line, why in broken[:3])
    more = f"; also {place_of([line for line, _ in broken[3:]])}" if len(broken) > 3 else ""
    return DataError(
        f"{file} has {len(broken):,} broken row{'s' if len(broken) > 1 else ''}: {said}{more}. Correct the file, or"
        " skip them (skip_broken)",
        code="broken_rows",
        lines=[line for line, _ in broken[:_COUNTED]],
        fix="skip_broken",
    )


def _is_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """A header is short, not repeated below, without numbers; a well-known column name settles it."""
    cells = [cell.strip() for cell in first]
    others = [row for row in rows if list(row) != list(first)]
    if any(cell and any(cell == row[i].strip() for row in others) for i, cell in enumerate(cells)):
        return False
    if any(len(cell) > 80 for cell in cells):
        return False
    if any(is_known(cell) for cell in cells) or not rows:
        return True
    named = [cell for cell in cells if cell]
    return len(set(named)) == len(named) > 0 and not any(_NUMBER.match(cell) for cell in named)
