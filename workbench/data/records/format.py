"""Format: one way in which rows are given, how it is recognised, and the columns that play its roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.data.column_names import plain
from workbench.data.records.turns import BadRow, listed_turns, parsed

SEEN_ROWS = 200


@dataclass(frozen=True)
class Sample:
    """The first rows of a part: cells by column, the columns chosen by the reader by role, and the data set's card."""

    cells: Mapping[str, Sequence[str]]
    given: Mapping[str, str] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.cells)

    def named(self, role: str, names: Sequence[str], taken: Mapping[str, str]) -> str | None:
        """The column of a role: as chosen, as the card says, else the first of the known names that is free."""
        said = self.given.get(role) or self.card.get(f"{role}_column")
        if said in self.cells:
            return str(said)
        free = {plain(c): c for c in reversed(self.columns) if c not in taken.values()}
        return next((free[name] for name in names if name in free), None)

    def filled(self, column: str) -> list[str]:
        return [cell for cell in self.cells[column] if cell.strip()]

    def share_of_turns(self, column: str, key: str) -> float:
        """How many of the filled cells are lists of turns whose roles stand under `key`."""
        cells = self.filled(column)[:50]
        found = [listed_turns(cell) for cell in cells]
        return sum(turns is not None and key in turns[0] for turns in found) / len(cells) if cells else 0.0


@dataclass(frozen=True)
class Match:
    """How well the columns fit a format (0 to 1), why, and which column plays which role."""

    score: float
    reason: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Format:
    """`text_role` and `label_role` are the roles that a reader's text and label columns play. `to_row` gets the cells by
    role and whether turns out of order are to be mended."""

    name: str
    title: str
    text_role: str
    label_role: str | None
    matches: Callable[[Sample], Match | None]
    to_row: Callable[[Mapping[str, str], bool], dict[str, Any] | BadRow]


REFERENCES = ("references", "refs", "all_references", "参考", "参考答案")
KINDS = ("kind", "category", "task_type", "task_name", "subtask", "类型", "类别", "分类")
ANSWERS = ("answer", "final_answer", "gold_answer", "short_answer")
SYSTEMS = ("system", "system_prompt", "系统")
_MOST_KINDS = 50


def with_extras(sample: Sample, columns: Mapping[str, str]) -> dict[str, str]:
    """The roles found, and those of references, kinds, bare answers and system prompts where such columns are free."""
    found = dict(columns)
    for role, names in (
        ("references", REFERENCES),
        ("kind", KINDS),
        ("answer", ANSWERS),
        ("system", SYSTEMS),
    ):
        column = sample.named(role, names, found)
        if column is None or role in found:
            continue
        chosen = column in (sample.given.get(role), sample.card.get(f"{role}_column"))
        cells = sample.filled(column)
        if role == "kind" and not chosen and len(set(cells)) > min(_MOST_KINDS, max(2, len(cells) // 2)):
            continue
        if role == "references" and not chosen and not any(isinstance(parsed(c), list) for c in cells[:50]):
            continue
        found[role] = column
    return found


def extras(cells: Mapping[str, str], completion: str | None = None) -> dict[str, Any]:
    """The optional fields of a row. The completion is one of the references."""
    row: dict[str, Any] = {}
    if references := _references(cells.get("references", "")):
        if completion and completion.strip() and completion not in references:
            references.insert(0, completion)
        row["references"] = references
    for name in ("kind", "answer"):
        if cells.get(name, "").strip():
            row[name] = cells[name].strip()
    return row


def _references(cell: str) -> list[str]:
    value = parsed(cell)
    if isinstance(value, list):
        return list(dict.fromkeys(str(text) for text in value if text is not None and str(text).strip()))
    return [cell] if cell.strip() else []


def said_by(sample: Sample, roles: Sequence[str]) -> str | None:
    """Who named the columns of these roles: the reader or the card; None where names were guessed."""
    if all(role in sample.given for role in roles):
        return "the columns were chosen"
    if all(sample.card.get(f"{role}_column") in sample.cells for role in roles):
        return "the data set’s card says so"
    return None
