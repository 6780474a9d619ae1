"""Searches a run's learning rate: the same number of trials for every method, judged on the validation part alone.

Each trial trains for the whole budget of the setting; the run itself then trains once more with the best.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from workbench import registry
from workbench.callbacks import Emit
from workbench.metric import metric
from workbench.result import Result
from workbench.spec import RunSpec
from workbench.train import TrainingFailed, train

FOLDER, FILE = "trials", "trials.json"
STEP = math.sqrt(10)  # half a power of ten between neighbours
HOPELESS = ("diverged", "no_progress")


@dataclass(frozen=True)
class Trial:
    """One learning rate that was tried. `score` is the metric that picks checkpoints, on the validation part; None
    where training diverged."""

    learning_rate: float
    score: float | None
    seconds: float | None = None


def next_rate(start: float, tried: Sequence[Trial], better: str) -> float:
    """The rate to try next: first the method's own, then the untried neighbour of the best one so far, the larger before
    the smaller; where both are known, the nearest untried below the lowest or above the highest of all."""
    if not tried:
        return start
    known = {_place(trial.learning_rate, start) for trial in tried}
    best = best_of(tried, better)
    if best is None:  # everything diverged: down
        return _rate(min(known) - 1, start)
    place = _place(best.learning_rate, start)
    for near in (place + 1, place - 1):
        if near not in known:
            return _rate(near, start)
    nearer_top = max(known) - place <= place - min(known)
    return _rate(max(known) + 1 if nearer_top else min(known) - 1, start)


def best_of(tried: Sequence[Trial], better: str) -> Trial | None:
    """The trial with the best score; of equal ones the first that was tried."""
    scored = [trial for trial in tried if trial.score is not None]
    if not scored:
        return None
    sign = 1 if better == "higher" else -1
    return max(scored, key=lambda trial: sign * float(trial.score or 0.0))


def train_searched(
    spec: RunSpec, prepared: Any, folder: Path, *, emit: Emit, should_stop: Callable[[], bool], **how: Any
) -> Result:
    """`train`, after a search where the setting asks for one. Trials that were completed before are not repeated."""
    wanted = spec.setting.search_trials
    if wanted is None:
        return train(spec, prepared, folder, emit=emit, should_stop=should_stop, **how)
    task = registry.task(spec.setting.task)
    judge = task.chosen_by(task.options.from_dict(spec.setting.task_options))
    better = metric(judge).better
    begun = time.monotonic()
    tried = _read(folder)
    earlier = sum(trial.seconds or 0.0 for trial in tried)
    while len(tried) < wanted:
        rate = next_rate(spec.choice.learning_rate, tried, better)
        told = _telling(emit, len(tried), wanted, rate)
        tried.append(
            _try(_at(spec, rate), prepared, folder / FOLDER / str(len(tried)), judge, told, should_stop, how)
        )
        _write(folder, tried)
        emit("sample", {"trial": len(tried), "trials": wanted, **asdict(tried[-1]), "metric": judge})
    best = best_of(tried, better)
    # Where all diverged, the run says so itself, at the lowest rate that was tried.
    rate = best.learning_rate if best else min(trial.learning_rate for trial in tried)
    searched = earlier + time.monotonic() - begun
    result = train(_at(spec, rate), prepared, folder, emit=emit, should_stop=should_stop, **how)
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    return replace(
        result,
        search_seconds=searched,
        trials=tuple(
            asdict(trial) | {"metric": judge, "chosen": trial.learning_rate == rate} for trial in tried
        ),
        notes=(*result.notes, _note(tried, rate, judge)),
    )


def _try(
    spec: RunSpec,
    prepared: Any,
    folder: Path,
    judge: str,
    emit: Emit,
    should_stop: Callable[[], bool],
    how: Mapping[str, Any],
) -> Trial:
    begun = time.monotonic()
    try:
        found = train(spec, prepared, folder, emit=emit, should_stop=should_stop, trial=True, **how)
        score = float(found.validation[judge])
    except TrainingFailed as failure:
        if failure.reason.code not in HOPELESS:
            raise
        score = None
    shutil.rmtree(folder, ignore_errors=True)
    return Trial(spec.choice.learning_rate, score, time.monotonic() - begun)


def _telling(emit: Emit, done: int, wanted: int, rate: float) -> Emit:
    """Of a trial only its warnings are told, and its progress as a share of the search: curves are the run's own."""

    def tell(kind: str, values: Mapping[str, Any]) -> None:
        if kind == "warning":
            emit(kind, values)
        elif kind == "step" and values.get("steps"):
            share = (done + values["step"] / values["steps"]) / wanted
            emit(
                "sample",
                {"trial": done + 1, "trials": wanted, "learning_rate": rate, "share": round(share, 4)},
            )

    return tell


def _at(spec: RunSpec, rate: float) -> RunSpec:
    return replace(spec, choice=replace(spec.choice, learning_rate=rate))


def _place(rate: float, start: float) -> int:
    return round(math.log(rate / start, STEP))


def _rate(place: int, start: float) -> float:
    """Three digits are enough to repeat a run from its record."""
    return min(100.0, float(f"{start * STEP**place:.3g}"))


def _note(tried: Sequence[Trial], rate: float, judge: str) -> str:
    places = sorted(trial.learning_rate for trial in tried)
    edge = " It is the end of the range that was tried." if rate in (places[0], places[-1]) else ""
    return (
        f"Learning rate {rate:.3g}: the best of {len(tried)} by {judge} on the validation part,"
        f" from {places[0]:.3g} to {places[-1]:.3g}.{edge}"
    )


def _read(folder: Path) -> list[Trial]:
    path = folder / FILE
    if not path.is_file():
        return []
    return [Trial(**values) for values in json.loads(path.read_text(encoding="utf-8"))]


def _write(folder: Path, tried: Sequence[Trial]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{FILE}"
    part.write_text(json.dumps([asdict(trial) for trial in tried]), encoding="utf-8")
    part.replace(folder / FILE)
