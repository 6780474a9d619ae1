"""What a run will need, said before it: weights, memory, file size, work and time. Answers are remembered."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from workbench import evaluate, stages
from workbench.batches import LengthBatches
from workbench.ledger import Counted
from workbench.method import Unsuitable
from workbench.prediction_cost import StepCost, staged_cost, step_cost
from workbench.prediction_stages import StageStep, kind_of, read_by, stage_step
from workbench.training_step import Step

if TYPE_CHECKING:
    from workbench.build import Plan
    from workbench.data import Prepared
    from workbench.lease import Lease
    from workbench.spec import RunSpec
    from workbench.stages import Stage
    from workbench.store import Store

STEPS_LOOKED_AT = 200
LENGTH_GRANULE = 8
ROWS_OF_ITS_OWN = (
    "{} samples its rows first: its memory is told as if they were as long as the given ones, its time is not"
)


@dataclass(frozen=True)
class Prediction:
    """What was said of a run before it began. `cost` is a step of its longest batch, `usual` one of its average batch,
    of which it makes `steps`. `reason` says what could not be told."""

    cost: StepCost | None
    usual: Counted = field(default_factory=Counted)
    steps: int | None = None
    seconds: float | None = None
    basis: str = ""
    reason: str = ""

    @property
    def peak_memory_bytes(self) -> int | None:
        return self.cost.memory.peak if self.cost and self.cost.memory else None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of Result that keep it beside what was measured."""
        return {
            "predicted_trainable_parameters": self.cost.counts.trainable if self.cost else None,
            "predicted_peak_memory_bytes": self.peak_memory_bytes,
            "predicted_seconds": self.seconds,
            "predicted_reason": self.reason or None,
            "prediction_basis": self.basis or None,
        }


def predict(
    spec: RunSpec,
    prepared: Prepared,
    *,
    device: str | None = None,
    threads: int | None = None,
    store: Store | None = None,
    cache: Path | None = None,
) -> Prediction:
    """A run's figures from its rows' lengths and its model's shapes. Never raises for what can't be told."""
    from workbench.build import plan_run

    try:
        plan = plan_run(spec, prepared, device=device, store=store)
    except Exception as error:  # a prediction must never cost a run
        return Prediction(None, reason=f"{type(error).__name__}: {error}"[:500])
    return predict_plan(plan, threads=threads, cache=cache)


def predict_plan(plan: Plan, *, threads: int | None = None, cache: Path | None = None) -> Prediction:
    """The same of a run whose parts are looked up."""
    try:
        known: dict[str, Any] = {
            "task": plan.setting.task,
            "labels": max(2, len(plan.labels)),
            "store": plan.store,
            "cache": cache,
        }
        longest, usual = steps_of(plan)
        if plan.method.stages is not None:
            return _predict_stages(plan, longest, usual, known, threads)
        cost = step_cost(plan.source, plan.method, plan.options, longest, **known)
        if plan.method.make_rows is not None:
            return Prediction(cost, reason=cost.reason or ROWS_OF_ITS_OWN.format(plan.method.title))
        if cost.memory is None:
            return Prediction(cost, reason=cost.reason)
        work = step_cost(plan.source, plan.method, plan.options, usual, **known).counted
        return _timed(plan, cost, work, threads, cache)
    except Exception as error:  # a prediction must never cost a run
        return Prediction(None, reason=f"{type(error).__name__}: {error}"[:500])


def _timed(plan: Plan, cost: StepCost, work: Counted, threads: int | None, cache: Path | None) -> Prediction:
    """With the seconds that steps of such work take."""
    from workbench import calibration

    steps, budget = plan.context.steps, plan.setting.budget
    if steps is None:
        return Prediction(cost, work, None, budget.amount, "the budget")
    prices = calibration.prices(plan.device, plan.precision, threads, store=plan.store, cache=cache)
    work = work.times(plan.setting.gradient_accumulation)
    return Prediction(cost, work, steps, steps * prices.seconds(work), prices.basis)


def _predict_stages(
    plan: Plan, longest: Step, usual: Step, known: dict[str, Any], threads: int | None
) -> Prediction:
    """The highest stage's memory, and the work of all."""
    assert plan.method.stages is not None
    order = plan.method.stages(plan.options, plan.context)
    rows = _encoded(plan, "train")[0]
    answer: int = getattr(plan.task_options, "max_new_tokens", 0)
    paired = any(row.get("rejected") for row in rows)
    total = plan.context.steps
    counts = stages.steps(order, total) if total else [STEPS_LOOKED_AT] * len(order)
    longest_rows = {stage.name: _batches(plan, rows, count).longest() for stage, count in zip(order, counts)}

    def highest(stage: Stage) -> StageStep:
        kind, some = kind_of(stage), longest_rows[stage.name]
        length = max(read_by(kind, rows[i], answer) for i in some)
        step = replace(longest, batch_size=len(some), length=length)
        return stage_step(kind, step, answer, paired=paired)

    def average(stage: Stage) -> StageStep:
        kind = kind_of(stage)
        length = round(sum(read_by(kind, row, answer) for row in rows) / len(rows))
        return stage_step(kind, replace(usual, length=max(2, length)), answer, paired=paired)

    ask = (plan.source, plan.method, plan.options, order)
    cost = staged_cost(*ask, highest, **known)
    if cost.memory is None:
        return Prediction(cost, reason=cost.reason)
    work = staged_cost(*ask, average, **known).counted
    return _timed(plan, cost, work, threads, known["cache"])


def predict_run(
    spec: RunSpec, prepared: Prepared, folder: Path, *, lease: Lease | None = None, store: Store | None = None
) -> dict[str, Any]:
    """`predict` as the worker asks it, before training: kept beside the run, and as fields of its Result."""
    from workbench import calibration

    device, threads = evaluate.pick_device(), torch.get_num_threads()
    with lease.shared() if lease else contextlib.nullcontext():
        found = predict(spec, prepared, device=device, threads=threads, store=store)
    with contextlib.suppress(OSError):
        calibration.keep(folder, asdict(found) | {"device": device, "threads": threads})
    return found.fields


def steps_of(plan: Plan) -> tuple[Step, Step]:
    """The run's step with the longest batch, and one of its average."""
    setting = plan.setting
    rows, length = _encoded(plan, "train")
    lengths = [len(row["input_ids"]) for row in rows]
    batches = _batches(plan, rows, plan.context.steps or STEPS_LOOKED_AT)
    longest = [rows[i] for i in batches.longest()]
    first = [batch for batch, _ in zip(batches, range(STEPS_LOOKED_AT))]
    cells = sum(len(batch) * max(lengths[i] for i in batch) for batch in first) / len(first)
    size = max(len(batch) for batch in first)
    usual = max(1, round(cells / size / LENGTH_GRANULE) * LENGTH_GRANULE)
    widest = max(lengths)
    if length > evaluate.PLAIN_ATTENTION_LENGTH >= widest:
        others = (_encoded(plan, part)[0] for part in ("validation", "test"))
        widest = max(widest, *(len(row["input_ids"]) for part in others for row in part))
    step = Step(
        batch_size=len(longest),
        length=max(len(row["input_ids"]) for row in longest),
        padded=len({len(row["input_ids"]) for row in longest}) > 1,
        precision=plan.precision,
        optimizer=setting.optimizer,
        device=plan.device.split(":")[0],
        pieces=min(2, setting.gradient_accumulation),
        learnt=_learnt(longest),
        longest=min(length, widest),
    )
    return step, replace(step, batch_size=size, length=usual, padded=True, pieces=1)


def _batches(plan: Plan, rows: Sequence[Mapping[str, Any]], steps: int) -> LengthBatches:
    setting, lengths = plan.setting, [len(row["input_ids"]) for row in rows]
    return LengthBatches(lengths, setting.batch_size, plan.spec.seed, steps * setting.gradient_accumulation)


def _encoded(plan: Plan, part: str) -> tuple[Sequence[Mapping[str, Any]], int]:
    """The rows as `build.encode` makes them of a model that the method is not yet on: virtual tokens leave less room."""
    from types import SimpleNamespace

    from workbench.models import load_config

    config = load_config(plan.source, store=plan.store)
    room = evaluate.longest_input(SimpleNamespace(config=config), plan.tokenizer)
    length = min(plan.setting.max_length, room or plan.setting.max_length)
    rows = plan.task.encode(
        plan.tokenizer, plan.prepared.rows[part], plan.labels, length, plan.task_options, room
    )
    return (plan.task.pack(rows, length) if part == "train" else rows), length


def _learnt(rows: Sequence[Mapping[str, Any]]) -> float:
    """The share of a batch's places, but for each row's first, whose token is learnt."""
    if not isinstance(rows[0]["labels"], list):
        return 1.0
    places = len(rows) * max(1, max(len(row["labels"]) for row in rows) - 1)
    return sum(label != -100 for row in rows for label in row["labels"][1:]) / places


__all__ = [
    "Prediction",
    "StepCost",
    "Unsuitable",
    "predict",
    "predict_plan",
    "staged_cost",
    "step_cost",
    "steps_of",
]
