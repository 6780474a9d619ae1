"""Builds what a run trains: the base model, the method on it, and the rows as token ids."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from workbench import optimizers, registry
from workbench.method import Context, Method
from workbench.options import Options
from workbench.parameters import Counts, count_parameters, total_parameters
from workbench.ratings import rated_singly
from workbench.spec import RunSpec, Setting
from workbench.task import Live, Task, as_they_are

if TYPE_CHECKING:
    from workbench.data import Prepared
    from workbench.models import ModelSource
    from workbench.store import Store

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """A RunSpec with everything in it looked up."""

    spec: RunSpec
    prepared: Prepared
    method: Method
    options: Options
    task: Task
    task_options: Options
    labels: tuple[str, ...]
    context: Context
    source: ModelSource
    tokenizer: Any
    device: str
    precision: str
    store: Store | None = None

    @property
    def setting(self) -> Setting:
        return self.spec.setting

    def live(self, model: Any, *, tick: Callable[[], object] | None = None, precision: str = "") -> Live:
        """`model` as this run's task asks it."""
        return Live(
            model,
            self.tokenizer,
            self.labels,
            self.task_options,
            self.device,
            precision or self.precision,
            tick=tick,
        )


@dataclass(frozen=True)
class Built:
    """A model with its method on it. `original` has the trainable tensors as they were before the first step."""

    model: Any
    counts: Counts
    original: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Encoded:
    """The three parts as token ids; `notes` say what was cut or left out."""

    rows: Mapping[str, list[Row]] = field(repr=False)
    max_length: int
    notes: tuple[str, ...]

    @property
    def longest(self) -> int:
        """Of what the model reads at once."""
        longest = max(len(row["input_ids"]) for rows in self.rows.values() for row in rows)
        return min(self.max_length, longest)


def plan_run(
    spec: RunSpec, prepared: Prepared, *, device: str | None = None, store: Store | None = None
) -> Plan:
    """Look up method, options, task and model. ValueError when something in the spec can't be."""
    from workbench import evaluate, models

    setting = spec.setting
    device = evaluate.pick_device(device)
    if reason := optimizers.refusal(setting.optimizer, device):
        raise ValueError(reason)
    method, task = registry.method(spec.choice.method), registry.task(setting.task)
    source = models.resolve(setting.model, store=store, revision=setting.model_revision)
    tokenizer = models.load_tokenizer(source, store=store)
    task_options = task.complete(task.options.from_dict(setting.task_options), tokenizer, prepared.rows)
    rows: Sequence[Row] = prepared.rows["train"]
    if task.pack is not as_they_are and setting.budget.kind == "epochs":
        length = _length(setting, models.load_config(source, store=store), tokenizer)
        rows = task.pack(task.encode(tokenizer, rows, (), length, task_options), length)
    options = method.options.from_dict(spec.choice.options)
    context = Context(
        task=setting.task,
        labels=len(setting.data.labels),
        steps=total_steps(setting, len(rows)),
        seed=spec.seed,
        device=device,
        rated_singly=rated_singly(prepared.rows["train"]),
    )
    if reason := method.refusal(options, context):
        raise ValueError(f"{method.title}: {reason}")
    return Plan(
        spec=spec,
        prepared=prepared,
        method=method,
        options=options,
        task=task,
        task_options=task_options,
        labels=tuple(setting.data.labels),
        context=context,
        source=source,
        tokenizer=tokenizer,
        device=device,
        precision=evaluate.resolve_precision(setting.precision, device),
        store=store,
    )


def _length(setting: Setting, config: Any, tokenizer: Any) -> int:
    """Tokens of a training row where rows are packed, before the method takes room of its own."""
    from workbench import evaluate

    room = evaluate.longest_input(SimpleNamespace(config=config), tokenizer)
    return min(setting.max_length, room or setting.max_length)


def total_steps(setting: Setting, rows: int) -> int | None:
    """Optimiser steps of a run; None with a budget of seconds."""
    kind, amount = setting.budget.kind, setting.budget.amount
    if kind == "seconds":
        return None
    if kind == "steps":
        return int(amount)
    batches = math.ceil(rows / setting.batch_size)
    return max(1, math.ceil(amount * batches / setting.gradient_accumulation - 1e-9))


def load_base(plan: Plan, *, as_stored: bool = False) -> Any:
    """The base model with a head that is the same for every call and every method with this seed; as the method wants its
    weights kept, or `as_stored`, as they come."""
    from transformers import set_seed

    from workbench import models

    set_seed(plan.spec.seed)
    model = models.load_model(plan.source, plan.task, plan.labels, store=plan.store)
    if plan.method.prepare_model is not None and not as_stored:
        model = plan.method.prepare_model(model, plan.options, plan.context)
    return model.to(plan.device)


def apply_method(plan: Plan, base: Any) -> Built:
    """Put the method on `base`, which is changed by it. Unsuitable when it can't serve this model."""
    from transformers import set_seed

    from workbench import saving

    before = total_parameters(base)
    set_seed(plan.spec.seed)
    model = plan.method.apply(base, plan.options, plan.context).to(plan.device)
    return Built(model, count_parameters(model, base=before), saving.trainable_state(model))


def finish(plan: Plan, model: Any) -> Any:
    """The model that answers: the trained one, or what the method makes of a copy of it after training."""
    if plan.method.after_training is None:
        return model
    return plan.method.after_training(copy.deepcopy(model), plan.options, plan.context).to(plan.device)


def encode(plan: Plan, model: Any) -> Encoded:
    """All rows, cut to what the setting allows and to what the model with its method has positions for."""
    from workbench import evaluate

    room = evaluate.longest_input(model, plan.tokenizer)
    length = min(plan.setting.max_length, room or plan.setting.max_length)
    rows = {
        part: plan.task.encode(
            plan.tokenizer, plan.prepared.rows[part], plan.labels, length, plan.task_options, room
        )
        for part in ("train", "validation", "test")
    }
    cut = [plan.task.cut_note(part, found, length) for part, found in rows.items()]
    own = plan.method.notes(model, plan.options) if plan.method.notes is not None else ()
    notes = (*filter(None, cut), *plan.task.notes(plan.task_options, rows), *own)
    rows["train"] = plan.task.pack(rows["train"], length)
    return Encoded(rows, length, notes)
