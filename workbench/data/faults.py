"""What can be wrong with data: DataError stops, a Fault is one line of the doctor's report; and how texts are shown in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class DataError(ValueError):
    """One clear sentence. `code` says which fault, `lines` where, `preview` shows what was found, `fix` what would help.

    The code has a default because exceptions that cross a process are rebuilt from their message alone.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "unreadable",
        lines: Sequence[int] = (),
        preview: Sequence[str] = (),
        fix: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.lines = tuple(lines)
        self.preview = tuple(preview)
        self.fix = fix


@dataclass(frozen=True)
class Fault:
    """One thing found. `severity` is "fix" (wrong) or "look" (may be meant); `blocks` says that training would be refused.

    `lines` are the first places (of `file`, where there are several), `count` is how many there are. `fix` is the id of
    the repair offered, `setting` a setting that would help instead.
    """

    code: str
    severity: str
    title: str
    detail: str
    lines: tuple[int, ...] = ()
    field: str = ""
    count: int = 0
    fix: str | None = None
    fix_label: str = ""
    blocks: bool = False
    file: str = ""
    setting: Mapping[str, Any] | None = None

    @property
    def sentence(self) -> str:
        """The fault as the message of an error: what, why, and what would be right."""
        offered = f" ({self.fix_label.lower()}: fix {self.fix})" if self.fix else ""
        return f"{self.title}: {self.detail.rstrip('.')}{offered}" if self.detail else self.title + offered


SHOWN_LINES = 50


def shown(text: str, length: int = 60) -> str:
    """A text cut to `length` for a message or a terminal; control and direction marks are spelled out, not obeyed."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)


def count_of(number: int, noun: str) -> str:
    """`1 row`, `2,400 rows`, `3 classes`."""
    plural = noun if number == 1 else noun + ("es" if noun.endswith(("s", "x", "ch")) else "s")
    return f"{number:,} {plural}"


def listed(items: Sequence[Any], most: int = 6) -> str:
    """`1, 2, 3 and 9 more`."""
    more = len(items) - most
    text = ", ".join(f"{i:,}" if isinstance(i, int) else str(i) for i in items[:most])
    return f"{text} and {more:,} more" if more > 0 else text


def place_of(lines: Sequence[int], place: str = "line", most: int = 6) -> str:
    """`line 4`, `lines 4, 9 and 12 more`."""
    return f"{place}{'s' if len(lines) > 1 else ''} {listed(lines, most)}"
