"""Table: rows under examination, and how a check makes a fault of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workbench.data.clean import FIXES, Parts, Row
from workbench.data.faults import SHOWN_LINES, Fault, listed, shown


@dataclass(frozen=True)
class Table:
    """Rows of all parts, the names of their columns, and the file behind each part."""

    parts: Parts
    text: str
    label: str
    files: Mapping[str, str]

    @property
    def main(self) -> str:
        """The part that is learned from."""
        return "all" if "all" in self.parts else "train"

    @property
    def main_rows(self) -> Sequence[Row]:
        return self.parts[self.main]

    def fault(
        self,
        part: str,
        code: str,
        severity: str,
        title: str,
        detail: str,
        rows: Sequence[Row] = (),
        *,
        field: str = "",
        count: int | None = None,
        fix: str | None = None,
        fix_label: str = "",
        blocks: bool = False,
    ) -> Fault:
        """A fault of rows of one part: their first lines, and the fix's own words unless others are given."""
        return Fault(
            code,
            severity,
            title,
            detail,
            lines=tuple(row.line for row in rows[:SHOWN_LINES]),
            field=field,
            count=len(rows) if count is None else count,
            fix=fix,
            fix_label=fix_label or (FIXES[fix][1] if fix and fix in FIXES else ""),
            blocks=blocks,
            file=self.files.get(part, part) if len(self.parts) > 1 else "",
        )


def where(part: str) -> str:
    """` in train`, or nothing where there is one part only."""
    return "" if part == "all" else f" in {part}"


def quoted(names: Iterable[str], most: int = 6) -> str:
    """`“a”, “b” and 3 more`."""
    return listed([f"“{shown(name, 30)}”" for name in names], most)


def label_counts(rows: Iterable[Row]) -> Counter[str]:
    return Counter(row.label for row in rows)
