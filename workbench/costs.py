"""What a method's training costs on a device: the columns of `workbench estimate` beside the counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench import calibration, devices, machine

if TYPE_CHECKING:
    from workbench.method import Method
    from workbench.models import ModelSource
    from workbench.options import Options
    from workbench.prediction import StepCost
    from workbench.store import Store
    from workbench.training_step import Step

HERE = "here"
MOST_BATCH, MOST_LENGTH = 4096, 131072


@dataclass(frozen=True)
class Training:
    """How the training is that is asked about. `device` is `here` or a GPU's name; `gib` asks what fits into so much."""

    batch_size: int = 16
    max_length: int = 128
    precision: str = "auto"
    weights: str = "float32"
    optimizer: str = "adamw_torch_fused"
    gradient_checkpointing: bool = False
    device: str = HERE
    gib: float | None = None

    def __post_init__(self) -> None:
        if self.device != HERE:
            devices.gpu(self.device)
        if self.gib is not None and not self.gib > 0:
            raise ValueError(f"gib is a number above 0, not {self.gib!r}")

    @property
    def step(self) -> Step:
        """Every row as long as can be, on the device that is meant."""
        from workbench import evaluate
        from workbench.training_step import Step

        kind = evaluate.pick_device() if self.device == HERE else "cuda"
        precision = self.precision
        if precision == "auto":
            precision = self._usual(kind)
        return Step(
            self.batch_size,
            self.max_length,
            padded=False,
            precision=precision,
            weights=self.weights,
            optimizer=self.optimizer,
            gradient_checkpointing=self.gradient_checkpointing,
            device=kind.split(":")[0],
        )

    def _usual(self, kind: str) -> str:
        from workbench import evaluate

        if self.device == HERE:
            return evaluate.resolve_precision("auto", kind)
        return "float16" if self.device == "t4" else "bfloat16"


def columns(
    source: ModelSource,
    method: Method,
    options: Options,
    training: Training,
    *,
    task: str,
    labels: int,
    store: Store | None = None,
) -> dict[str, Any]:
    """Memory by what it is for, work, time and what fits; None with `memory_reason` where a step can't be followed."""
    from workbench.method import Context
    from workbench.prediction import staged_cost, step_cost
    from workbench.prediction_stages import kind_of, stage_step

    known: dict[str, Any] = {"task": task, "labels": labels, "store": store}
    order = method.stages(options, Context(task=task, labels=labels)) if method.stages is not None else ()

    def cost(step: Step) -> StepCost:
        if not order:
            return step_cost(source, method, options, step, **known)
        return staged_cost(
            source,
            method,
            options,
            order,
            lambda stage: stage_step(kind_of(stage), step, step.length // 2),
            **known,
        )

    step = training.step
    found = cost(step)
    row: dict[str, Any] = {
        "adapter_bytes": found.adapter_bytes,
        "memory_reason": found.reason or None,
        "highest_stage": found.stage or None,
    }
    if found.memory is None:
        return row | dict.fromkeys(("memory", "flops", "step_seconds", "step_basis", "fits"))
    on_gpu = found if step.device == "cuda" else cost(replace(step, device="cuda", precision="bfloat16"))
    prices = (
        calibration.prices(step.device, step.precision, store=store)
        if training.device == HERE
        else calibration.of_gpu(devices.gpu(training.device))
    )
    row |= {
        "peak_memory_bytes": found.memory.peak,
        "memory": vars(found.memory),
        "flops": round(found.counted.flops),
        "step_seconds": prices.seconds(found.counted),
        "step_basis": prices.basis,
        "fits": {
            name: bool(on_gpu.memory and devices.fits(on_gpu.memory.peak, devices.gpu(name).gib))
            for name in devices.SHOWN
        },
        "fits_here": found.memory.peak + machine.PROCESS_BYTES <= machine.memory_bytes()
        if training.device == HERE and step.device == "cpu"
        else None,
    }
    gib = training.gib or (None if training.device == HERE else devices.gpu(training.device).gib)
    if gib is not None:
        step = replace(step, device="cuda")

        def fits(step: Step) -> tuple[bool, int]:
            memory = cost(step).memory
            peak = memory.peak if memory else 0
            return bool(memory and devices.fits(peak, gib)), peak

        row["fits_gib"] = fits(step)[0]
        split = on_gpu.memory
        fixed = split.weights + split.gradients + split.optimizer if split else 0
        row["largest_batch_size"] = largest(
            lambda n: fits(replace(step, batch_size=n)), gib, step.batch_size, MOST_BATCH, fixed
        )
        row["largest_length"] = largest(
            lambda n: fits(replace(step, length=n)), gib, step.length, _positions(source, store), fixed
        )
    return row


def _positions(source: ModelSource, store: Store | None) -> int:
    """How long an input the model has places for."""
    from workbench.models import load_config

    found = getattr(load_config(source, store=store).get_text_config(), "max_position_embeddings", None)
    return min(MOST_LENGTH, int(found)) if isinstance(found, int) and found > 0 else MOST_LENGTH


def at_once(memory: Mapping[str, int], tokens: int, wanted: int) -> dict[str, int]:
    """The same memory for another number of tokens in a step, without following it: what is kept for the backward pass
    and the loss grow with the tokens, the rest does not. Attention that keeps its whole table grows faster."""
    grown = {
        kind: round(memory[kind] * wanted / tokens) if kind in ("activations", "loss") else memory[kind]
        for kind in ("weights", "gradients", "optimizer", "activations", "loss")
    }
    return {"peak": sum(grown.values()), **grown}


def rows_of(
    store_folder: str,
    owner: str | None,
    model: str,
    choices: Sequence[tuple[str, Mapping[str, Any]]],
    task: str,
    labels: int,
    training: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """`estimate.estimates` as the page asks it, in a process that may load the deep-learning libraries."""
    from workbench.estimate import estimates
    from workbench.models import resolve
    from workbench.store import Store

    store = Store(store_folder)
    resolve(model, store=store, owner=owner, counting=True)  # somebody else's run is as good as none
    return estimates(model, choices, task=task, labels=labels, store=store, training=Training(**training))


def largest(
    fits: Callable[[int], tuple[bool, int]], gib: float, start: int, most: int, fixed: int = 0
) -> int:
    """The largest number that fits, to within a hundredth; 0 where not even 1 does. `fits(n)` says whether, and how many
    bytes n takes, which grow steadily from `fixed` on: a line through two of them says where to look next."""
    room = (gib - devices.CONTEXT_GIB) * 2**30 / (1 + devices.RESERVE)
    good, good_bytes = 0, fixed
    bad, bad_bytes = most + 1, 0
    look = min(start, most)
    while bad - good > max(1, good // 100):
        worked, peak = fits(look)
        if worked:
            good, good_bytes = look, peak
        else:
            bad, bad_bytes = look, peak
        if bad > most:  # nothing too large was seen yet
            share = (room - fixed) / (good_bytes - fixed) if good_bytes > fixed else 2.0
            look = min(most, max(int(share * good), good + max(1, good // 100)))
        elif bad_bytes > good_bytes and bad_bytes > room:
            share = (room - good_bytes) / (bad_bytes - good_bytes)
            look = min(bad - 1, max(good + 1, good + int(share * (bad - good))))
        else:
            look = max(good + 1, (good + bad) // 2)
    return good
