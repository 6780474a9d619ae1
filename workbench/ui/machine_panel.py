"""The machine at this moment: cores, memory, disk, and what the running processes hold."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from markupsafe import Markup

from workbench.machine import memory_bytes
from workbench.process import is_alive
from workbench.result import Run
from workbench.ui.parts import bar, format_bytes

MOST_CORES = 16


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
    """Ask the system. Loads of cores are since the last look, by whoever looked."""
    total = memory_bytes()
    disk = shutil.disk_usage(folder)
    cores = psutil.cpu_percent(percpu=True)
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(len(cores))
    return Load(
        cores=tuple(cores[core] / 100 for core in allowed if core < len(cores)),
        memory_used=min(int(psutil.virtual_memory().used), total),
        memory_total=total,
        disk_used=disk.used,
        disk_total=disk.total,
        processes=tuple(
            (f"{run.label} seed {run.spec.seed}", size) for run in runs if (size := resident_bytes(run))
        ),
    )


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
        Markup('<i style="height:{:.0f}%"></i>').format(max(core * 100, 2))
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
    return Markup(
        '<div class="wb-load"><div class="wb-row wb-small"><span class="wb-two wb-cut">{}</span><span class="wb-space"></span>'
        '<span class="wb-number"><b>{}</b><span class="wb-unit"> of {}</span></span></div>{}</div>'
    ).format(
        label,
        format_bytes(used),
        format_bytes(total),
        bar(used, total, label=f"{label}: {format_bytes(used)} of {format_bytes(total)}"),
    )
