"""Stage: one of several things that a method trains one after the other, and the record of those that are complete."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.progress import Progress

if TYPE_CHECKING:
    from workbench.build import Plan
    from workbench.callbacks import Job, Watched

FILE = "stages.json"


@dataclass(frozen=True)
class Stage:
    """`share` is its part of the run's budget, in any unit: the shares of all stages are made to add up to one.

    `trainer(job, model, progress, given, watched)` makes the trainer; without it the task's own loss is learnt. `given`
    has the models that earlier stages trained beside the run's own, by stage. `model(plan, model)` builds such a model,
    which this stage then trains in place of the run's own. `learning_rate` and `chosen_by`, the metric that picks the
    checkpoint, are the run's where they are not given. A `scored` stage answers the test part too, so that the end of the
    run can be compared with it.
    """

    name: str
    title: str
    sentence: str
    share: float
    learning_rate: float | None = None
    chosen_by: str = ""
    scored: bool = False
    trainer: Callable[[Job, Any, Progress, Mapping[str, Any], bool], Watched] | None = None
    model: Callable[[Plan, Any], Any] | None = None


@dataclass(frozen=True)
class Complete:
    """What is known of a stage that is done: its place in the run is that in the record."""

    name: str
    progress: Progress
    metrics: Mapping[str, float] = field(default_factory=dict)


def check(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """ValueError where names are not unique or a share is not above 0."""
    names = [stage.name for stage in stages]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"a method has at least one stage, each with a name of its own, not {names}")
    for stage in stages:
        if not stage.share > 0:
            raise ValueError(f"stage {stage.name}: its share of the budget is above 0, not {stage.share!r}")
    return tuple(stages)


def steps(stages: Sequence[Stage], total: int) -> list[int]:
    """Of `total` steps each stage's part: whole steps, at least one each."""
    whole = sum(stage.share for stage in stages)
    if total < len(stages):
        raise ValueError(
            f"a budget of {total} steps can't be divided among {len(stages)} stages: give at least one step each"
        )
    ends: list[int] = []
    before = 0.0
    for number, stage in enumerate(stages):
        before += stage.share
        least = (ends[-1] if ends else 0) + 1
        most = total - (len(stages) - 1 - number)
        ends.append(min(most, max(least, round(total * before / whole))))
    return [end - begin for begin, end in zip([0, *ends], ends)]


def fractions(stages: Sequence[Stage]) -> list[float]:
    """Each stage's part of the whole."""
    whole = sum(stage.share for stage in stages)
    return [stage.share / whole for stage in stages]


def read(folder: Path) -> list[Complete]:
    """The stages that are done, in order; none where the record is missing or torn."""
    try:
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))["complete"]
        return [Complete(one["name"], Progress(**one["progress"]), one["metrics"]) for one in values]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def write(folder: Path, complete: Sequence[Complete]) -> None:
    """All at once or not at all."""
    part = folder / f".{FILE}"
    values = {"complete": [asdict(one) for one in complete]}
    with part.open("w", encoding="utf-8") as file:
        json.dump(values, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / FILE)
