"""Energy that the machine itself counts: a processor's package by RAPL, a GPU by NVML. Nothing where neither is exposed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
RAPL, NVML = "rapl", "nvml"


@dataclass
class Meter:
    """A counter of joules that grows; `source` says whose. It counts all that runs there, other work as well."""

    source: str
    read: Callable[[], float]
    _before: float | None = None
    joules: float = 0.0

    def begin(self) -> None:
        self._before = self._now()

    def end(self) -> None:
        """Add what was used since `begin`."""
        now = self._now()
        if now is not None and self._before is not None and now >= self._before:
            self.joules += now - self._before
        self._before = None

    def _now(self) -> float | None:
        with contextlib.suppress(Exception):  # a driver that stops answering costs a figure, never a run
            return self.read()
        return None


def source_on(device: str) -> str:
    """Whose counter it is where there is one."""
    return NVML if device.startswith("cuda") else RAPL


def meter(device: str, powercap: Path = POWERCAP) -> Meter | None:
    """Of the device that trains; None where the machine does not tell, or not to this user."""
    return _of_gpu(device) if device.startswith("cuda") else _of_processor(powercap)


def _of_processor(powercap: Path) -> Meter | None:
    """All packages, in the wrapped counters of the kernel."""
    packages = [path for path in sorted(powercap.glob("*rapl:*")) if path.name.count(":") == 1]
    counters = [_Counter(path) for path in packages if (path / "energy_uj").is_file()]
    try:
        for counter in counters:
            counter.read()
    except (OSError, ValueError):
        return None  # readable by root alone on most kernels
    return Meter(RAPL, lambda: sum(counter.read() for counter in counters)) if counters else None


class _Counter:
    """One package's joules since it was first read: the kernel's number starts again from 0 at its range."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: int | None = None
        self._sum = 0

    def read(self) -> float:
        now = int((self.path / "energy_uj").read_text())
        if self._last is not None:
            step = now - self._last
            if step < 0:
                step += int((self.path / "max_energy_range_uj").read_text())
            self._sum += step
        self._last = now
        return self._sum / 1e6


def _of_gpu(device: str) -> Meter | None:
    try:
        import pynvml
        import torch

        pynvml.nvmlInit()
        number = torch.device(device).index or 0
        # By its id: NVML counts all GPUs of the machine, torch those that are visible.
        uuid = f"GPU-{torch.cuda.get_device_properties(number).uuid}"
        handle: Any = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # no package, no driver, or a GPU too old to count
        return None
    return Meter(NVML, lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000)
