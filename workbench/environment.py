"""What a run was measured on: a number without its conditions is not a result."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import workbench

LIBRARIES = (
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "torchao",
    "accelerate",
    "datasets",
    "safetensors",
    "scikit-learn",
)


def environment(device: str, precision: str) -> dict[str, Any]:
    """Versions, device, threads and precision, as plain JSON values."""
    import torch

    return {
        "workbench": workbench.__version__,
        "code_revision": code_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else _cpu_name(),
        "device_kind": device.split(":")[0],
        "threads": torch.get_num_threads(),
        "precision": precision,
    }


def code_revision() -> str | None:
    """The commit of a git checkout, with `+` where files differ from it; None when installed."""
    root = Path(workbench.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
