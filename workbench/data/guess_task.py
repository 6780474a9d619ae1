"""Which task rows are given for: labels that recur, questions with answers, pairs of answers, or plain text."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench import registry
from workbench.data.columns import guess_columns
from workbench.data.diagnosis import Asked, Guess
from workbench.data.faults import DataError
from workbench.data.open import RawData, read
from workbench.data.records import generation, preference
from workbench.data.records.choose import choose
from workbench.data.records.task import RecordTask

# Below the first, columns of prompt and completion are a guess that labels speak against; from the second on their names
# say it so clearly that answers may come again.
_SURE_ENOUGH, _SAID_SO = 0.6, 0.95
# Columns of a better and a worse answer are taken for such only where their names say so.
_CLEAR = 0.9
_PLAIN_TEXT = (".txt", ".md", ".text")


@dataclass(frozen=True)
class TaskGuess:
    """`sure` says in words how sure (certain, likely, a guess), `reason` why."""

    task: str
    sure: str
    reason: str


def guess_task(raw: RawData) -> TaskGuess | None:
    """None where neither labels nor answers are found."""
    pairs, written = _read_as(raw, preference.TASK), _read_as(raw, generation.TASK)
    if pairs and pairs.score >= _CLEAR:
        return _guess("preference", pairs)
    label: str | None = None
    with contextlib.suppress(DataError):
        _, label = guess_columns(raw)
    if written is None:
        return TaskGuess("classification", "likely", _recurs(label)) if label else None
    recurring = written.columns.get("completion") == label and written.score < _SAID_SO
    if label and (written.score < _SURE_ENOUGH or recurring):
        return TaskGuess("classification", "likely", _recurs(label))
    return _guess("generation", written)


def _read_as(raw: RawData, task: RecordTask) -> Guess | None:
    try:
        return choose(raw, task, Asked()).guess
    except DataError:
        return None


def _guess(task: str, found: Guess) -> TaskGuess:
    return TaskGuess(task, found.sure, f"{found.title[:1].lower()}{found.title[1:]}: {found.reason}")


def _recurs(label: str) -> str:
    return f"column {label!r} holds a few values that come again, as labels do"


def guess_task_of(
    source: str, upload: str | None = None, reading: Mapping[str, Any] | None = None
) -> dict[str, str] | None:
    """The same for a source as `read` takes it, in plain values; None also where it can't be read: the doctor says why."""
    if Path(upload or source).suffix.lower() in _PLAIN_TEXT:
        found: TaskGuess | None = TaskGuess("language_modelling", "likely", "a file of plain text")
    else:
        try:
            found = guess_task(read(Path(upload) if upload else source, **(reading or {})))
        except DataError:
            return None
    return asdict(found) if found and found.task in registry.tasks() else None
