"""What is measured on a live model: bytes of tensors in training, latency against the base, proof that a method acts."""

from __future__ import annotations

import gc
import math
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from workbench import evaluate

# The processor's own clock counts nothing while others work: fair to a busy machine, where there is one thread.
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
# All other runs on the machine wait meanwhile: a slow method gets fewer rounds, down to a few.
LATENCY_SECONDS, LATENCY_MOST_SECONDS = 0.8, 4.0
WARM_UP_SECONDS = 1.0
"""What takes longer than this has been warmed up by one round."""
FEWEST_ROUNDS = 6
"""With fewer a median has no 95% interval."""


class TensorTracker(TorchDispatchMode):
    """Counts the bytes of all tensor storages that are alive, and their peak, while it is entered.

    Each storage counts once, however many tensors look at it, from the operation that made it until it is freed:
    activations kept for the backward pass, gradients and optimiser states alike. Scratch memory inside one kernel is
    not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.peak = 0
        self._live: dict[int, tuple[int, Any]] = {}

    def count(self, model: Any) -> None:
        """Take in what was there before: parameters, buffers and gradients."""
        for tensor in (*model.parameters(), *model.buffers()):
            self._see(tensor)
            if tensor.grad is not None:
                self._see(tensor.grad)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self._see(result)
        else:
            for leaf in tree_iter(result):
                if isinstance(leaf, torch.Tensor):
                    self._see(leaf)
        return result

    def _see(self, tensor: torch.Tensor) -> None:
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):
            return  # sparse tensors and other kinds without one storage: their parts are seen on their own
        key, size = storage._cdata, storage.nbytes()
        known = self._live.get(key)
        if known is not None:
            if known[0] != size:  # resized in place
                self._live[key] = (size, known[1])
                self._add(size - known[0])
            return
        self._live[key] = (size, weakref.ref(storage, lambda _: self._forget(key)))
        self._add(size)

    def _add(self, size: int) -> None:
        self.bytes += size
        self.peak = max(self.peak, self.bytes)

    def _forget(self, key: int) -> None:
        self.bytes -= self._live.pop(key)[0]


def peak_training_bytes(train: Callable[[], object], *models: Any) -> int:
    """Peak bytes of live tensors while `train` trains the models, whose own weights count from the start."""
    tracker = TensorTracker()
    for model in models:
        tracker.count(model)
    with tracker:
        train()
    return tracker.peak


@dataclass(frozen=True)
class Ratio:
    """A median over rounds, with the bounds of its 95% interval (None with too few rounds)."""

    median: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Latency:
    """Milliseconds at batch 1. Ratios are medians over the rounds of that round's time to the base's; `own` are medians
    of what the method's forward timed itself."""

    p50: float
    p95: float
    base_p50: float
    ratio: Ratio
    rounds: int
    merged_p50: float | None = None
    merged_ratio: Ratio | None = None
    own: Mapping[str, float] = field(default_factory=dict)


def latency(
    forwards: Mapping[str, Callable[[int], object]],
    *,
    rounds: int = 30,
    seconds: float | None = None,
    warm_up: int = 3,
    most_seconds: float | None = None,
) -> Latency:
    """Time `base`, `method` and, where given, `merged` in turn (`in_turn`)."""
    told: dict[str, list[float]] = {}

    def told_by_method(name: str, found: object) -> None:
        if name == "method" and isinstance(found, Mapping):
            for what, value in found.items():
                told.setdefault(what, []).append(value)

    times = in_turn(
        forwards,
        rounds=rounds,
        seconds=seconds,
        warm_up=warm_up,
        most_seconds=LATENCY_MOST_SECONDS if most_seconds is None else most_seconds,
        hear=told_by_method,
    )
    base, own = times["base"], times["method"]
    merged = times.get("merged")
    return Latency(
        quantile(own, 0.5),
        quantile(own, 0.95),
        quantile(base, 0.5),
        ratio(own, base),
        len(own),
        quantile(merged, 0.5) if merged else None,
        ratio(merged, base) if merged else None,
        {what: quantile(values, 0.5) for what, values in told.items()},
    )


def in_turn(
    forwards: Mapping[str, Callable[[int], object]],
    *,
    rounds: int,
    seconds: float | None = None,
    warm_up: int = 3,
    most_seconds: float = math.inf,
    hear: Callable[[str, object], None] = lambda name, found: None,
    now: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Milliseconds of each, round by round, so that a change of the machine's speed hits all alike; every other round
    goes backwards, so that none always comes after the same. At least `rounds` rounds, and more while there are
    `seconds` left; fewer, but FEWEST_ROUNDS, where they take longer than `most_seconds`. `hear` is told what each gave, `now` is the clock in seconds."""
    seconds = LATENCY_SECONDS if seconds is None else seconds
    times: dict[str, list[float]] = {name: [] for name in forwards}
    orders: tuple[list[str], list[str]] = (list(forwards), list(reversed(list(forwards))))
    begun = time.perf_counter()
    for turn in range(warm_up):
        if turn and time.perf_counter() - begun > WARM_UP_SECONDS:
            break
        for forward in forwards.values():
            forward(0)
    collecting = gc.isenabled()
    gc.disable()
    try:
        begun, i = time.perf_counter(), 0
        while i < min(rounds, FEWEST_ROUNDS) or (
            (passed := time.perf_counter() - begun) < seconds or (i < rounds and passed < most_seconds)
        ):
            for name in orders[i % 2]:
                before = now()
                found = forwards[name](i)
                times[name].append((now() - before) * 1000)
                hear(name, found)
            i += 1
    finally:
        if collecting:
            gc.enable()
    return times


def ratio(own: Sequence[float], base: Sequence[float]) -> Ratio:
    """Of each round's time to the base's in that round."""
    found = sorted(a / b for a, b in zip(own, base))
    low, high = median_bounds(found)
    return Ratio(quantile(found, 0.5), low, high)


def median_bounds(ordered: Sequence[float], doubt: float = 0.05) -> tuple[float | None, float | None]:
    """Two of the ordered values between which their median lies, whatever they are distributed like: the median is as
    likely above as below each of them, so that ranks are a matter of tossing coins."""
    count, rank, tail = len(ordered), -1, 0.0
    while (tail := tail + comb(count, rank + 1) / 2**count) <= doubt / 2:
        rank += 1
    return (ordered[rank], ordered[-1 - rank]) if rank >= 0 else (None, None)


def forward_once(
    model: Any, batches: Sequence[Mapping[str, torch.Tensor]], device: str, precision: str
) -> Callable[[int], object]:
    """A function that reads the i-th text (batch 1) and waits for the answer."""

    def forward(i: int) -> object:
        return evaluate.logits(model, batches[i % len(batches)], device, precision)

    return forward


def typical_texts(encoded: Sequence[evaluate.Row], pad: int, count: int = 8) -> list[dict[str, torch.Tensor]]:
    """Batches of one text each, of about median length: the ones nearest to the middle."""
    order = sorted(encoded, key=lambda row: len(row["input_ids"]))
    begin = max(0, (len(order) - count) // 2)
    return [evaluate.collate([row], pad) for row in order[begin : begin + count]]


def quantile(values: Sequence[float], share: float) -> float:
    """Linear between neighbours."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@dataclass(frozen=True)
class Proof:
    """`difference`: the largest change of a logit that the method makes. `off_difference`: what is left of it when
    the method is switched off, which should be nothing."""

    difference: float
    off_difference: float
    tolerance: float

    @property
    def live(self) -> bool:
        return self.difference > self.tolerance and self.off_difference <= self.tolerance


def prove_live(on: torch.Tensor, off: torch.Tensor, base: torch.Tensor) -> Proof:
    """Compare float32 logits with the method, with it switched off, and of a fresh base."""
    # Another order of the same float32 sums moves a logit by some millionths of its size.
    tolerance = 1e-5 * max(1.0, float(base.abs().max()))
    return Proof(float((on - base).abs().max()), float((off - base).abs().max()), tolerance)


def reset_process_peak() -> bool:
    """Start the process's own peak (VmHWM) anew. Linux only; False where it can't be."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def process_peak_bytes() -> int | None:
    """Peak resident memory since the last reset."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        import resource

        return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # bytes on macOS
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 if found else None
