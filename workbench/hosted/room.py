"""How much of the store's disk each visitor holds, and the refusal of more than a share."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.hosted.limits import MEGABYTE, Limits

if TYPE_CHECKING:
    from workbench.store import Store

REMEMBERED_SECONDS = 30.0
_sizes: dict[tuple[str, str | None], tuple[float, int]] = {}
_lock = threading.Lock()


def check(store: Store, owner: str, limits: Limits, *, more: int = 0) -> None:
    """ValueError where `more` bytes would be too many for this visitor, or for the whole page."""
    own = bytes_of(store, owner)
    if own + more > limits.store_megabytes * MEGABYTE:
        raise ValueError(
            f"Your files and runs here take {own / MEGABYTE:,.0f} MB, and this shared page keeps"
            f" {limits.store_megabytes:,} MB for a visitor: delete runs on the Compare tab first, or run the workbench on"
            " your own machine."
        )
    if all_bytes(store) + more > limits.store_all_megabytes * MEGABYTE:
        raise ValueError(
            f"This shared page keeps {limits.store_all_megabytes:,} MB for all its visitors, and they are in use: try again"
            " tomorrow, when old runs have been removed, or run the workbench on your own machine."
        )


def bytes_of(store: Store, owner: str) -> int:
    """The folders of a visitor's runs, uploads, ratings and shared reports."""

    def measure() -> int:
        runs = sum(folder_bytes(store.run_folder(run_id)) for run_id in store.ids_of(owner))
        return runs + sum(map(folder_bytes, own_folders(store, owner)))

    return _remembered(store, owner, measure)


def all_bytes(store: Store) -> int:
    """The whole store: database, runs, uploads and prepared data."""
    return _remembered(store, None, lambda: folder_bytes(store.folder))


def own_folders(store: Store, owner: str) -> list[Path]:
    """Where a visitor's own files lie besides the runs."""
    return [store.folder / kind / (owner or "own") for kind in ("uploads", "feedback", "shared")]


def folder_bytes(folder: Path | str) -> int:
    """Sizes of all files below, links not followed; files that go meanwhile count as gone."""
    total, open_folders = 0, [str(folder)]
    while open_folders:
        try:
            with os.scandir(open_folders.pop()) as entries:
                for entry in entries:
                    try:
                        if entry.is_dir(follow_symlinks=False):
                            open_folders.append(entry.path)
                        else:
                            total += entry.stat(follow_symlinks=False).st_size
                    except FileNotFoundError:
                        continue
        except (FileNotFoundError, NotADirectoryError):
            continue
    return total


def forget() -> None:
    """After something large came or went: measure anew."""
    with _lock:
        _sizes.clear()


def _remembered(store: Store, owner: str | None, measure: Callable[[], int]) -> int:
    key, now = (str(store.folder), owner), time.monotonic()
    with _lock:
        known = _sizes.get(key)
        if known and now - known[0] < REMEMBERED_SECONDS:
            return known[1]
    size = measure()
    with _lock:
        if len(_sizes) > 10_000:
            _sizes.clear()
        _sizes[key] = (now, size)
    return size
