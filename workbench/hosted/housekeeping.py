"""What a shared page does by itself now and then: removes old runs, and copies its store where that is wanted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.hosted import contents, removal
from workbench.hosted.cleanup import clean, make_room
from workbench.hosted.limits import load_limits
from workbench.hosted.snapshot import holds_runs, restore_snapshot, write_snapshot

if TYPE_CHECKING:
    from workbench.store import Store

log = logging.getLogger(__name__)
EVERY_SECONDS = 600.0
# Runs of visitors who removed everything go as soon as they have stopped.
REMOVAL_SECONDS = 3.0


class Housekeeper:
    """`trouble` holds a sentence while something of it fails; the next round tries again."""

    def __init__(self, store: Store, every: float = EVERY_SECONDS) -> None:
        self.store, self.every = store, every
        self._troubles: dict[str, str] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._copied_at = time.monotonic()
        self._copied: tuple[object, ...] | None = None

    @property
    def trouble(self) -> str | None:
        return next(iter(self._troubles.values()), None)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name="workbench-housekeeping", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """What is being copied is copied to its end; a last copy is made where something has changed."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._guarded(self._copy)

    def round(self) -> None:
        """Once through everything."""
        limits = load_limits()
        swept = clean(self.store, keep_days=limits.keep_days)
        if swept.bytes or swept.runs:
            log.info(swept.sentence())
        make_room(self.store, limits)
        if time.monotonic() - self._copied_at >= limits.snapshot_minutes * 60:
            self._copy()

    def _copy(self) -> None:
        path = load_limits().snapshot_file
        version = (*self.store.version(), contents.state(self.store.folder)) if path else None
        if path and version != self._copied:
            write_snapshot(self.store, Path(path).expanduser())
            self._copied, self._copied_at = version, time.monotonic()

    def _loop(self) -> None:
        due = time.monotonic() + self.every
        while not self._stopping.wait(min(REMOVAL_SECONDS, self.every)):
            self._guarded(self._remove_stopped)
            if time.monotonic() >= due:
                self._guarded(self.round)
                due = time.monotonic() + self.every

    def _remove_stopped(self) -> None:
        removal.remove_stopped(self.store)

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
            self._troubles.pop(action.__name__, None)
        except Exception as error:
            log.exception("housekeeping stumbled")
            self._troubles[action.__name__] = (
                f"Old runs could not be removed or the store not copied ({type(error).__name__})."
            )


def bring_back(folder: Path) -> str | None:
    """Where the settings name a snapshot and the store is empty: the store from it. Returns what was restored."""
    named = load_limits().snapshot_file
    path = Path(named).expanduser()
    if not named or not path.is_file() or holds_runs(folder):
        return None
    return restore_snapshot(path, folder).sentence()
