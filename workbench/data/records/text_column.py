"""Format: one text in each row: a column of a table, or the lines or paragraphs of a plain text file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.data.column_names import TEXT_NAMES
from workbench.data.records.format import Format, Match, Sample, said_by
from workbench.data.records.turns import BadRow


def matches(sample: Sample) -> Match | None:
    who = said_by(sample, ("text",))
    if column := sample.named("text", TEXT_NAMES, {}):
        return Match(1.0 if who else 0.95, who or f"a column named {column!r}", {"text": column})
    columns = [column for column in sample.columns if sample.filled(column)]
    if not columns:
        return None
    longest = max(columns, key=lambda column: sum(map(len, sample.cells[column])))
    if len(columns) == 1:
        return Match(0.8, "the only column", {"text": longest})
    return Match(0.5, f"{longest!r} holds the longest texts", {"text": longest})


def to_row(cells: Mapping[str, str], mend: bool) -> dict[str, Any] | BadRow:
    return {"text": cells.get("text", "")}


FORMAT = Format("text", "One text in each row", "text", None, matches, to_row)
LINES = Format("line", "One text on each line", "text", None, matches, to_row)
PARAGRAPHS = Format("paragraph", "One text for each paragraph", "text", None, matches, to_row)
