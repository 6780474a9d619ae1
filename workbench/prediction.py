"""What a run will need, said before it: weights, memory, file size, work and time. Answers are remembered."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from workbench import evaluate, registry
from workbench.batches import LengthBatches
from workbench.estimate import without_weights
from workbench.home import default_store
from workbench.ledger import Counted
from workbench.memory_trace import Memory, follow, unfollowed
from workbench.method import Context, Method, Unsuitable
from workbench.models import ModelSource, load_config, model_from_config, quiet
from workbench.options import Options
from workbench.parameters import Counts, count_parameters, total_parameters
from workbench.training_step import Step, following

if TYPE_CHECKING:
    from workbench.build import Plan
    from workbench.data import Prepared
    from workbench.lease import Lease
    from workbench.spec import RunSpec
    from workbench.store import Store

STEPS_LOOKED_AT = 200
LENGTH_GRANULE = 8


@dataclass(frozen=True)
class StepCost:
    """One training step of a method on a model. `reason` says why there is no memory and no work."""

    counts: Counts
    memory: Memory | None = None
    counted: Counted = field(default_factory=Counted)
    adapter_bytes: int | None = None
    reason: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StepCost:
        memory = values["memory"]
        return cls(
            Counts(**values["counts"]),
            Memory(**memory) if memory else None,
            Counted(**values["counted"]),
            values["adapter_bytes"],
            values["reason"],
        )


def step_cost(
    source: ModelSource,
    method: Method,
    options: Options,
    step: Step,
    *,
    task: str = "classification",
    labels: int = 2,
    store: Store | None = None,
    cache: Path | None = None,
) -> StepCost:
    """Unsuitable where the method can't serve. Remembered by everything that it depends on."""
    config = load_config(source, store=store)
    folder = cache or default_store() / "cache"
    path = folder / f"step-{_key(config, method, options, step, task, labels)}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return StepCost.from_dict(json.loads(path.read_text(encoding="utf-8")))
    found = _step_cost(config, method, options, step, task, labels)
    with contextlib.suppress(OSError):  # a cache that can't be written costs time, not the answer
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(asdict(found)), encoding="utf-8")
        partial.replace(path)
    return found


def _step_cost(config: Any, method: Method, options: Options, step: Step, task: str, labels: int) -> StepCost:
    base = 0
    known = registry.task(task)
    # The seed is the caller's: nothing is drawn here that a run would miss.
    with torch.random.fork_rng(devices=[]):

        def build(device: str) -> Any:
            nonlocal base
            names = [str(i) for i in range(labels)]
            model = model_from_config(copy.deepcopy(config), task, names, device=device)
            model.config.use_cache = False
            base = total_parameters(model)
            return _stored(model, step.weights)

        context = Context(task=task, labels=labels, steps=100)
        model = without_weights(method, options, build, context)
        counts = count_parameters(model, base=base)
        size = _adapter_bytes(model)
        if step.gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
        try:
            with quiet():
                traced = follow(model, following(step, method, options, known))
        except Exception as error:  # whatever a method or a library can't do without values
            return StepCost(counts, adapter_bytes=size, reason=unfollowed(method, error))
    return StepCost(counts, traced.memory, traced.counted, size)


def _stored(model: Any, weights: str) -> Any:
    """The base in the width in which it is kept."""
    if weights == "bfloat16":
        for parameter in model.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
    elif weights == "4bit":
        from workbench.methods._bitsandbytes import store_in_bits

        return store_in_bits(model, "nf4", double=True, on_meta=True)
    return model


def _adapter_bytes(model: Any) -> int | None:
    """What the trained tensors take in a file."""
    if not hasattr(model, "peft_config"):
        trained = [p for p in model.parameters() if p.requires_grad]
        return sum(p.numel() * p.element_size() for p in trained)
    from peft import get_peft_model_state_dict

    try:
        state = get_peft_model_state_dict(model, save_embedding_layers=False)
    except Exception:  # some tuners look at values to say what they keep
        return None
    return sum(t.numel() * t.element_size() for t in state.values() if isinstance(t, torch.Tensor))


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
    from workbench import calibration
    from workbench.build import plan_run

    try:
        plan = plan_run(spec, prepared, device=device, store=store)
        if plan.method.make_rows is not None:
            return Prediction(None, reason=f"{plan.method.title} trains on rows that it makes first")
        longest, usual = steps_of(plan)
        known: dict[str, Any] = {
            "task": spec.setting.task,
            "labels": max(2, len(plan.labels)),
            "store": store,
            "cache": cache,
        }
        cost = step_cost(plan.source, plan.method, plan.options, longest, **known)
        if plan.method.stages is not None:
            # Its stages read pairs, keep models beside the one that is trained, or write answers: other steps than this.
            told = f"{plan.method.title} trains in stages: only its weights are told before"
            return Prediction(replace(cost, memory=None, reason=told), reason=told)
        if cost.memory is None:
            return Prediction(cost, reason=cost.reason)
        work = step_cost(plan.source, plan.method, plan.options, usual, **known).counted
        steps, budget = plan.context.steps, plan.setting.budget
        if steps is None:
            return Prediction(cost, work, None, budget.amount, "the budget")
        prices = calibration.prices(plan.device, plan.precision, threads, store=store, cache=cache)
        work = work.times(spec.setting.gradient_accumulation)
        return Prediction(cost, work, steps, steps * prices.seconds(work), prices.basis)
    except Exception as error:  # a prediction must never cost a run
        return Prediction(None, reason=f"{type(error).__name__}: {error}"[:500])


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
    steps = plan.context.steps or STEPS_LOOKED_AT
    batches = LengthBatches(
        lengths, setting.batch_size, plan.spec.seed, steps * setting.gradient_accumulation
    )
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


def _key(config: Any, method: Method, options: Options, step: Step, task: str, labels: int) -> str:
    """Changes with the architecture, the libraries, and the files that an answer stands on."""
    versions = [importlib.metadata.version(name) for name in ("torch", "transformers", "peft")]
    what = [method.name, options.to_dict(), step.to_dict(), task, labels, versions]
    digest = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode())
    digest.update(json.dumps(config.to_dict(), sort_keys=True, default=str).encode())
    here = Path(__file__).parent
    names = (
        "architecture",
        "estimate",
        "fake_tensors",
        "ledger",
        "memory_trace",
        "models",
        "optimizers",
        "prediction",
    )
    extra = os.environ.get("WORKBENCH_METHODS_PATH", "").split(os.pathsep)
    files = [here / f"{name}.py" for name in (*names, "training_step", "generating")]
    for folder in (here / "methods", here / "tasks", *map(Path, filter(None, extra))):
        files += sorted(folder.glob("*.py"))
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:20]


__all__ = ["Prediction", "StepCost", "Unsuitable", "predict", "step_cost", "steps_of"]
