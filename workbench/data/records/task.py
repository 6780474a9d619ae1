"""RecordTask: what a task on free text asks of its rows: formats, fields, checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.data.clean import FIXES as LABELLED_FIXES
from workbench.data.diagnosis import Record
from workbench.data.faults import SHOWN_LINES, Fault
from workbench.data.records.format import Format
from workbench.data.records.turns import BadRow

Check = Callable[["RecordTable"], list[Fault]]


@dataclass(frozen=True)
class RecordTask:
    """`fields` are the texts that every row has. `reply` is the one that is learned (None where all is), by which rows
    of one prompt differ. Of the fields in `either` a row may have one alone. `gathers_references`: in validation and test, rows of one prompt become one with references."""

    name: str
    noun: str
    formats: tuple[Format, ...]
    fields: tuple[str, ...]
    reply: str | None
    checks: Sequence[tuple[str, Check]]
    gathers_references: bool = False
    either: tuple[str, ...] = ()

    def fields_of(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The fields that this row has to have."""
        some = any(name in values for name in self.either)
        return tuple(n for n in self.fields if n in values or not (some and n in self.either))


@dataclass(frozen=True)
class RecordTable:
    """Rows under examination: those of each part that could be read, and why others could not. `columns` names the
    column of each field, `placeholders` are those that the data set's card declares."""

    task: RecordTask
    parts: Mapping[str, Sequence[Record]]
    bad: Mapping[str, Sequence[tuple[int, BadRow]]]
    columns: Mapping[str, str]
    files: Mapping[str, str]
    placeholders: tuple[str, ...] = ()
    mixed: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def main(self) -> str:
        return "all" if "all" in self.parts else "train"

    def column(self, field: str) -> str:
        """Where it was read from; a rated answer's is that of its completion."""
        found = (field, "completion", "messages")
        return next((self.columns[name] for name in found if name in self.columns), "")

    def fault(
        self,
        part: str,
        code: str,
        severity: str,
        title: str,
        detail: str,
        lines: Sequence[int] = (),
        **more: Any,
    ) -> Fault:
        """A fault of rows of one part, at their first lines."""
        from workbench.data.records.fixes import FIXES

        fix = more.get("fix")
        known = FIXES.get(fix) or LABELLED_FIXES.get(fix) if fix else None
        more["fix_label"] = more.get("fix_label") or (known[1] if known else "")
        more.setdefault("count", len(lines))
        shown = tuple(lines[:SHOWN_LINES])
        file = self.files.get(part, part) if len(self.parts) > 1 else ""
        return Fault(code, severity, title, detail, lines=shown, file=file, **more)
