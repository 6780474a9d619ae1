"""The machine at this moment: cores, memory, disk, and what the running processes hold."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from markupsafe import Markup

from workbench.machine import memory_bytes
from workbench.process import is_alive
from workbench.result import Run
from workbench.ui.parts import bar, format_bytes
from workbench.ui.parts.numbers import NBSP

MOST_CORES = 16
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Load:
    """Shares from 0 to 1, sizes in bytes."""

    cores: tuple[float, ...]
    memory_used: int
    memory_total: int
    disk_used: int
    disk_total: int
    processes: tuple[tuple[str, int], ...]


def look(folder: Path, runs: Sequence[Run]) -> Load:
    """Ask the system."""
    total = memory_bytes()
    disk = shutil.disk_usage(folder)
    cores = _cores.loads()
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(len(cores))
    return Load(
        cores=tuple(cores[core] for core in allowed if core < len(cores)),
        memory_used=min(int(psutil.virtual_memory().used), total),
        memory_total=total,
        disk_used=disk.used,
        disk_total=disk.total,
        processes=tuple(
            (f"{run.label} seed {run.spec.seed}", size) for run in runs if (size := resident_bytes(run))
        ),
    )


class _Cores:
    """How busy each core was since an earlier look. psutil's own memory is per thread, and handlers change threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at, self._before = time.monotonic(), psutil.cpu_times(percpu=True)
        self._loads: list[float] = [0.0] * len(self._before)

    def loads(self) -> list[float]:
        with self._lock:
            if time.monotonic() - self._at >= LOOK_SECONDS:
                now = psutil.cpu_times(percpu=True)
                self._loads = [_busy(old, new) for old, new in zip(self._before, now)]
                self._at, self._before = time.monotonic(), now
            return self._loads


def _busy(before: Any, now: Any) -> float:
    """The share of time that was not idle."""
    spent = sum(now) - sum(before)
    idle = now.idle - before.idle + getattr(now, "iowait", 0.0) - getattr(before, "iowait", 0.0)
    return min(max(1 - idle / spent, 0.0), 1.0) if spent > 0 else 0.0


_cores = _Cores()


def resident_bytes(run: Run) -> int | None:
    """What a running run's process and its children hold in memory now; None when it has none."""
    if run.state != "running" or run.identity is None or not is_alive(run.identity):
        return None
    try:
        worker = psutil.Process(run.identity[0])
        return sum(one.memory_info().rss for one in (worker, *worker.children(recursive=True)))
    except psutil.Error:
        return None


def machine_card(load: Load) -> Markup:
    busy = sum(load.cores) / len(load.cores) if load.cores else 0.0
    columns = Markup("").join(
        Markup('<i style="--busy-share:{:.0f}%"></i>').format(max(core * 100, 3))
        for core in load.cores[:MOST_CORES]
    )
    rows = [
        _row("Memory", load.memory_used, load.memory_total),
        *(_row(label, size, load.memory_total) for label, size in load.processes[:4]),
        _row("Disk", load.disk_used, load.disk_total),
    ]
    return Markup(
        '<section class="wb-card"><div class="wb-head"><h3>This machine</h3></div>'
        '<div class="wb-row wb-small"><span class="wb-two">{} core{}</span><span class="wb-space"></span>'
        '<span><b>{:.0f}</b><span class="wb-unit"> %</span></span></div>'
        '<div class="wb-cores" role="img" aria-label="{} cores, {:.0f} percent busy">{}</div><div class="wb-stack">{}</div></section>'
    ).format(
        len(load.cores),
        "" if len(load.cores) == 1 else "s",
        busy * 100,
        len(load.cores),
        busy * 100,
        columns,
        Markup("").join(rows),
    )


def _row(label: str, used: int, total: int) -> Markup:
    amount, whole = _in_one_unit(used, total)
    return Markup(
        '<div class="wb-load"><div class="wb-row wb-small"><span class="wb-two wb-cut" title="{0}">{0}</span>'
        '<span class="wb-space"></span><span class="wb-number"><b>{1}</b><span class="wb-unit"> of {2}</span></span></div>{3}</div>'
    ).format(label, amount, whole, bar(used, total, label=f"{label}: {amount} of {whole}"))


def _in_one_unit(used: int, total: int) -> tuple[str, str]:
    """`3.1` of `15.6 GiB`; a small amount keeps a unit of its own."""
    amount, whole = format_bytes(used), format_bytes(total)
    unit = whole.rpartition(NBSP)[2]
    return amount.removesuffix(NBSP + unit), whole
