"""Keeps what was found inside a finished run as JSON in its folder, fresh for these versions or not there at all.

Light: the page reads records with it; what fills them is in inside.py.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RECORD, PROGRESS = "inside.json", "inside.progress"
LIBRARIES = ("torch", "transformers", "peft")
SOURCES = (
    "inside.py",
    "inside_open.py",
    "inside_weights.py",
    "inside_states.py",
    "saving.py",
    "architecture.py",
)

Document = dict[str, Any]


def read(folder: Path, name: str = RECORD) -> Document | None:
    """The record, or None where there is none or other versions wrote it."""
    with contextlib.suppress(OSError, ValueError):  # missing or torn: look again
        found = json.loads((folder / name).read_text(encoding="utf-8"))
        if found.get("versions") == versions():
            return dict(found)
    return None


def write(folder: Path, document: Mapping[str, Any], name: str = RECORD) -> Document:
    """Keep the record; a folder that can't be written costs time the next time, not the answer."""
    kept = {**document, "versions": versions()}
    with contextlib.suppress(OSError):
        partial = folder / f".{name}.{uuid.uuid4().hex[:8]}"
        partial.write_text(json.dumps(kept, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        os.replace(partial, folder / name)
    return kept


def say_progress(folder: Path, share: float) -> None:
    """How far the look is, from 0 to 1, for whoever waits in another process."""
    with contextlib.suppress(OSError):
        (folder / PROGRESS).write_text(f"{share:.3f}", encoding="utf-8")


def progress(folder: Path) -> float | None:
    """The same, read; None before the first word."""
    with contextlib.suppress(OSError, ValueError):
        return float((folder / PROGRESS).read_text(encoding="utf-8"))
    return None


def end_progress(folder: Path) -> None:
    (folder / PROGRESS).unlink(missing_ok=True)


@functools.cache
def versions() -> str:
    """Changes with the libraries and with the code that looks."""
    found = [importlib.metadata.version(name) for name in LIBRARIES]
    digest = hashlib.sha256(repr(found).encode())
    for name in SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:16]
