"""Format: chosen and rejected as two whole conversations (HH-RLHF): they are equal but for the last answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workbench.data.column_names import CHOSEN_NAMES, REJECTED_NAMES
from workbench.data.records.format import Format, Match, Sample
from workbench.data.records.preference_pairs import compared
from workbench.data.records.turns import ROLES, BadRow, Turn, listed_turns, turns_of

_SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant): ?")


def matches(sample: Sample) -> Match | None:
    found: dict[str, str] = {}
    for role, names in (("chosen", CHOSEN_NAMES), ("rejected", REJECTED_NAMES)):
        column = sample.named(role, names, found)
        if column is None:
            return None
        found[role] = column
    cells = sample.filled(found["chosen"])[:50]
    share = sum(_is_conversation(cell) for cell in cells) / len(cells) if cells else 0.0
    reason = f"{found['chosen']!r} and {found['rejected']!r} hold whole conversations"
    return Match(0.99 * share, reason, found) if share else None


def _is_conversation(cell: str) -> bool:
    turns = listed_turns(cell)
    return len(turns) > 1 if turns else cell.lstrip().startswith(("Human:", "Assistant:"))


def to_row(cells: Mapping[str, str], mend: bool) -> dict[str, Any] | BadRow:
    chosen, rejected = _turns(cells.get("chosen", "")), _turns(cells.get("rejected", ""))
    if isinstance(chosen, BadRow):
        return chosen
    if isinstance(rejected, BadRow):
        return rejected
    return compared(chosen, rejected, cells)


def _turns(cell: str) -> list[Turn] | BadRow:
    if listed_turns(cell):
        return turns_of(cell)
    pieces = _SPEAKER.split("\n\n" + cell.strip())
    if len(pieces) < 3:
        return BadRow("broken_cell", "a cell holds no turns of Human and Assistant")
    said = zip(pieces[1::2], pieces[2::2])
    return [{"role": ROLES[name.casefold()], "content": text.strip()} for name, text in said]


FORMAT = Format("conversations", "Two whole conversations (HH-RLHF)", "chosen", None, matches, to_row)
