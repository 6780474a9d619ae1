"""What one training step of a method costs, or one of each of its stages: followed without weights, and remembered."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from workbench import registry
from workbench.estimate import without_weights
from workbench.home import default_store
from workbench.ledger import Counted
from workbench.memory_trace import Memory, follow, unfollowed
from workbench.method import Context, Method
from workbench.models import ModelSource, load_config, model_from_config, quiet
from workbench.options import Options
from workbench.parameters import Counts, count_parameters, total_parameters
from workbench.prediction_stages import (
    StageStep,
    following_stage,
    trained_in,
)
from workbench.stages import fractions
from workbench.training_step import Step, following

if TYPE_CHECKING:
    from workbench.stages import Stage
    from workbench.store import Store


@dataclass(frozen=True)
class StepCost:
    """One training step of a method on a model. `reason` says why there is no memory and no work; `stage` is the title of
    the highest stage, where there are several, and the work is then their average."""

    counts: Counts
    memory: Memory | None = None
    counted: Counted = field(default_factory=Counted)
    adapter_bytes: int | None = None
    reason: str = ""
    stage: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StepCost:
        memory = values["memory"]
        return cls(
            Counts(**values["counts"]),
            Memory(**memory) if memory else None,
            Counted(**values["counted"]),
            values["adapter_bytes"],
            values["reason"],
            values["stage"],
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
    stage: StageStep | None = None,
) -> StepCost:
    """Unsuitable where the method can't serve. Remembered by everything that it depends on. With `stage` that stage's step;
    of a method that trains in stages and none is named, weights alone."""
    config = load_config(source, store=store)
    folder = cache or default_store() / "cache"
    path = folder / f"step-{_key(config, method, options, step, task, labels, stage)}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return StepCost.from_dict(json.loads(path.read_text(encoding="utf-8")))
    found = _step_cost(config, method, options, step, task, labels, stage)
    with contextlib.suppress(OSError):  # a cache that can't be written costs time, not the answer
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(asdict(found)), encoding="utf-8")
        partial.replace(path)
    return found


def _step_cost(
    config: Any,
    method: Method,
    options: Options,
    step: Step,
    task: str,
    labels: int,
    stage: StageStep | None,
) -> StepCost:
    base = 0
    put_on, own_options, on_task, own_labels = method, options, task, labels
    if stage is not None:
        put_on, own_options, on_task, count = trained_in(stage.kind, method, options, task)
        own_labels = labels if count is None else count
    # The seed is the caller's: nothing is drawn here that a run would miss.
    with torch.random.fork_rng(devices=[]):

        def build(device: str) -> Any:
            nonlocal base
            names = [str(i) for i in range(own_labels)]
            model = model_from_config(copy.deepcopy(config), on_task, names, device=device)
            model.config.use_cache = False
            base = total_parameters(model)
            return _stored(model, step.weights)

        context = Context(task=on_task, labels=own_labels, steps=100)
        model = without_weights(put_on, own_options, build, context)
        counts = count_parameters(model, base=base)
        size = _adapter_bytes(model)
        if method.stages is not None and stage is None:
            return StepCost(counts, adapter_bytes=size, reason=f"{method.title} trains in stages")
        if step.gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
        plan = (
            following_stage(stage, method, options, task)
            if stage is not None
            else following(step, method, options, registry.task(task))
        )
        try:
            with quiet():
                traced = follow(model, plan)
        except Exception as error:  # whatever a method or a library can't do without values
            return StepCost(counts, adapter_bytes=size, reason=unfollowed(method, error))
    return StepCost(counts, traced.memory, traced.counted, size)


def staged_cost(
    source: ModelSource,
    method: Method,
    options: Options,
    order: Sequence[Stage],
    step_of: Callable[[Stage], StageStep],
    **known: Any,
) -> StepCost:
    """Of all stages: the memory of the highest, and the work of a step on average. `step_of` gives each stage's step,
    `known` is what step_cost takes."""
    plain = step_cost(source, method, options, step_of(order[0]).step, **known)
    costs = []
    for stage in order:
        wanted = step_of(stage)
        cost = step_cost(source, method, options, wanted.step, stage=wanted, **known)
        if cost.memory is None:
            return replace(plain, reason=f"stage {stage.title}: {cost.reason}")
        costs.append((stage, cost.memory, cost.counted))
    highest, memory, _ = max(costs, key=lambda one: one[1].peak)
    work = Counted()
    for part, (_, _, counted) in zip(fractions(order), costs):
        work = work.plus(counted.times(part))
    return replace(plain, memory=memory, counted=work, reason="", stage=highest.title)


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


def _key(
    config: Any,
    method: Method,
    options: Options,
    step: Step,
    task: str,
    labels: int,
    stage: StageStep | None,
) -> str:
    """Changes with the architecture, the libraries, and the files that an answer stands on."""
    versions = [importlib.metadata.version(name) for name in ("torch", "transformers", "peft")]
    if stage is not None:
        versions.append(importlib.metadata.version("trl"))
    what = [method.name, options.to_dict(), step.to_dict(), task, labels, versions, stage and asdict(stage)]
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
        "prediction_cost",
        "prediction_stages",
    )
    extra = os.environ.get("WORKBENCH_METHODS_PATH", "").split(os.pathsep)
    files = [here / f"{name}.py" for name in (*names, "training_step", "generating")]
    for folder in (here / "methods", here / "tasks", *map(Path, filter(None, extra))):
        files += sorted(folder.glob("*.py"))
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:20]
