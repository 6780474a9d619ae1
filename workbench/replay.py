"""Recorded runs that play back: made from a store's runs by `workbench replay record`, shipped under assets/replays.

A recording is never a run: it is in no store and no comparison, and says where and when it was made.
"""

from __future__ import annotations

import datetime
import functools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from workbench.curves import MOST_POINTS, family_of, read_points, thin
from workbench.home import shipped
from workbench.marks import judged_by
from workbench.result import Run
from workbench.store import Store

FORMAT = 1
SPEEDS = (1, 5, 20, 100)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class RecordedRun:
    """One run. `loss` and `score` are (seconds of training, value); `score` is the validation score on the way, `final`
    the test score."""

    label: str
    method: str
    family: str
    seed: int
    steps: int
    seconds: float
    loss: Points
    score: Points
    final: float | None


@dataclass(frozen=True)
class Recording:
    """Runs of one setting. `metric` names the test score, `on_the_way` the validation score."""

    name: str
    title: str
    preset: str
    recorded_at: str
    machine: str
    versions: Mapping[str, str]
    data: str
    model: str
    metric: str
    on_the_way: str
    runs: tuple[RecordedRun, ...]
    format: int = FORMAT

    @property
    def seconds(self) -> float:
        return max((run.seconds for run in self.runs), default=0.0)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, text: str, name: str) -> Self:
        """A recording from its file. ValueError where it is none, or of a newer format."""
        try:
            values = json.loads(text)
            if values["format"] > FORMAT:
                raise ValueError(f"{name} is a recording of a newer workbench: update this one")
            known = {field.name for field in fields(cls)}
            runs = tuple(_run_from(one) for one in values["runs"])
            return cls(**{k: v for k, v in values.items() if k in known and k != "runs"}, runs=runs)
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{name} is no recording of the workbench: {error}") from None


def record(store: Store, runs: Sequence[Run], name: str, *, preset: str = "", title: str = "") -> Recording:
    """A recording of finished runs of one setting. ValueError for anything else."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"a recording's name is lower-case letters, digits and hyphens, not {name!r:.60}")
    if not runs:
        raise ValueError("a recording needs at least one run")
    if bad := [run for run in runs if run.state != "finished" or run.result is None]:
        raise ValueError(f"run {bad[0].id} is {bad[0].state}: only finished runs can be recorded")
    setting = runs[0].spec.setting
    if any(run.spec.setting.id != setting.id for run in runs):
        raise ValueError("a recording holds runs of one setting: these belong to several")
    score = judged_by(setting)
    ended = max(run.ended_at or run.created_at for run in runs)
    return Recording(
        name=name,
        title=title or name,
        preset=preset,
        recorded_at=datetime.datetime.fromtimestamp(ended, datetime.UTC).date().isoformat(),
        machine=machine_words(runs[0]),
        versions=versions(runs[0]),
        data=setting.data.source,
        model=setting.model,
        metric=score,
        on_the_way=_on_the_way(setting.task, setting.task_options),
        runs=tuple(_recorded(store, run, score) for run in runs),
    )


def machine_words(run: Run) -> str:
    """The kind of machine, without anything that names it: `AMD EPYC, 1 thread`."""
    environment = run.result.environment if run.result else {}
    device = str(environment.get("device") or run.device or "CPU")
    threads = environment.get("threads") or run.threads
    is_cpu = environment.get("device_kind", "cpu") == "cpu"
    return f"{device}, {threads} thread{'' if threads == 1 else 's'}" if is_cpu and threads else device


def versions(run: Run) -> dict[str, str]:
    """Library versions as the run noted them."""
    libraries = run.result.environment.get("libraries", {}) if run.result else {}
    return {
        name: str(libraries[name]) for name in ("torch", "transformers", "peft", "trl") if name in libraries
    }


@functools.cache
def recordings() -> tuple[Recording, ...]:
    """Those that come with the workbench."""
    return tuple(load(path) for path in sorted((shipped("assets") / "replays").glob("*.json")))


def load(path: Path) -> Recording:
    return Recording.from_json(path.read_text(encoding="utf-8"), path.name)


def of_preset(preset: str) -> Recording | None:
    """The shipped recording of a preset's runs."""
    return next((one for one in recordings() if one.preset == preset), None)


def named(name: str) -> Recording:
    """A shipped recording. ValueError names those that there are."""
    found = next((one for one in recordings() if one.name == name), None)
    if found is None:
        known = ", ".join(one.name for one in recordings()) or "none"
        raise ValueError(f"there is no recording {name!r:.60}; known: {known}")
    return found


def at(points: Points, seconds: float) -> float | None:
    """The last value that was known then; None before the first."""
    return next((value for when, value in reversed(points) if when <= seconds), None)


def _recorded(store: Store, run: Run, score: str) -> RecordedRun:
    setting = run.spec.setting
    losses = read_points(store.events(run.id, kinds=("step",)), "loss", "time")
    name = _on_the_way(setting.task, setting.task_options)
    scores = read_points(store.events(run.id, kinds=("evaluated",)), name, "time")
    assert run.result is not None
    return RecordedRun(
        label=run.label,
        method=run.spec.choice.method,
        family=family_of(run.spec.choice.method),
        seed=run.spec.seed,
        steps=run.steps or run.step,
        seconds=round(max([run.seconds or 0.0, *(when for when, _ in losses)]), 3),
        loss=_rounded(thin(losses, MOST_POINTS)),
        score=_rounded(scores),
        final=run.result.metrics.get(score),
    )


def _on_the_way(task: str, options: Mapping[str, Any]) -> str:
    from workbench import registry

    known = registry.task(task)
    return known.chosen_by(known.options.from_dict(options))


def _rounded(points: Sequence[tuple[float, float]]) -> Points:
    return tuple((round(when, 3), round(value, 5)) for when, value in points if math.isfinite(value))


def _run_from(values: Mapping[str, Any]) -> RecordedRun:
    known = {field.name for field in fields(RecordedRun)}
    kept = {k: v for k, v in values.items() if k in known}
    for name in ("loss", "score"):
        kept[name] = tuple((float(when), float(value)) for when, value in kept[name])
    return RecordedRun(**kept)
