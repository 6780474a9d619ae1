"""Removes what a store need not keep: old runs and uploads, rows that no run uses, expired reports, what nobody owns."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import bases
from workbench.hosted import removal, room
from workbench.hosted.limits import MEGABYTE, Limits, load_limits
from workbench.hosted.shared import expired
from workbench.result import ACTIVE_STATES, Run

if TYPE_CHECKING:
    from workbench.store import Store

DAY = 24 * 3600.0
# What is written now may be registered in a moment: nothing younger than this is an orphan.
ORPHAN_SECONDS = 3600.0


@dataclass(frozen=True)
class Swept:
    """What went, or would go: ids of runs, and files and folders by their place in the store."""

    runs: tuple[str, ...]
    uploads: tuple[str, ...]
    data: tuple[str, ...]
    shared: tuple[str, ...]
    orphans: tuple[str, ...]
    bytes: int

    def sentence(self, would: bool = False) -> str:
        return (
            f"{'Would remove' if would else 'Removed'} {len(self.runs)} runs, {len(self.uploads)} uploads,"
            f" {len(self.data)} prepared data sets, {len(self.shared)} shared reports and {len(self.orphans)} leftovers:"
            f" {self.bytes / MEGABYTE:,.1f} MB."
        )


def clean(store: Store, *, keep_days: float, dry_run: bool = False, now: float | None = None) -> Swept:
    """Remove what is older than so many days (0: nothing goes for its age alone) and what nobody owns."""
    now = time.time() if now is None else now
    before = now - keep_days * DAY if keep_days else 0.0
    runs = [
        run
        for run in _ended(store)
        if (run.ended_at or run.created_at) < before or run.owner == removal.NOBODY
    ]
    gone = {run.id for run in runs}
    kept = [run.spec.setting for run in store.runs(limit=1_000_000) if run.id not in gone]
    used = {setting.data.fingerprint for setting in kept}
    places = {
        "uploads": [place for place in _places(store.folder / "uploads", 2) if _touched(place) < before],
        "data": [
            place
            for place in _places(store.folder / "data", 1)
            if place.name not in used and _touched(place) < (before or now - DAY)
        ],
        "shared": expired(store, load_limits(), now),
        "orphans": [*_orphans(store, now), *_unread(store, {setting.id for setting in kept}, before)],
    }
    found = [place for kind in places.values() for place in kind]
    size = sum(map(_bytes, (*(store.run_folder(run.id) for run in runs), *found)))
    if not dry_run:
        for run in runs:
            store.delete(run.id)
        for place in found:
            _remove(place)
        store.drop_unused()
        room.forget()
    named = {kind: tuple(str(p.relative_to(store.folder)) for p in found) for kind, found in places.items()}
    return Swept(tuple(run.id for run in runs), bytes=size, **named)


def _orphans(store: Store, now: float) -> list[Path]:
    """Folders of runs that are in no record."""
    known = set(store.all_ids())
    return [
        place
        for place in _places(store.folder / "runs", 1)
        if place.name not in known and _touched(place) < now - ORPHAN_SECONDS
    ]


def _unread(store: Store, settings: set[str], before: float) -> list[Path]:
    """Old votes and answers to files of prompts on settings that have no run any more: no page shows them."""
    files = [*(store.folder / "votes").glob("*.jsonl"), *_places(store.folder / "prompt_sets", 1)]
    return [place for place in files if place.stem not in settings and _touched(place) < before]


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _bytes(place: Path) -> int:
    return place.stat().st_size if place.is_file() else room.folder_bytes(place)


def make_room(store: Store, limits: Limits) -> int:
    """Where the whole page holds more than it may, prepared rows that no run uses go before their time. Returns bytes."""
    over = room.all_bytes(store) - limits.store_all_megabytes * MEGABYTE
    if over <= 0:
        return 0
    used = {setting.data.fingerprint for setting, _ in store.settings()}
    idle = [place for place in _places(store.folder / "data", 1) if place.name not in used]
    freed = 0
    for place in sorted(idle, key=_touched):
        if freed >= over or _touched(place) > time.time() - ORPHAN_SECONDS:
            break
        freed += room.folder_bytes(place)
        shutil.rmtree(place, ignore_errors=True)
    room.forget()
    return freed


def _ended(store: Store) -> list[Run]:
    """Runs that may go: not those that a waiting run goes on from."""
    active = store.runs(states=ACTIVE_STATES)
    needed = {one for run in active for one in bases.named(run.spec.setting.model)}
    return [
        run for run in store.runs(limit=1_000_000) if run.state not in ACTIVE_STATES and run.id not in needed
    ]


def _places(folder: Path, depth: int) -> Iterable[Path]:
    """The folders at that depth; links are nobody's."""
    found = [
        one for one in (folder.iterdir() if folder.is_dir() else ()) if one.is_dir() and not one.is_symlink()
    ]
    return found if depth == 1 else [place for one in found for place in _places(one, depth - 1)]


def _touched(place: Path) -> float:
    try:
        return place.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
