"""Checkpoints that can be trusted: a COMPLETE marker is written last, and lists every file with its size.

transformers takes the checkpoint with the highest number, torn or not; here the newest complete one is taken.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

MARKER = "COMPLETE"
NAME = re.compile(r"checkpoint-(\d+)")


def mark_complete(folder: Path) -> None:
    """Everything in `folder` is on the disk: say so, atomically."""
    sizes = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MARKER):
        _to_disk(path)
        sizes[str(path.relative_to(folder))] = path.stat().st_size
    part = folder / f".{MARKER}"
    part.write_text(json.dumps(sizes), encoding="utf-8")
    _to_disk(part)
    os.replace(part, folder / MARKER)
    _to_disk(folder)


def is_complete(folder: Path) -> bool:
    """The marker is there and every file it lists has its size."""
    try:
        sizes = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return bool(sizes) and all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def newest_complete(folder: Path) -> tuple[Path | None, list[Path]]:
    """The checkpoint to go on from, if any, and the torn ones that are newer."""
    torn: list[Path] = []
    for path in sorted(_all(folder), key=_step, reverse=True):
        if is_complete(path):
            return path, torn
        torn.append(path)
    return None, torn


def keep_newest(folder: Path, count: int) -> None:
    """Delete all but the newest `count`."""
    for path in sorted(_all(folder), key=_step, reverse=True)[count:]:
        shutil.rmtree(path, ignore_errors=True)


def link(source: Path, target: Path) -> None:
    """The same file under a second name, copied where the file system has no hard links."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _all(folder: Path) -> list[Path]:
    return [p for p in folder.glob("checkpoint-*") if NAME.fullmatch(p.name) and p.is_dir()]


def _step(folder: Path) -> int:
    found = NAME.fullmatch(folder.name)
    return int(found.group(1)) if found else -1


def _to_disk(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
