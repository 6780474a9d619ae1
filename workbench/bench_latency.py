"""Latency of methods against the base they sit on: all loaded at once, one forward of each in turn, nothing trained."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench import evaluate, measure, registry, saving
from workbench.build import Plan, apply_method, encode, load_base, plan_run
from workbench.lease import Lease
from workbench.measure import Ratio
from workbench.models import quiet
from workbench.spec import Choice, RunSpec, Setting

if TYPE_CHECKING:
    from workbench.data import Prepared

BASE, MERGED = "base", "merged"
# What the literature says of: adapters stay in the way, LoRA and (IA)3 fold in, a prefix makes the input longer.
SUBJECTS = ("adapter", "lora", "lora:merged", "ia3:merged", "prefix")


@dataclass(frozen=True)
class Timed:
    """`subject` is a method, or METHOD:merged. `repeats` are the ratios of independent repetitions."""

    subject: str
    milliseconds: float
    repeats: tuple[Ratio, ...]

    @property
    def overlap(self) -> bool | None:
        """Whether all repetitions' intervals have a point in common; None without intervals."""
        lows = [one.low for one in self.repeats if one.low is not None]
        highs = [one.high for one in self.repeats if one.high is not None]
        if len(self.repeats) < 2 or len(lows) < len(self.repeats) or len(highs) < len(self.repeats):
            return None
        return max(lows) <= min(highs)


def time_subjects(
    setting: Setting,
    prepared: Prepared,
    subjects: Sequence[str] = SUBJECTS,
    *,
    rounds: int = 60,
    repeats: int = 2,
    lease: Lease | None = None,
    clock: str = "wall",
) -> list[Timed]:
    """The base first, with a ratio of 1. ValueError for what can't be merged. Each repetition loads all models anew."""
    found: list[dict[str, list[float]]] = []
    for _ in range(repeats):
        with quiet():
            forwards = _forwards(setting, prepared, subjects)
        with lease.exclusive() if lease else contextlib.nullcontext():
            found.append(
                measure.in_turn(forwards, rounds=rounds, seconds=0.0, warm_up=5, now=measure.CLOCKS[clock])
            )
    return [
        Timed(
            name,
            measure.quantile([one for times in found for one in times[name]], 0.5),
            tuple(measure.ratio(times[name], times[BASE]) for times in found),
        )
        for name in (BASE, *subjects)
    ]


def _forwards(setting: Setting, prepared: Prepared, subjects: Sequence[str]) -> Mapping[str, Any]:
    forwards: dict[str, Any] = {}
    texts: Sequence[Any] = ()
    for subject in subjects:
        name, _, form = subject.partition(":")
        method = registry.method(name)
        if form not in ("", MERGED) or (form and not method.mergeable):
            raise ValueError(f"{subject!r} is a method, or METHOD:{MERGED} of one whose weights fold in")
        options = method.options.from_dict({}).to_dict()
        plan = plan_run(RunSpec(setting, Choice(name, options, method.learning_rate)), prepared)
        base = load_base(plan)
        if BASE not in forwards:
            rows = encode(plan, base).rows["test"]
            texts = plan.task.probes(rows, evaluate.pad_id(base))
            forwards[BASE] = _timed(plan, base, texts)
            base = load_base(plan)
        model = apply_method(plan, base).model.eval()
        forwards[subject] = _timed(plan, saving.merge(model) if form else model, texts)
    return forwards


def _timed(plan: Plan, model: Any, texts: Sequence[Any]) -> Any:
    return plan.task.timed(replace(plan.live(model.eval()), tick=None), texts)
