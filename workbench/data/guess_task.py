"""Which task rows are given for: labels that recur make a classification, questions with answers a generation."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.data.columns import guess_columns
from workbench.data.diagnosis import Asked
from workbench.data.faults import DataError
from workbench.data.open import RawData, read
from workbench.data.records import generation
from workbench.data.records.choose import choose

# Below the first, columns of prompt and completion are a guess that labels speak against; from the second on their names
# say it so clearly that answers may come again.
_SURE_ENOUGH, _SAID_SO = 0.6, 0.95


@dataclass(frozen=True)
class TaskGuess:
    """`sure` says in words how sure (certain, likely, a guess), `reason` why."""

    task: str
    sure: str
    reason: str


def guess_task(raw: RawData) -> TaskGuess | None:
    """None where neither labels nor completions are found."""
    label: str | None = None
    with contextlib.suppress(DataError):
        _, label = guess_columns(raw)
    try:
        written = choose(raw, generation.TASK, Asked()).guess
    except DataError:
        written = None
    recurs = f"column {label!r} holds a few values that come again, as labels do"
    if written is None:
        return TaskGuess("classification", "likely", recurs) if label else None
    recurring = written.columns.get("completion") == label and written.score < _SAID_SO
    if label and (written.score < _SURE_ENOUGH or recurring):
        return TaskGuess("classification", "likely", recurs)
    return TaskGuess("generation", written.sure, f"{written.title.lower()}: {written.reason}")


def guess_task_of(
    source: str, upload: str | None = None, reading: Mapping[str, Any] | None = None
) -> dict[str, str] | None:
    """The same for a source as `read` takes it, in plain values; None also where it can't be read: the doctor says why."""
    try:
        found = guess_task(read(Path(upload) if upload else source, **(reading or {})))
    except DataError:
        return None
    return asdict(found) if found else None
