"""What this machine has, and how much of it one run takes. From machine and model alone, never from the queue's length,
so that a run gets the same threads, and so the same numbers, from the page and from the command line."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.model_config import WIDTH, config_of, first

if TYPE_CHECKING:
    from workbench.store import Store

SMALL, LARGE = 60_000_000, 1_000_000_000
# A model nobody could read a size of is taken for one of this size.
UNKNOWN = 150_000_000
PROCESS_BYTES = 1_200_000_000


@dataclass(frozen=True)
class Share:
    """What one run takes of the machine."""

    threads: int
    memory_bytes: int
    disk_bytes: int


def share(parameters: int | None, cores: int) -> Share:
    """Small models run best as many processes of one thread each, large ones as few processes of many."""
    size = parameters or UNKNOWN
    threads = 1 if size < SMALL else max(1, cores // 2) if size < LARGE else cores
    # Full fine-tuning in fp32: weights, gradients, two moments, and half of that again for activations.
    return Share(threads, PROCESS_BYTES + 24 * size, 100_000_000 + 2 * 12 * size)


@functools.cache
def cores() -> int:
    """Cores that this process may use: its affinity and its container's quota, not what the host has."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            found = min(found, max(1, int(quota) // int(period)))
    return found


@functools.cache
def memory_bytes() -> int:
    """Memory of the machine or of its container, whichever is less."""
    import psutil

    found: int = psutil.virtual_memory().total
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            found = min(found, int((Path("/sys/fs/cgroup") / name).read_text()))
    return found


@functools.cache
def gpus() -> tuple[str, ...]:
    """GPUs as CUDA_VISIBLE_DEVICES names them, asked of the driver: the page never starts CUDA itself."""
    if os.environ.get("WORKBENCH_DEVICE") == "cpu":
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name.strip() for name in visible.split(",") if name.strip() not in ("", "-1"))
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(str(n) for n in range(sum(line.startswith("GPU ") for line in listed.stdout.splitlines())))


def parameters(model: str, store: Store | None = None) -> int | None:
    """A model's size from its config alone, no library and no weights needed. None when there is none to read."""
    config = config_of(model, store, ask_hub=True)
    try:
        return _count(config) if config else None
    except (KeyError, TypeError):
        return None


def _count(config: Mapping[str, Any]) -> int:
    """Weights of a transformer, to within a tenth or two: enough to tell small from large."""
    if isinstance(config.get("text_config"), Mapping) and not first(config, *WIDTH):
        return _count(config["text_config"])
    width = first(config, *WIDTH)
    layers = first(config, "num_hidden_layers", "n_layer", "n_layers", "num_layers")
    inner = first(config, "intermediate_size", "n_inner", "d_ff", "hidden_dim") or 4 * width
    heads = first(config, "num_attention_heads", "n_head", "n_heads") or 1
    shared = (config.get("num_key_value_heads") or heads) / heads
    gated = config.get("hidden_act") in ("silu", "swish") or "gated" in str(config.get("feed_forward_proj"))
    block = (2 + 2 * shared) * width * width + (3 if gated else 2) * width * inner
    embeddings = config["vocab_size"] * (config.get("embedding_size") or width)
    return int(embeddings + layers * block * (config.get("num_local_experts") or 1))
