"""Holds predictions against this machine: each method trains a few steps, and peak memory and time are measured beside."""

from __future__ import annotations

import contextlib
import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

from workbench import calibration, evaluate, measure, peak, registry, staged
from workbench.build import Built, Plan, apply_method, encode, load_base, plan_run
from workbench.calibration import Past, Prices
from workbench.callbacks import Job, RunTrainer
from workbench.measure import quantile
from workbench.method import Unsuitable
from workbench.models import load_config, model_from_config, quiet, resolve
from workbench.prediction import Prediction, predict_plan
from workbench.progress import Progress
from workbench.spec import Budget, Choice, RunSpec, Setting

if TYPE_CHECKING:
    from workbench.data import Prepared

MOST_MEMORY_MEDIAN, MOST_MEMORY, MOST_TIME_MEDIAN = 0.03, 0.10, 0.25
# Steps whose time is not taken: threads, caches and the optimiser's states come into being.
WARM_UP = 2


@dataclass(frozen=True)
class Tried:
    """One method's figures as predicted and as measured. `reason` says why one is missing."""

    method: str
    predicted_bytes: int | None = None
    measured_bytes: int | None = None
    predicted: Prediction | None = None
    step_seconds: float | None = None
    reason: str = ""

    @property
    def memory_error(self) -> float | None:
        if self.predicted_bytes is None or not self.measured_bytes:
            return None
        return self.predicted_bytes / self.measured_bytes - 1

    def time_error(self, prices: Prices) -> float | None:
        if self.step_seconds is None or self.predicted is None or self.predicted.steps is None:
            return None
        return prices.seconds(self.predicted.usual) / self.step_seconds - 1


def try_methods(
    setting: Setting,
    prepared: Prepared,
    methods: Sequence[str],
    *,
    steps: int = 12,
    clock: str = "wall",
    device: str | None = None,
    architecture: str | None = None,
) -> Iterator[Tried]:
    """Each method in this setting, one after the other, in this process; with 0 steps memory alone. `clock` is one of
    measure.CLOCKS. With `architecture` a model of that kind with random weights takes the place of the setting's, whose
    tokens it reads: its size is what counts."""
    source = resolve(architecture, counting=True) if architecture else None
    setting = replace(setting, budget=Budget("steps", steps + WARM_UP))
    for name in methods:
        method = registry.method(name)
        options = method.options.from_dict({}).to_dict()
        spec = RunSpec(setting, Choice(name, options, method.learning_rate))
        try:
            with quiet(), tempfile.TemporaryDirectory() as folder:
                plan = plan_run(spec, prepared, device=device)
                plan = replace(plan, source=source) if source else plan
                yield _try(plan, Path(folder), measure.CLOCKS[clock])
        except Unsuitable as reason:
            yield Tried(name, reason=f"can't serve: {reason}")


def _try(plan: Plan, folder: Path, now: Callable[[], float]) -> Tried:
    name = plan.method.name
    if plan.method.make_rows is not None:
        return Tried(name, reason="trains on rows that it samples first: not tried here")
    said = predict_plan(plan)
    staged_ones = plan.method.stages is not None
    pace = _pace(plan, folder, now) if (plan.context.steps or 0) > WARM_UP and not staged_ones else None
    gc.collect()
    with _job(plan, folder) as (job, built), _allocated(plan.device) as most:
        if staged_ones:
            sizes, _ = staged.peaks(staged.untrained(job, built), lambda: apply_method(plan, _base(plan)))
            measured = max((size for size in sizes if size), default=None)
        else:
            progress = Progress(step=plan.context.steps or 1)
            measured, _ = peak.peak_bytes(job, progress, built.model, _unwatched)
    return Tried(name, said.peak_memory_bytes, most() or measured, said, pace, said.reason)


@contextlib.contextmanager
def _allocated(device: str) -> Iterator[Callable[[], int]]:
    """On CUDA the most that its allocator gave out within the block; 0 elsewhere."""
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    yield lambda: torch.cuda.max_memory_allocated() if on_gpu else 0


def _pace(plan: Plan, folder: Path, now: Callable[[], float]) -> float:
    """Seconds of a step, on average."""
    begun: list[float] = []
    with _job(plan, folder) as (job, built):
        trainer = RunTrainer(job, built.model, Progress(plan.context.steps), watched=False)
        trainer.add_callback(_Begins(begun, now))
        trainer.train()
        begun.append(now())
        trainer.release()
    return (begun[-1] - begun[WARM_UP]) / (len(begun) - 1 - WARM_UP)


@contextlib.contextmanager
def _job(plan: Plan, folder: Path) -> Iterator[tuple[Job, Built]]:
    """A fresh model with its method, its rows, and the kernel that a run of it would use."""
    built = apply_method(plan, _base(plan))
    encoded = encode(plan, built.model)
    with evaluate.attention(plan.device, plan.precision, encoded.longest):
        yield Job(plan, encoded.rows["train"], encoded.rows["validation"], folder), built


def _base(plan: Plan) -> Any:
    """The base's weights; random ones where there is an architecture alone."""
    if plan.source.kind != "architecture":
        return load_base(plan)
    model = model_from_config(
        load_config(plan.source), plan.task, plan.labels, title=plan.source.title, device=plan.device
    )
    model.config.use_cache = False
    if plan.method.prepare_model is not None:
        model = plan.method.prepare_model(model, plan.options, plan.context)
    return model.to(plan.device)


def _unwatched(job: Job, model: Any, progress: Progress) -> RunTrainer:
    return RunTrainer(job, model, progress, watched=False)


class _Begins(TrainerCallback):  # type: ignore[misc]
    """Notes when each step begins."""

    def __init__(self, begun: list[float], now: Callable[[], float]) -> None:
        self.begun, self.now = begun, now

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.begun.append(self.now())


@dataclass(frozen=True)
class Judged:
    """Errors over all that were tried. Time is told twice: by the machine's own measurement, and with what the other
    methods' steps taught (the method itself left out)."""

    tried: tuple[Tried, ...]
    time_before: dict[str, float]
    time_after: dict[str, float]

    @property
    def memory(self) -> list[float]:
        return [abs(one.memory_error) for one in self.tried if one.memory_error is not None]

    @property
    def holds(self) -> bool:
        if not self.memory:
            return False
        in_time = not self.time_after or median(self.time_after.values()) <= MOST_TIME_MEDIAN
        return median(self.memory) <= MOST_MEMORY_MEDIAN and max(self.memory) <= MOST_MEMORY and in_time

    @property
    def sentence(self) -> str:
        if not self.memory:
            return "nothing could be held against a measurement"
        found = (
            f"{'holds' if self.holds else 'MISSED'}: peak memory of {len(self.memory)} methods: median error"
            f" {median(self.memory):.1%}, 90th percentile {quantile(self.memory, 0.9):.1%}, worst {max(self.memory):.1%}"
            f" (at most {MOST_MEMORY_MEDIAN:.0%} and {MOST_MEMORY:.0%})"
        )
        if not self.time_after:
            return f"{found}; time was not taken"
        after, before = median(self.time_after.values()), median(self.time_before.values())
        return (
            f"{found}; time of a step: median error {after:.0%} once the other methods' steps are known (at most"
            f" {MOST_TIME_MEDIAN:.0%}), {before:.0%} before"
        )


def judge(tried: Sequence[Tried], start: Prices) -> Judged:
    """`start` is the machine's own measurement."""
    known = {
        one.method: Past(one.predicted.usual, one.step_seconds)
        for one in tried
        if one.predicted is not None and one.predicted.steps is not None and one.step_seconds
    }
    before, after = {}, {}
    for one in tried:
        if one.method not in known:
            continue
        learnt = calibration.learnt(start, [past for name, past in known.items() if name != one.method])
        before[one.method] = abs(one.time_error(start) or 0.0)
        after[one.method] = abs(one.time_error(learnt) or 0.0)
    return Judged(tuple(tried), before, after)
