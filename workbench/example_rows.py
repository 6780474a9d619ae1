"""Test rows beside what each run said of them, those first on which methods disagree: read from the runs' outcomes alone."""

from __future__ import annotations

import functools
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, Literal

from workbench import registry
from workbench.compare import Comparison
from workbench.result import Run
from workbench.spec import Setting, canonical_json
from workbench.store import Store

Order = Literal["disagree", "hard", "row"]


@dataclass(frozen=True)
class Voice:
    """Who said something: one run of each choice, or a reference."""

    key: str
    label: str
    family: str
    seed: int | None = None


@dataclass(frozen=True)
class Said:
    """A label or a text, and its score from 0 to 1 on what the setting is judged by."""

    text: str
    score: float


@dataclass(frozen=True)
class Example:
    """One test row. `right` is the label or the texts that would be right; `said` goes by the voices' keys."""

    place: int
    prompt: str
    right: tuple[str, ...]
    kind: str
    said: Mapping[str, Said]
    disagreement: float

    @property
    def mean(self) -> float:
        return fmean(one.score for one in self.said.values()) if self.said else 0.0


@dataclass(frozen=True)
class _Outcomes:
    """Of one run or reference, row by row."""

    rows: tuple[Mapping[str, Any], ...]
    marks: tuple[float, ...]


def voices(comparison: Comparison) -> list[Voice]:
    """The finished run with the lowest seed of each row of the table, then its references."""
    found = []
    for row in comparison.rows:
        run = first_finished(comparison.runs, row.key)
        if run is not None:
            found.append(Voice(run.id, row.label, row.family, run.spec.seed))
    told = {str(record["method"]) for record in comparison.reference_records if record.get("outcomes")}
    return found + [Voice(row.key, row.label, "base") for row in comparison.references if row.key in told]


def first_finished(runs: Sequence[Run], choice: str) -> Run | None:
    done = [run for run in runs if run.spec.choice.id == choice and run.state == "finished"]
    return min(done, key=lambda run: run.spec.seed, default=None)


def examples(store: Store, comparison: Comparison, keys: Sequence[str]) -> list[Example]:
    """Every test row that all of these voices answered. How far methods disagree is told without the references."""
    setting = comparison.setting
    every = {key: _outcomes(store, comparison, key) for key in keys}
    told = {key: one for key, one in every.items() if one is not None}
    if not told:
        return []
    length = Counter(len(one.rows) for one in told.values()).most_common(1)[0][0]
    told = {key: one for key, one in told.items() if len(one.rows) == length}
    references = {row.key for row in comparison.references}
    methods = [key for key in told if key not in references] or list(told)
    prompts = _prompts(store, setting)
    labels = bool(setting.data.labels)
    found = []
    for place in range(length):
        row = next(iter(told.values())).rows[place]
        said = {key: Said(_text(one.rows[place]), one.marks[place]) for key, one in told.items()}
        among = [said[key] for key in methods]
        prompt = str(row.get("prompt") or (prompts[place] if len(prompts) == length else ""))
        found.append(
            Example(
                place + 1,
                prompt,
                tuple(row.get("references") or (str(row.get("label", "")),)),
                str(row.get("kind") or (row.get("label", "") if labels else "")),
                said,
                _labels_apart(among) if labels else pstdev([one.score for one in among]),
            )
        )
    return found


def ordered(rows: Sequence[Example], order: Order) -> list[Example]:
    """By disagreement, most first; by the mean score, lowest first; or as they stand in the data."""
    if order == "row":
        return list(rows)
    if order == "hard":
        return sorted(rows, key=lambda one: (one.mean, one.place))
    return sorted(
        rows,
        key=lambda one: (-round(one.disagreement, 9), -len({s.text for s in one.said.values()}), one.place),
    )


def kinds(rows: Sequence[Example]) -> list[str]:
    return sorted({one.kind for one in rows if one.kind})


def _labels_apart(said: Sequence[Said]) -> float:
    """The chance that two voices drawn at random say different labels."""
    counts = Counter(one.text for one in said)
    return 1.0 - math.fsum((count / len(said)) ** 2 for count in counts.values())


def _text(row: Mapping[str, Any]) -> str:
    return str(row.get("output", row.get("predicted", "")))


def _outcomes(store: Store, comparison: Comparison, key: str) -> _Outcomes | None:
    setting = comparison.setting
    for record in comparison.reference_records:
        if record["method"] == key and record.get("outcomes"):
            return _marked(record["outcomes"], setting.task, dict(setting.task_options))
    path = store.run_folder(key) / "outcomes.jsonl"
    if all(run.id != key for run in comparison.runs) or not path.is_file():
        return None
    options = canonical_json(dict(setting.task_options))
    return _read(path, path.stat().st_mtime_ns, setting.task, options)


@functools.lru_cache(maxsize=64)
def _read(path: Path, changed: int, task: str, options_json: str) -> _Outcomes:
    del changed  # part of the cache key
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return _marked(rows, task, json.loads(options_json))


def _marked(rows: Sequence[Mapping[str, Any]], task: str, options: Mapping[str, Any]) -> _Outcomes:
    known = registry.task(task)
    return _Outcomes(tuple(rows), tuple(known.marks(rows, known.options.from_dict(options))))


def _prompts(store: Store, setting: Setting) -> tuple[str, ...]:
    """Texts of the test part, for outcomes that don't repeat them; empty where the rows are gone."""
    if not setting.data.fingerprint:
        return ()
    return _texts(store.data_folder(setting.data.fingerprint))


@functools.lru_cache(maxsize=8)
def _texts(folder: Path) -> tuple[str, ...]:
    from workbench.data import DataError, load_prepared

    if not folder.is_dir():
        return ()
    try:
        return tuple(str(row.get("text", "")) for row in load_prepared(folder).rows["test"])
    except DataError:
        return ()
