"""A lease on the machine's quiet: runs that work hold it shared, a latency measurement holds it alone.

A reader/writer lock over flock with a turnstile, so that a waiting writer is not starved. The kernel frees both
locks when their process dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PAUSE_SECONDS = 0.005


class LeaseTimeout(TimeoutError):
    """The machine did not become quiet in time."""


class Lease:
    """One holder's view of the lease in `folder`: each process, and each thread that wants one, makes its own.

    A writer shuts the turnstile and then waits for the room to empty; readers pass the turnstile to come in, and
    leave the room in `breathe` when they find it shut.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._files: dict[str, int] = {}
        self._pid = 0
        self._shared = False

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Work beside other runs; waits while a measurement holds the machine alone."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def breathe(self, should_stop: Callable[[], bool] | None = None) -> float:
        """Between two steps: let a waiting measurement go first. Returns the seconds waited, 0 nearly always."""
        if not self._shared:
            return 0.0
        if self._try("turnstile", fcntl.LOCK_EX):
            self._unlock("turnstile")
            return 0.0
        begun = time.monotonic()
        self._leave()
        self._enter(should_stop)
        return time.monotonic() - begun

    @contextlib.contextmanager
    def exclusive(self, timeout: float = 60.0) -> Iterator[None]:
        """Nothing else works now. LeaseTimeout when the others did not pause in time. A shared hold of one's own is
        given up for as long and taken again afterwards."""
        held = self._shared
        if held:
            self._leave()
        deadline = time.monotonic() + timeout
        try:
            self._wait("turnstile", fcntl.LOCK_EX, deadline)
            try:
                self._wait("room", fcntl.LOCK_EX, deadline)
                try:
                    yield
                finally:
                    self._unlock("room")
            finally:
                self._unlock("turnstile")
        finally:
            if held:
                self._enter()

    def close(self) -> None:
        """Let go of everything."""
        if self._pid == os.getpid():
            for file in self._files.values():
                os.close(file)
        self._files, self._shared = {}, False

    def _enter(self, should_stop: Callable[[], bool] | None = None) -> None:
        self._wait("turnstile", fcntl.LOCK_EX, None, should_stop)
        try:
            self._wait("room", fcntl.LOCK_SH, None, should_stop)
            self._shared = True
        finally:
            self._unlock("turnstile")

    def _leave(self) -> None:
        self._unlock("room")
        self._shared = False

    def _wait(
        self,
        name: str,
        kind: int,
        deadline: float | None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        # Polled, not blocked: flock knows no time-out, and a stopped run must not hang here.
        while not self._try(name, kind):
            if deadline is not None and time.monotonic() >= deadline:
                raise LeaseTimeout("the other runs on this machine did not pause in time for a measurement")
            if should_stop is not None and should_stop():
                return
            time.sleep(PAUSE_SECONDS)

    def _try(self, name: str, kind: int) -> bool:
        try:
            fcntl.flock(self._file(name), kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(self, name: str) -> None:
        fcntl.flock(self._file(name), fcntl.LOCK_UN)

    def _file(self, name: str) -> int:
        # A file opened before a fork would share its lock with the parent: each process opens its own.
        if self._pid != os.getpid():
            self._files, self._pid, self._shared = {}, os.getpid(), False
        if name not in self._files:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._files[name] = os.open(self.folder / f"{name}.lock", flags, 0o644)
        return self._files[name]
