"""Bare answers that stand at the end of worked-out completions, as in GSM8K: a last line `#### 42`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from workbench.data.diagnosis import Record
from workbench.data.records.texts import ordered

_LAST_LINE = re.compile(r"(?:\A|\n)#### *(\S[^\n]*)\s*\Z")


def with_final_answers(parts: Mapping[str, Sequence[Record]]) -> dict[str, list[Record]] | None:
    """The rows with the field `answer`; None unless every row ends in such a line and has no answer yet."""
    found: dict[str, list[Record]] = {part: [] for part in parts}
    for part, rows in parts.items():
        for row in rows:
            match = _LAST_LINE.search(row.values.get("completion", ""))
            if match is None or "answer" in row.values:
                return None
            found[part].append(Record(ordered({**row.values, "answer": match[1].strip()}), row.line))
    return found if any(found.values()) else None
