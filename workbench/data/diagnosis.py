"""What is asked about data, and what its examination and its preparation share, whatever the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.data.faults import Fault
from workbench.data.split import Split


@dataclass(frozen=True)
class Asked:
    """The reader's choices. `text` and `label` name the main columns of the task (for generation: prompt and completion),
    `columns` any other by its role, `format` says how rows are given; what is None is guessed. `fill` gives the words
    for placeholders."""

    text: str | None = None
    label: str | None = None
    fixes: Sequence[str] = ()
    split: Split = field(default_factory=Split)
    format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    fill: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """One row as tasks read it, and its place in the file it came from."""

    values: Mapping[str, Any]
    line: int = 0


@dataclass(frozen=True)
class Guess:
    """A way to read the rows: its name, how sure we are of it (`score` from 0 to 1, `sure` in words) and why, and which
    column plays which role."""

    name: str
    title: str
    score: float
    reason: str
    columns: Mapping[str, str]

    @property
    def sure(self) -> str:
        return "certain" if self.score >= 0.9 else "likely" if self.score >= 0.6 else "a guess"


@dataclass(frozen=True)
class Diagnosis:
    """`given` are the usable rows of each part as given, `final` the three parts (None where something blocks), `fixes`
    those applied, in their order. `text` and `label` are the columns taken; `kinds` count rows where they have kinds."""

    given: Mapping[str, Sequence[Record]]
    final: Mapping[str, Sequence[Record]] | None
    text: str
    label: str
    fixes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    passed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    label_counts: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    guess: Guess | None = None
    others: tuple[Guess, ...] = ()
    placeholders: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        return any(fault.blocks for fault in self.faults)


def note(name: str, found: Sequence[Fault], faults: list[Fault], passed: list[str]) -> None:
    """A check's faults, or its name among those passed."""
    if found:
        faults.extend(found)
    else:
        passed.append(name)
