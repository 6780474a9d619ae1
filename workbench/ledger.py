"""A ledger of the storages of one training step: when each was made and freed, what it is for, what was computed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from math import prod
from typing import Any

import torch
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakTensorKeyDictionary

from workbench.measure import TensorTracker

KINDS = ("weights", "gradients", "optimizer", "activations", "loss")
NARROW = (torch.bfloat16, torch.float16)
_aten = torch.ops.aten
# Operations by index that take masks, whose number of places is unknown where there are no values.
_BY_INDEX = {_aten.index, _aten.index_put, _aten.index_put_, _aten._unsafe_index_put, _aten._index_put_impl_}
# Attention kernels that the flop counter does not know, with the place of the queries among their arguments.
_ATTENTION = {
    _aten._scaled_dot_product_flash_attention_for_cpu: 0,
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: 1,
}
# What is known of a result where something is known of the first argument.
_TELLING: dict[Any, Callable[..., Any]] = {
    _aten.rand: float,
    _aten.isinf: bool,
    _aten.isnan: bool,
    _aten.any: lambda known, *_: known,
    _aten.all: lambda known, *_: known,
    _aten.gt: lambda known, other: known > other,
    _aten.ge: lambda known, other: known >= other,
    _aten.lt: lambda known, other: known < other,
    _aten.le: lambda known, other: known <= other,
}


def _joined(blocks: Iterable[Any]) -> Any:
    """A matrix with these along its diagonal."""
    shapes = [block.shape for block in blocks]
    first = next(iter(blocks))
    return first.new_empty([sum(shape[side] for shape in shapes) for side in (0, 1)])


@dataclass(frozen=True)
class Counted:
    """The work of one step: floating point operations of matrix products in 16 and in 32 bits, bytes that all other
    operations read and write, and how many operations there are."""

    narrow_flops: float = 0.0
    wide_flops: float = 0.0
    moved_bytes: float = 0.0
    operations: float = 0.0

    @property
    def flops(self) -> float:
        return self.narrow_flops + self.wide_flops

    def plus(self, other: Counted) -> Counted:
        return Counted(*(a + b for a, b in zip(self.values, other.values)))

    def minus(self, other: Counted) -> Counted:
        return Counted(*(max(0.0, a - b) for a, b in zip(self.values, other.values)))

    def times(self, factor: float) -> Counted:
        return Counted(*(factor * value for value in self.values))

    @property
    def values(self) -> tuple[float, ...]:
        return tuple(getattr(self, f.name) for f in fields(self))


class Ledger(TensorTracker):
    """Counts as TensorTracker does, and can say afterwards what was alive at the peak of each phase.

    `granule` is what an allocator rounds up to. `learnt` is the share of positions that a mask over them picks: such a
    mask has no values here. What lies on another device than the one followed is not counted.
    """

    def __init__(self, granule: int = 1, learnt: float = 1.0, device: str = "cpu") -> None:
        super().__init__()
        self.granule, self.learnt, self.device = granule, learnt, device
        self.phase = 0
        self.narrow = self.wide = self.moved = 0.0
        self.operations = 0
        self.states: set[int] = set()
        self._told: Any = WeakTensorKeyDictionary()
        self._kind = "weights"
        self._kinds: list[str] = []
        self._sizes: list[int] = []
        self._events: list[tuple[int, int]] = []

    @property
    def counted(self) -> Counted:
        return Counted(self.narrow, self.wide, self.moved, float(self.operations))

    def say(self, kind: str) -> None:
        """What storages made from now on are for."""
        self._kind = kind

    def enter(self, phase: int) -> None:
        self.phase = max(self.phase, phase)

    def are(self, tensors: Iterable[Any], kind: str) -> set[int]:
        """Say now what these were made for. Returns their numbers."""
        keys = {t.untyped_storage()._cdata for t in tensors}
        found = {self._live[key][0] for key in keys if key in self._live}
        for number in found:
            self._kinds[number] = kind
        return found

    @property
    def made(self) -> int:
        """How many storages were made so far."""
        return len(self._sizes)

    def last_from(self, made: int) -> None:
        """What was made since then and is still alive stays from step to step: an optimiser's states and the like."""
        self.states = {number for number, _ in self._live.values() if number >= made}

    def at_peak(self, phase: int) -> dict[str, int]:
        """Bytes by kind when most were alive in this phase. The optimiser's states count in each: they are there from
        the second step on."""
        alive: dict[int, int] = {}
        total, best, best_at = 0, -1, -1
        for at, (number, when) in enumerate(self._events):
            if number >= 0:
                total += self._sizes[number]
            else:
                total -= self._sizes[~number]
            if when == phase and total > best:
                best, best_at = total, at
        found = dict.fromkeys(KINDS, 0)
        if best_at < 0:
            return found
        for number, _ in self._events[: best_at + 1]:
            if number >= 0:
                alive[number] = self._sizes[number]
            else:
                alive.pop(~number, None)
        for number, size in alive.items():
            found[self._kinds[number]] += size
        found["optimizer"] += sum(self._sizes[number] for number in self.states - set(alive))
        return found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, packet = kwargs or {}, func._overloadpacket
        if packet is _aten._local_scalar_dense and args[0] in self._told:
            return self._told[args[0]]
        if packet in _BY_INDEX:
            args = (args[0], self._places(args[1]), *args[2:])
        # What meta tensors would be joined by, row by row, takes seconds.
        result = _joined(args[0]) if packet is _aten.block_diag else func(*args, **kwargs)
        for leaf in (result,) if isinstance(result, torch.Tensor) else tree_iter(result):
            if isinstance(leaf, torch.Tensor):
                self._see(leaf)
        if not func.is_view:
            self._count(func, args, kwargs, result)
        if packet in _TELLING:
            self._tell(packet, args, result)
        return result

    def _tell(self, packet: Any, args: Any, result: Any) -> None:
        """Remember what is known of a value all the same: a draw from 0 to 1 is about a half, weights are finite."""
        if packet is _aten.rand:
            if result.numel() == 1:
                self._told[result] = 0.5
        elif packet in (_aten.isinf, _aten.isnan):
            self._told[result] = False
        elif args[0] in self._told:
            known, others = self._told[args[0]], args[1:]
            if not any(isinstance(other, torch.Tensor) for other in others):
                self._told[result] = _TELLING[packet](known, *others[:1])

    def _places(self, indices: Any) -> list[Any]:
        """Masks over positions as the places that they pick."""
        found: list[Any] = []
        for index in indices:
            if isinstance(index, torch.Tensor) and index.dtype is torch.bool:
                count = max(1, round(index.numel() * self.learnt))
                found += [torch.empty(count, dtype=torch.long, device=index.device)] * index.dim()
            else:
                found.append(index)
        return found

    def _count(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        self.operations += 1
        packet = func._overloadpacket
        if packet in _ATTENTION:
            q, k = args[_ATTENTION[packet] :][:2]
            products = 5 if _ATTENTION[packet] else 2
            self.add_flops(products * 2 * prod(q.shape) * k.shape[-2], q.dtype)
        elif formula := flop_registry.get(packet):
            first = next(t for t in args if isinstance(t, torch.Tensor))
            self.add_flops(formula(*args, **kwargs, out_val=result), first.dtype)
        else:
            tensors = [t for t in tree_iter((args, kwargs, result)) if isinstance(t, torch.Tensor)]
            self.moved += sum(t.numel() * t.element_size() for t in tensors)

    def add_flops(self, flops: float, dtype: torch.dtype) -> None:
        if dtype in NARROW:
            self.narrow += flops
        else:
            self.wide += flops

    def _see(self, tensor: torch.Tensor) -> None:
        if tensor.device.type != self.device:
            return
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):
            return
        key, size = storage._cdata, -(-storage.nbytes() // self.granule) * self.granule
        known = self._live.get(key)
        if known is not None:
            number, watch = known
            if self._sizes[number] != size:  # resized in place
                self._events.append((~number, self.phase))
                self._live[key] = (self._made(size), watch)
            return
        self._live[key] = (self._made(size), weakref.ref(storage, lambda _: self._forget(key)))

    def _made(self, size: int) -> int:
        number = len(self._sizes)
        self._sizes.append(size)
        self._kinds.append(self._kind)
        self._events.append((number, self.phase))
        return number

    def _forget(self, key: int) -> None:
        self._events.append((~self._live.pop(key)[0], self.phase))
