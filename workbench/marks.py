"""The score of each test row, read from a run's stored outcomes: what runs of one setting are compared by, row by row."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench import registry
from workbench.result import Run
from workbench.spec import Setting, canonical_json
from workbench.store import Store

Marks = NDArray[np.float64]


def judged_by(setting: Setting) -> str:
    """The metric that ranks the runs of this setting."""
    task = registry.task(setting.task)
    return task.judged_by(task.options.from_dict(setting.task_options))


def run_marks(store: Store, run: Run) -> Marks | None:
    """1 for a right label, chrF of an answer, the more the better; None when the outcomes are gone."""
    path = store.run_folder(run.id) / "outcomes.jsonl"
    setting = run.spec.setting
    try:
        options = canonical_json(dict(setting.task_options))
        return _read_marks(path, path.stat().st_mtime_ns, setting.task, options)
    except FileNotFoundError:
        return None


def marks_of(outcomes: Sequence[Mapping[str, Any]], task: str, task_options: Mapping[str, Any]) -> Marks:
    """The same of outcomes at hand."""
    known = registry.task(task)
    return np.array(known.marks(outcomes, known.options.from_dict(task_options)))


@functools.lru_cache(maxsize=4096)
def _read_marks(path: Path, changed: int, task: str, options_json: str) -> Marks:
    del changed  # part of the cache key
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return marks_of(rows, task, json.loads(options_json))
