"""The training step that a run makes, as it can be followed before there is a run: batch, precision, loss and optimiser."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily

from workbench import evaluate, optimizers
from workbench.fake_tensors import without_padding
from workbench.ledger import Ledger
from workbench.memory_trace import Following
from workbench.method import Method
from workbench.options import Options
from workbench.task import Task

WEIGHTS = ("float32", "bfloat16", "4bit")
NOT_LEARNT = -100


@dataclass(frozen=True)
class Step:
    """What a step's cost depends on besides model and method. `weights` is how the frozen base is kept, `precision` what
    is computed in; `padded` says that some row is shorter than the others; `learnt` is the share of tokens that are
    learnt, where tokens are; `pieces` are the batches of one step."""

    batch_size: int = 16
    length: int = 128
    padded: bool = True
    precision: str = "float32"
    weights: str = "float32"
    optimizer: str = "adamw_torch_fused"
    gradient_checkpointing: bool = False
    device: str = "cpu"
    pieces: int = 1
    learnt: float = 1.0
    longest: int | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "length", "pieces"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} is a whole number of at least 1, not {value!r}")
        for name, known in (
            ("precision", ("float32", *evaluate.DTYPES)),
            ("weights", WEIGHTS),
            ("optimizer", tuple(optimizers.BY_NAME)),
            ("device", ("cpu", "cuda")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}, not {getattr(self, name)!r}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def following(step: Step, method: Method, options: Options, task: Task) -> Following:
    """How the workbench's trainer makes this step."""

    def loss(model: Any, ledger: Ledger) -> tuple[torch.Tensor, Any]:
        batch = _batch(step, task, model)
        given = {name: value for name, value in batch.items() if name != "labels"}
        whole = contextlib.nullcontext() if step.padded else without_padding()
        with whole, evaluate.computing(step.precision, "cpu"):
            outputs = model(**given)
        if step.precision != "float32":
            outputs = widened(outputs)
        logits = outputs["logits"]
        mark_loss(ledger, logits)
        if method.objective is not None:
            return method.objective(model, batch, outputs, options), None
        return task.loss(logits, batch["labels"], batch["labels"].numel(), 0.0), None

    kernel = "default"
    if step.device == "cpu" and step.precision == "bfloat16":
        long = (step.longest or step.length) > evaluate.PLAIN_ATTENTION_LENGTH
        kernel = "default" if long else "math"
    return Following(
        loss,
        lambda model: _optimizer(step, method, options, model),
        attention=kernel,
        on_cuda=step.device == "cuda",
        pieces=min(2, step.pieces),
        learnt=step.learnt,
    )


def mark_loss(ledger: Ledger, logits: torch.Tensor) -> None:
    """From here on, until the backward pass comes to the logits, everything is the loss's."""
    ledger.are([logits], "loss")
    ledger.say("loss")
    if logits.requires_grad:
        logits.register_hook(lambda grad: ledger.say("activations"))


def _batch(step: Step, task: Task, model: Any) -> dict[str, torch.Tensor]:
    shape = (step.batch_size, step.length)
    ids = torch.ones(shape, dtype=torch.long)
    by_label = "SequenceClassification" in task.model_class
    labels = torch.zeros(shape[:1] if by_label else shape, dtype=torch.long)
    return {"input_ids": ids, "attention_mask": torch.ones(shape, dtype=torch.long), "labels": labels}


def widened(outputs: Any) -> Any:
    """accelerate gives a model's outputs in 32 bits, whatever it computed in."""
    from accelerate.utils.operations import convert_to_fp32

    return convert_to_fp32(outputs)


def _optimizer(step: Step, method: Method, options: Options, model: Any) -> Any:
    """The one that the trainer would make."""
    # bitsandbytes' tables of 8-bit values are computed where it is made.
    with unset_fake_temporarily():
        found = method.optimizer(model, options, 1e-3, 0.01) if method.optimizer is not None else None
        if found is None:
            found = optimizers.create(step.optimizer, model, 1e-3, 0.01)
        if found is None:
            found = _usual(step, model)
    return _StatesOnly(found) if "bitsandbytes" in type(found).__module__ else found


def _usual(step: Step, model: Any) -> Any:
    trained = [p for p in model.parameters() if p.requires_grad]
    if step.optimizer == "adafactor":
        from transformers.optimization import Adafactor

        return Adafactor(trained, lr=1e-3, scale_parameter=False, relative_step=False)
    if step.optimizer in ("adamw_8bit", "paged_adamw_8bit"):
        from bitsandbytes.optim import AdamW

        return AdamW(trained, lr=1e-3, optim_bits=8, is_paged=step.optimizer.startswith("paged"))
    kind: Mapping[str, Any] = {"fused": True} if step.optimizer == "adamw_torch_fused" else {}
    if step.optimizer == "adamw_torch" and step.device == "cuda":
        kind = {"foreach": True}
    return torch.optim.AdamW(trained, lr=1e-3, **kind)


class _StatesOnly:
    """bitsandbytes' optimisers work in place, on values: what they keep is all that there is to see."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        self.state, self.param_groups = optimizer.state, optimizer.param_groups

    def step(self) -> None:
        for number, group in enumerate(self.param_groups):
            for place, parameter in enumerate(group["params"]):
                if parameter.grad is not None and not self.state.get(parameter):
                    with contextlib.suppress(NotImplementedError):
                        self.optimizer.init_state(group, parameter, number, place)
