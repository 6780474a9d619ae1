"""What works on this machine: versions, device, disk, store. Run it with `workbench doctor`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

from workbench import __version__
from workbench.store import Store, StoreError

LIBRARIES = {
    "torch": True,
    "transformers": True,
    "peft": True,
    "datasets": True,
    "accelerate": True,
    "scikit-learn": True,
    "gradio": False,
    "trl": False,
    "bitsandbytes": False,
    "torchao": False,
    "evaluate": False,
}
ROOM_BYTES = 2 * 2**30


def findings(store_folder: Path) -> dict[str, Any]:
    """Every check with name, ok, required, detail; and the versions by library."""
    versions = {name: _version(name) for name in LIBRARIES}
    checks = [_check("python", sys.version_info >= (3, 11), True, platform.python_version())]
    for name, required in LIBRARIES.items():
        detail = versions[name] or f"not installed: pip install {name}"
        checks.append(_check(name, versions[name] is not None, required, detail))
    checks += [_device(), _cores(), _disk(store_folder), _store(store_folder)]
    return {"workbench": __version__, "platform": platform.platform(), "versions": versions, "checks": checks}


def _check(name: str, ok: bool, required: bool, detail: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "required": required, "detail": detail}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device() -> dict[str, Any]:
    try:
        import torch
    except ImportError as error:
        return _check("device", False, True, f"torch can't be imported: {error}")
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return _check("device", True, True, names)
    return _check("device", True, True, f"CPU, {torch.backends.cpu.get_cpu_capability()}")


def _cores() -> dict[str, Any]:
    import psutil

    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return _check(
        "machine",
        True,
        False,
        f"{cores} cores, {memory.total / 2**30:.1f} GiB of memory, {memory.available / 2**30:.1f} free",
    )


def _disk(folder: Path) -> dict[str, Any]:
    place = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
    free = shutil.disk_usage(place).free
    detail = f"{free / 2**30:.1f} GiB free at {place}"
    return _check(
        "disk",
        free >= ROOM_BYTES,
        True,
        detail if free >= ROOM_BYTES else detail + "; runs need at least 2 GiB",
    )


def _store(folder: Path) -> dict[str, Any]:
    try:
        count = len(Store(folder).runs())
    except StoreError as error:
        return _check("store", False, True, str(error))
    return _check("store", True, True, f"{count} runs in {folder}")
