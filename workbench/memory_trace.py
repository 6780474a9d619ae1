"""Follows one training step on tensors without values: which bytes are alive when, and how much is computed.

The real architecture, method, loss and optimiser run, under a mode that keeps a ledger of every storage. Nothing is
allocated, so a model of any size is followed on any machine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from workbench import architecture
from workbench.fake_tensors import CudaManners, WithoutValues, replace_tensors, without_values
from workbench.ledger import KINDS, Counted, Ledger
from workbench.method import Method

# Depths that a model of equal blocks is cut to: the peak of each phase grows by the same with each block.
DEPTHS = (3, 2)
# Forward and loss; backward from the last block on; backward from the first block on; the optimiser, twice.
FORWARD, HIGHEST, LOWEST, SETTING_UP, STEPPING = range(5)


@dataclass(frozen=True)
class Memory:
    """Bytes at the moment of the step at which most are alive. `activations` are all that is neither of the others:
    what is kept for the backward pass, and what is passing by; `loss` is the logits and what is made of them."""

    peak: int
    weights: int
    gradients: int
    optimizer: int
    activations: int
    loss: int


@dataclass(frozen=True)
class Traced:
    """One step of one batch: memory, and the work done in it."""

    memory: Memory
    counted: Counted


@dataclass(frozen=True)
class Following:
    """How a model is trained: `loss(model, ledger)` gives the loss of a batch and whatever stays alive until the step's
    end, and tells the ledger of the logits; `optimizer(model)` is what steps. `attention` is sdpa's kernel on a CPU,
    `learnt` the share of positions whose token is learnt, `pieces` the batches of a step. `on_meta` is much quicker, where
    there is neither autocast nor a fused optimiser. `beside(model)` makes the models that stand beside it and are not
    trained, before it is looked at; `loss` finds them by itself. `host_stays` where a script leaves in the machine's memory what a
    method made there, as PEFT's does with a model that is on the GPU before its method is put on."""

    loss: Callable[[Any, Ledger], tuple[torch.Tensor, Any]]
    optimizer: Callable[[Any], Any]
    attention: str = "default"
    on_cuda: bool = False
    on_meta: bool = False
    host_stays: bool = False
    clip: float = 1.0
    pieces: int = 1
    learnt: float = 1.0
    beside: Callable[[Any], Sequence[Any]] = lambda model: ()

    @property
    def granule(self) -> int:
        return 512 if self.on_cuda else 1


@dataclass(frozen=True)
class _Phases:
    """Bytes by kind at the peak of each phase, and the work of all."""

    at_peak: tuple[dict[str, int], ...]
    counted: Counted

    def deepened(self, shallower: _Phases, blocks: int) -> _Phases:
        """With `blocks` more, each of which adds what this has over one that is shallower by a block."""
        at_peak = tuple(
            {kind: max(0, a[kind] + blocks * (a[kind] - b[kind])) for kind in KINDS}
            for a, b in zip(self.at_peak, shallower.at_peak)
        )
        return _Phases(at_peak, self.counted.plus(self.counted.minus(shallower.counted).times(blocks)))


def follow(model: Any, plan: Following, *, cut: bool = True) -> Traced:
    """One training step of a model on the meta device, which is used up. With `cut`, a deep model of equal blocks is
    followed at two small depths."""
    row = row_of_blocks(model)
    depth = len(row) if row is not None else 0
    if row is None or not cut or depth <= DEPTHS[0] + 1 or not equal(row):
        found = _step(model, row, plan)
    else:
        shapes: dict[int, _Phases] = {}
        for wanted in DEPTHS:
            del row[wanted:]
            shapes[wanted] = _step(model, row, plan)
        found = shapes[DEPTHS[0]].deepened(shapes[DEPTHS[1]], depth - DEPTHS[0])
    best = max(found.at_peak, key=lambda kinds: sum(kinds.values()))
    return Traced(Memory(sum(best.values()), **best), found.counted)


def unfollowed(method: Method, error: Exception) -> str:
    """Why a step could not be followed, as one sentence."""
    what = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    of_values = ("_local_scalar_dense", "meta tensor", "dynamic output shape", "DataDependent")
    if any(word in f"{type(error).__name__} {error}" for word in of_values):
        return f"{method.title} asks for values of its weights in a training step, which can't be followed without them"
    return f"a training step of {method.title} can't be followed: {what}"


def row_of_blocks(model: Any) -> Any:
    """The list of the model's blocks; None where it has none that could be told."""
    try:
        blocks = architecture.blocks(model)
    except ValueError:
        return None
    lists = (m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == len(blocks))
    return next((found for found in lists if found[0] is blocks[0]), None)


def equal(blocks: Any) -> bool:
    """Whether all blocks are alike, with tensors of their own or such as all of them share."""
    owners: dict[int, int] = {}
    for block in blocks:
        for tensor in {id(t) for t in (*block.parameters(), *block.buffers())}:
            owners[tensor] = owners.get(tensor, 0) + 1
    return len({_shape_of(block) for block in blocks}) == 1 and set(owners.values()) <= {1, len(blocks)}


def _shape_of(block: Any) -> tuple[Any, ...]:
    tensors = (*block.named_parameters(), *block.named_buffers())
    return (
        *((name, type(module)) for name, module in block.named_modules()),
        *((name, tuple(t.shape), t.dtype, t.requires_grad) for name, t in tensors),
    )


def _step(model: Any, blocks: Any, plan: Following) -> _Phases:
    """Forward, backward, and two steps of the optimiser: the first one makes its states."""
    device = "meta" if plan.on_meta else "cpu"
    others = plan.beside(model)
    with without_values(device), contextlib.ExitStack() as stack:
        for one in (model, *others):
            replace_tensors(one, device, host_stays=plan.host_stays)
        model.train()
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = plan.optimizer(model)
        ledger = Ledger(plan.granule, plan.learnt, device)
        for one in (model, *others):
            ledger.count(one)
        for place, phase in ((0, LOWEST), (-1, HIGHEST)) if blocks is not None else ():
            stack.callback(blocks[place].register_forward_hook(_backward_reaches(ledger, phase)).remove)
        stack.enter_context(_kernels(plan, ledger))
        stack.enter_context(ledger)
        for _ in range(plan.pieces):
            ledger.phase = FORWARD
            ledger.say("activations")
            loss, kept = plan.loss(model, ledger)
            loss.backward()
            del loss
        ledger.are([p.grad for p in trained if p.grad is not None], "gradients")
        counted = ledger.counted
        ledger.say("optimizer")
        made = ledger.made
        for phase in (SETTING_UP, STEPPING):
            ledger.phase = phase
            if plan.clip:
                torch.nn.utils.clip_grad_norm_(trained, plan.clip)
            optimizer.step()
            if phase == SETTING_UP:
                ledger.last_from(made)
                before = ledger.counted
        del kept
        counted = counted.plus(ledger.counted.minus(before))
        model.zero_grad()
    return _Phases(tuple(ledger.at_peak(phase) for phase in (FORWARD, HIGHEST, LOWEST, STEPPING)), counted)


def _backward_reaches(ledger: Ledger, phase: int) -> Callable[..., None]:
    """A hook on a block: when the backward pass comes to what it gave, a phase begins."""

    def noted(module: Any, inputs: Any, outputs: Any) -> None:
        hidden = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
        if isinstance(hidden, torch.Tensor) and hidden.requires_grad:
            hidden.register_hook(lambda grad: ledger.enter(phase))

    return noted


@contextlib.contextmanager
def _kernels(plan: Following, ledger: Ledger) -> Iterator[None]:
    """What is computed in another way than the tensors' own device would."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(WithoutValues())
        if plan.on_cuda:
            stack.enter_context(CudaManners(ledger))
        elif plan.attention == "math":
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield
