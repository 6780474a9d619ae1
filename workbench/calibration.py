"""What a machine takes for a training step's work: measured here in a second, then learnt from past runs, or from a table."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from workbench.devices import GPU, MOVING, MULTIPLYING, OPERATION_SECONDS
from workbench.home import default_store

if TYPE_CHECKING:
    from workbench.ledger import Counted
    from workbench.store import Store

FILE = "prediction.json"
RUNS_LOOKED_AT = 200
# How firmly the machine's own measurement is believed against past runs: as firmly as this many of them.
PRIOR_RUNS = 2.0
FEWEST = 2


@dataclass(frozen=True)
class Prices:
    """Seconds for one floating point operation in 16 and in 32 bits, one byte moved, one operation. `basis` says where
    they are from; `error` is the median share by which they were off on runs that they were not learnt from, `before`
    the same without learning."""

    narrow: float
    wide: float
    moved: float
    operation: float
    basis: str
    error: float | None = None
    before: float | None = None

    def seconds(self, work: Counted) -> float:
        return sum(price * amount for price, amount in zip(self.values, work.values))

    @property
    def values(self) -> tuple[float, float, float, float]:
        return self.narrow, self.wide, self.moved, self.operation


@dataclass(frozen=True)
class Past:
    """A finished run: the work of its average step, and the seconds that it took."""

    work: Counted
    seconds: float


def of_gpu(gpu: GPU) -> Prices:
    """From the maker's figures and the shares of them that training reaches."""
    return Prices(
        1 / (gpu.narrow_tflops * 1e12 * MULTIPLYING),
        1 / (gpu.wide_tflops * 1e12 * MULTIPLYING),
        1 / (gpu.gigabytes_per_second * 1e9 * MOVING),
        OPERATION_SECONDS,
        f"the figures of {gpu.title} ({gpu.source})",
    )


def prices(
    device: str,
    precision: str,
    threads: int | None = None,
    *,
    store: Store | None = None,
    cache: Path | None = None,
) -> Prices:
    """Those of the machine that this runs on."""
    measured = of_this_machine(device, cache=cache)
    found = past_runs(store, device, threads or _threads()) if store is not None else []
    return learnt(measured, found)


def learnt(start: Prices, past: Sequence[Past]) -> Prices:
    """Past runs weigh in by the share by which each is off; few of them change little."""
    if len(past) < FEWEST:
        return start
    before = median(abs(start.seconds(one.work) / one.seconds - 1) for one in past)
    left_out = [_fitted(start, [*past[:i], *past[i + 1 :]]) for i in range(len(past))]
    error = median(abs(fit.seconds(one.work) / one.seconds - 1) for fit, one in zip(left_out, past))
    if error >= before:
        return Prices(*start.values, start.basis, before, before)
    values = _fitted(start, past).values
    basis = (
        f"{start.basis}, corrected by {len(past)} past runs: off by {error:.0%} on runs left out,"
        f" {before:.0%} without them"
    )
    return Prices(*values, basis, error, before)


def _fitted(start: Prices, past: Sequence[Past]) -> Prices:
    """Least squares of relative errors with prices of at least 0, drawn towards a common factor of the start's."""
    import numpy as np
    from scipy.optimize import nnls

    shares = np.array([[p * w for p, w in zip(start.values, one.work.values)] for one in past])
    shares /= np.array([[one.seconds] for one in past])
    factor = 1 / max(1e-12, float(np.median(shares.sum(1))))
    prior = np.sqrt(PRIOR_RUNS) * np.eye(4)
    factors, _ = nnls(np.vstack([shares, prior]), np.concatenate([np.ones(len(past)), prior.sum(0) * factor]))
    narrow, wide, moved, operation = (float(f) * p for f, p in zip(factors, start.values))
    return Prices(narrow, wide, moved, operation, start.basis)


def keep(folder: Path, values: dict[str, Any]) -> None:
    """Beside the run, so that what it took can teach the next prediction."""
    (folder / FILE).write_text(json.dumps(values, default=str), encoding="utf-8")


def past_runs(store: Store, device: str, threads: int) -> list[Past]:
    """The newest finished runs of this store on such a device that were predicted."""
    from workbench.ledger import Counted

    found = []
    for run in store.runs(states=["finished"])[:RUNS_LOOKED_AT]:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads((store.run_folder(run.id) / FILE).read_text(encoding="utf-8"))
            alike = (told["device"].split(":")[0], told["threads"]) == (device.split(":")[0], threads)
            if alike and run.result and run.result.steps and run.result.train_seconds:
                found.append(Past(Counted(**told["usual"]), run.result.train_seconds / run.result.steps))
    return found


def of_this_machine(device: str, *, cache: Path | None = None) -> Prices:
    """Small pieces of work timed once, and remembered."""
    import torch

    threads = _threads()
    what = [platform.node(), platform.processor(), device, threads, torch.__version__, os.cpu_count()]
    key = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]
    path = (cache or default_store() / "cache") / f"machine-{key}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        narrow, wide, moved, operation = json.loads(path.read_text(encoding="utf-8"))
        return Prices(narrow, wide, moved, operation, _here(device, threads))
    values = _timed(device)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    return Prices(*values, _here(device, threads))


def _here(device: str, threads: int) -> str:
    where = (
        "this GPU"
        if device.startswith("cuda")
        else f"this machine with {threads} thread{'s' * (threads > 1)}"
    )
    return f"a measurement of {where}"


def _timed(device: str) -> tuple[float, float, float, float]:
    import torch

    def pace(work: Any, amount: float) -> float:
        best, begun = float("inf"), time.perf_counter()
        while time.perf_counter() - begun < 0.25:
            before = time.perf_counter()
            work()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            best = min(best, time.perf_counter() - before)
        return best / amount

    side = 4096 if device.startswith("cuda") else 384
    wide = torch.ones((side, side), device=device)
    narrow = wide.to(torch.bfloat16)
    many = torch.ones(2**24 if device.startswith("cuda") else 2**19, device=device)
    one = torch.ones(16, device=device)
    with torch.inference_mode():
        return (
            pace(lambda: narrow @ narrow, 2 * side**3),
            pace(lambda: wide @ wide, 2 * side**3),
            pace(lambda: many + many, 3 * 4 * many.numel()),
            pace(lambda: [one + one for _ in range(200)], 200),
        )


def _threads() -> int:
    import torch

    return torch.get_num_threads()
