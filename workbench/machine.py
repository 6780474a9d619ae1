"""What this machine has, and how much of it one run takes. From machine and model alone, never from the queue's length,
so that a run gets the same threads, and so the same numbers, from the page and from the command line."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import bases
from workbench.home import shipped

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
    kind, _, name = model.partition(":")
    if (runs := bases.named(model)) and store is not None:
        with contextlib.suppress(KeyError):
            return parameters(store.run(runs[0]).spec.setting.model, store)
        return None
    path = _config(kind, name, model)
    try:
        return _count(json.loads(path.read_text(encoding="utf-8"))) if path else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _config(kind: str, name: str, model: str) -> Path | None:
    known = [shipped("assets") / "architectures" / f"{model.rpartition('/')[2]}.json"]
    if kind == "embedded":
        known = [shipped("assets") / "models" / name / "config.json"]
    elif Path(model).is_dir():
        known = [Path(model) / "config.json"]
    for path in known:
        if path.is_file():
            return path
    if kind == "embedded" or Path(model).is_absolute():
        return None
    # On the Hub: the config is a few hundred bytes and is needed for the run anyway.
    try:
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(model, "config.json", etag_timeout=5))
    except Exception:  # offline, gated, misspelt: the run itself says which
        return None


def _count(config: Mapping[str, Any]) -> int:
    """Weights of a transformer, to within a tenth or two: enough to tell small from large."""

    def first(*names: str) -> Any:
        return next((config[n] for n in names if config.get(n)), None)

    width = first("hidden_size", "n_embd", "dim", "d_model")
    layers = first("num_hidden_layers", "n_layer", "n_layers", "num_layers")
    if isinstance(config.get("text_config"), Mapping) and not width:
        return _count(config["text_config"])
    inner = first("intermediate_size", "n_inner", "d_ff", "hidden_dim") or 4 * width
    heads = first("num_attention_heads", "n_head", "n_heads") or 1
    shared = (config.get("num_key_value_heads") or heads) / heads
    gated = config.get("hidden_act") in ("silu", "swish") or "gated" in str(config.get("feed_forward_proj"))
    block = (2 + 2 * shared) * width * width + (3 if gated else 2) * width * inner
    embeddings = config["vocab_size"] * (config.get("embedding_size") or width)
    return int(embeddings + layers * block * (config.get("num_local_experts") or 1))
