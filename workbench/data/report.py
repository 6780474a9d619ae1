"""The doctor's report: what was found, as plain JSON for the page and as text for a terminal."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from workbench.data.faults import Fault, listed, place_of, shown
from workbench.spec import canonical_json

_WIDTH = 100


@dataclass(frozen=True)
class Lengths:
    """How long the texts are, in `unit` (tokens or words). `bins` are {from, to, count}; the last may be open (to: None).
    `over` rows are longer than `limit`; `counted` of `rows` were measured."""

    unit: str
    bins: tuple[Mapping[str, int | None], ...]
    median: int
    p95: int
    longest: int
    limit: int
    over: int
    counted: int
    rows: int

    @property
    def said(self) -> str:
        return f"median {self.median:,} {self.unit}, 95th percentile {self.p95:,}, longest {self.longest:,}"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "bins": [dict(one) for one in self.bins]}


@dataclass(frozen=True)
class Report:
    """`rows` as read; `labels` and `lengths` of the rows that can be used after the fixes; `parts` after the split, or
    as given where something blocks. `preview` rows are {line, text, label, length, part} and the task's own fields.

    For tasks on free text `format` is how rows were read ({name, title, score, sure, reason, columns by role}) and
    `other_formats` what else would fit; `lengths` are those of whole rows, `lengths_by_role` of each text; `kinds` counts
    rows by kind; `placeholders` are the words that the data set wants filled in."""

    source: str
    rows: int = 0
    parts: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    text: str | None = None
    label: str | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    lengths: Lengths | None = None
    faults: tuple[Fault, ...] = ()
    passed: tuple[str, ...] = ()
    preview: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()
    place: str = "line"
    fingerprint: str | None = None
    task: str = "classification"
    format: Mapping[str, Any] | None = None
    other_formats: tuple[Mapping[str, Any], ...] = ()
    lengths_by_role: Mapping[str, Lengths] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    placeholders: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        """Would training be refused?"""
        return any(fault.blocks for fault in self.faults)

    @property
    def blocking_sentence(self) -> str | None:
        """The one line that a refusal says; None when nothing blocks."""
        return next((f"{self.source}: {fault.sentence}" for fault in self.faults if fault.blocks), None)

    @property
    def to_fix(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.severity == "fix")

    @property
    def to_look_at(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.severity == "look")

    @property
    def majority(self) -> tuple[str, float] | None:
        """The commonest label and the share that always guessing it would score."""
        if not self.labels:
            return None
        name = max(self.labels, key=lambda label: self.labels[label])
        return name, self.labels[name] / sum(self.labels.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; the properties are included, as a page needs them too."""
        values = asdict(replace(self, faults=(), lengths=None, lengths_by_role={}))
        values["faults"] = [asdict(fault) for fault in self.faults]
        majority = self.majority
        return {
            **{name: list(value) if isinstance(value, tuple) else value for name, value in values.items()},
            "lengths": None if self.lengths is None else self.lengths.to_dict(),
            "lengths_by_role": {role: found.to_dict() for role, found in self.lengths_by_role.items()},
            "faults": [{**values, "lines": list(values["lines"])} for values in values["faults"]],
            "majority": None if majority is None else {"label": majority[0], "share": majority[1]},
            "blocks": self.blocks,
        }

    def to_json(self) -> str:
        return canonical_json(self.to_dict())

    def to_text(self) -> str:
        """The report for a terminal, at most 100 columns wide."""
        blocks = [
            self._head(),
            self._faults(),
            self._labels(),
            self._split(),
            self._lengths(),
            self._preview(),
            self._end(),
        ]
        return "\n\n".join("\n".join(lines) for lines in blocks if lines) + "\n"

    def _head(self) -> list[str]:
        roles = self.format["columns"] if self.format else {"text": self.text, "label": self.label}
        columns = "".join(f", {role} from “{shown(name)}”" for role, name in roles.items() if name)
        counts = (
            f"{len(self.to_fix)} to fix, {len(self.to_look_at)} to look at, {len(self.passed)} checks passed"
            + (": training is refused until it is fixed" if self.blocks else "")
        )
        lines = [f"{shown(self.source, 80)}: {self.rows:,} rows{columns}"]
        if self.format:
            said = f"Format {self.format['title']} ({self.format['sure']}: {self.format['reason']})"
            lines += _wrapped(shown(said, 400), 0)
        return [*lines, counts]

    def _faults(self) -> list[str]:
        lines = []
        for fault in self.faults:
            mark = "BLOCKS" if fault.blocks else fault.severity.upper()
            where = f"[{shown(fault.file, 40)}] " if fault.file else ""
            lines.append(f"  {mark:<6}  {where}{shown(fault.title, 120)}")
            if fault.lines:
                more = fault.count - len(fault.lines)
                places = place_of(fault.lines, self.place, 8)
                hidden = f" of {fault.count:,}" if more > 0 else ""
                name = f", column “{shown(fault.field, 30)}”" if fault.field else ""
                lines.append(f"          {places}{hidden}{name}")
            lines += _wrapped(shown(fault.detail, 400), 10)
            if fault.fix:
                lines.append(f"          {fault.fix_label}: fix {fault.fix}")
        return lines

    def _labels(self) -> list[str]:
        if not self.labels or self.majority is None:
            return []
        total = sum(self.labels.values())
        most = max(self.labels.values())
        names = sorted(self.labels, key=lambda name: -self.labels[name])
        width = min(30, max(_columns(shown(name, 30)) for name in names[:20]))
        lines = [
            f"Label balance   always guessing “{shown(self.majority[0], 30)}” scores {100 * self.majority[1]:.1f} %"
        ]
        for name in names[:20]:
            count = self.labels[name]
            bar = "█" * max(1, round(30 * count / most))
            lines.append(
                f"  {_padded(shown(name, 30), width)}  {bar:<30}  {count:>8,}  {100 * count / total:5.1f} %"
            )
        if len(names) > 20:
            rest = [self.labels[name] for name in names[20:]]
            lines.append(f"  and {len(rest):,} more labels with {min(rest):,} to {max(rest):,} rows each")
        return lines

    def _split(self) -> list[str]:
        if not self.parts:
            return []
        name = "Split" if self.fingerprint else "Parts"
        return [f"{name}           " + ", ".join(f"{part} {count:,}" for part, count in self.parts.items())]

    def _lengths(self) -> list[str]:
        found = self.lengths
        if found is None:
            return []
        drawn = f" ({found.counted:,} rows drawn)" if found.counted < found.rows else ""
        lines = [f"Length          {found.said}{drawn}"]
        lines += [f"  {role:<14}{measured.said}" for role, measured in self.lengths_by_role.items()]
        bins = _merged(found.bins)
        most = max(count for _, _, count in bins) or 1
        for first, to, count in bins:
            name = f"{first:,} and more" if to is None else f"{first:,} to {to - 1:,}"
            lines.append(f"  {name:>16}  {'█' * round(30 * count / most):<30}  {count:>8,}")
        return lines

    def _preview(self) -> list[str]:
        lines = ["First rows"] if self.preview else []
        for row in self.preview[:5]:
            place = f"  {self.place} {row['line']:<6} "
            if self.task == "classification":
                lines.append(f"{place}{_padded(shown(row['label'], 16), 16)}  {shown(row['text'], 64)}")
                continue
            for role in ("prompt", "completion", "chosen", "rejected", "text"):
                if role in row and (role != "text" or "prompt" not in row):
                    lines.append(f"{place}{role:<10}  {shown(row[role], 68)}")
                    place = " " * len(place)
        return lines

    def _end(self) -> list[str]:
        lines = _wrapped("Passed: " + "; ".join(self.passed), 0) if self.passed else []
        for note in self.notes:
            lines += _wrapped("Note: " + shown(note, 400), 0)
        if self.fixes:
            lines.append("Fixes applied: " + listed(self.fixes, 20))
        if self.fingerprint:
            lines.append(f"Fingerprint {self.fingerprint}")
        return lines


def _merged(bins: Sequence[Mapping[str, int | None]]) -> list[tuple[int, int | None, int]]:
    """(from, to, count), two bins to a line: a terminal has less room than the page."""
    closed = [b for b in bins if b["to"] is not None]
    pairs = [closed[i : i + 2] for i in range(0, len(closed), 2)]
    groups = [*pairs, *([b] for b in bins if b["to"] is None)]
    return [(int(g[0]["from"] or 0), g[-1]["to"], sum(int(b["count"] or 0) for b in g)) for g in groups]


def _wrapped(text: str, indent: int) -> list[str]:
    return (
        textwrap.wrap(text, _WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent)
        if text
        else []
    )


def _columns(text: str) -> int:
    """How many terminal columns a text takes: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - _columns(text))
