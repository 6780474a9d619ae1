"""Looks after one worker from outside it: cancels by a ladder, notices hangs, caps the log, leaves nobody behind.

It belongs to no page: it is orphaned on purpose and ends when its run has a final state.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from workbench import outcome, warm
from workbench.outcome import Ending
from workbench.process import (
    Identity,
    become_subreaper,
    descendants,
    group_members,
    identity,
    is_alive,
    signal_group,
)
from workbench.result import Reason
from workbench.store import Pulse, Store, StoreError

LOG = "worker.log"
PROCESSES = "processes.json"


@dataclass(frozen=True)
class Limits:
    """When a run is helped along. Cancelling: asked, then SIGTERM after `ask_seconds`, SIGKILL after
    `terminate_seconds` more. `wall_seconds` bounds the whole attempt, where set."""

    ask_seconds: float = 10.0
    terminate_seconds: float = 20.0
    no_progress_seconds: float = 900.0
    wall_seconds: float | None = None
    log_bytes: int = 20_000_000


@dataclass(frozen=True)
class Order:
    """Which run to work on and how. `work` is `module:function`, called as the worker's docstring says."""

    store: str
    run_id: str
    attempt: int
    threads: int
    device: str
    work: str
    limits: Limits = field(default_factory=Limits)


def launch(order: Order) -> None:
    """Leave an orphan that looks after the run, and return. Called in a process that may fork."""
    if os.fork() == 0:
        try:
            os.setsid()
            _supervise(order)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)


def _supervise(order: Order) -> None:
    folder = Path(order.store) / "runs" / order.run_id
    folder.mkdir(parents=True, exist_ok=True)
    outcome.clear(folder)
    _redirect(folder / LOG)
    warm.detach()
    become_subreaper()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    may_start, say_start = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(say_start)
        _become_worker(order, folder, may_start)
    os.close(may_start)
    store, who = Store(order.store), identity(pid)
    if who is None or not store.adopt(order.run_id, order.attempt, who, order.threads, order.device):
        os.close(say_start)  # the run was cancelled or taken over meanwhile: the worker ends by itself
        os.waitpid(pid, 0)
        return
    outcome.write_json(folder / PROCESSES, {"worker": who, "supervisor": identity(os.getpid())})
    os.write(say_start, b"!")
    os.close(say_start)
    ending = _Watch(order, store, folder, who).until_end()
    _clear_away(who)
    with contextlib.suppress(OSError):
        outcome.write_ending(folder, ending)
    _settle(store, order, ending)


def _become_worker(order: Order, folder: Path, may_start: int) -> None:
    code = 1
    try:
        os.setpgid(0, 0)
        from workbench import worker

        if os.read(may_start, 1):
            os.close(may_start)
            code = worker.main(order, folder)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


class _Watch:
    """The supervisor's loop over one worker."""

    def __init__(self, order: Order, store: Store, folder: Path, who: Identity) -> None:
        self.order, self.store, self.folder, self.who = order, store, folder, who
        self.started = self.moved = time.monotonic()
        self.seen: tuple[int, int] = (-1, -1)
        self.asked: float | None = None
        self.sent: set[signal.Signals] = set()
        self.cause: Reason | None = None

    def until_end(self) -> Ending:
        while True:
            status = _reap(self.who[0])
            cap_log(self.folder / LOG, self.order.limits.log_bytes)
            if status is not None:
                code = os.waitstatus_to_exitcode(status)
                died = -code if code < 0 else None
                return Ending(None if died else code, died, self.cause)
            with contextlib.suppress(StoreError):  # a full or busy disk must not end the watch
                self._look(self.store.pulse(self.order.run_id), time.monotonic())
            _wait_for_child(0.25)

    def _look(self, pulse: Pulse | None, now: float) -> None:
        limits = self.order.limits
        if pulse is None or pulse.cancel_requested:
            self._step_down(now)
            return
        # The log counts as progress too: a slow download speaks only there.
        sign = (pulse.changed, _size(self.folder / LOG))
        if sign != self.seen:
            self.seen, self.moved = sign, now
        if now - self.moved > limits.no_progress_seconds:
            self._stop("no_progress", f"No progress for {_duration(limits.no_progress_seconds)}: stopped.")
        elif limits.wall_seconds and now - self.started > limits.wall_seconds:
            self._out_of_time(limits.wall_seconds)

    def _step_down(self, now: float) -> None:
        """The ladder: the worker has been asked by the store; then SIGTERM, then SIGKILL, to the whole group."""
        if self.asked is None:
            self.asked = now
        waited, limits = now - self.asked, self.order.limits
        if waited >= limits.ask_seconds + limits.terminate_seconds:
            self._kill()
        elif waited >= limits.ask_seconds and signal.SIGTERM not in self.sent:
            self.sent.add(signal.SIGTERM)
            signal_group(self.who, signal.SIGTERM)

    def _out_of_time(self, seconds: float) -> None:
        """Down the ladder like a cancelled run, so that it may put its things in order; the cause says why."""
        text = f"Stopped at the limit of {_duration(seconds)} for one run. Resume goes on from its last checkpoint."
        self.cause = Reason("error", text)
        self.store.request_cancel(self.order.run_id)

    def _stop(self, code: str, sentence: str) -> None:
        if self.cause is None:
            self.cause = Reason(code, sentence + " The log shows where it stood.")
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.who[0], signal.SIGUSR1)  # our own child, not yet reaped: nobody else has its pid
            time.sleep(1)
        self._kill()

    def _kill(self) -> None:
        signal_group(self.who, signal.SIGKILL)


def _clear_away(who: Identity) -> None:
    """Kill whatever the worker left, in its group or out of it, until nothing of it lives."""
    while left := {p.pid for p in descendants(os.getpid())} | {p.pid for p in group_members(who[0])}:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        _reap(0)
        time.sleep(0.02)
    _reap(0)


def _settle(store: Store, order: Order, ending: Ending) -> None:
    """A full disk may be cleared in a while; what can't be written now is written by the next page's reconcile."""
    for pause in (0.5, 1, 2, 5, 10, 20, 40, 60, 0):
        try:
            outcome.settle(store, order.run_id, order.attempt, ending)
            return
        except StoreError:
            traceback.print_exc()
            time.sleep(pause)


def _reap(worker: int) -> int | None:
    """Take the exit statuses of all children that have ended; the worker's is returned."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == worker:
            found = status


def _wait_for_child(seconds: float) -> None:
    """Sleep, but not past the end of a child where the system can tell."""
    if sys.platform == "linux":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        signal.sigtimedwait({signal.SIGCHLD}, seconds)
    else:
        time.sleep(seconds)


# -- the log -----------------------------------------------------------------------------------------------------


def _redirect(path: Path) -> None:
    """Input from nowhere, output to the log: never to a pipe, which blocks when nobody reads it."""
    nowhere = os.open(os.devnull, os.O_RDONLY)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((nowhere, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  for the life of the process, as the two below
    for name, number in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, open(number, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False))  # noqa: SIM115


def cap_log(path: Path, limit: int) -> None:
    """Above `limit` keep the last quarter. The writers append, so they go on behind it."""
    if _size(path) <= limit:
        return
    with contextlib.suppress(OSError), open(path, "r+b") as file:
        file.seek(-(limit // 4), os.SEEK_END)
        kept = file.read(limit // 4)
        file.truncate(0)
        file.seek(0)
        file.write(b"... older lines were removed ...\n" + kept.partition(b"\n")[2])


def read_log(folder: Path, limit: int = 20_000) -> str:
    """The end of a run's log, access tokens struck out. Empty when there is none."""
    try:
        with open(folder / LOG, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - limit))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return re.sub(r"hf_[A-Za-z0-9]{8,}", "hf_...", text)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _duration(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"


# -- for those who come later ------------------------------------------------------------------------------------


def supervisor_lives(folder: Path, worker: Identity) -> bool:
    """Is the supervisor that was written down together with this worker still there?"""
    who = _processes(folder)
    return bool(who and who[0] == tuple(worker) and is_alive(who[1]))


def session_of(folder: Path, worker: Identity) -> int | None:
    """The session in which this worker's processes live: its supervisor's."""
    who = _processes(folder)
    return who[1][0] if who and who[0] == tuple(worker) else None


def _processes(folder: Path) -> tuple[Identity, Identity] | None:
    values = outcome.read_json(folder / PROCESSES)
    if not values or not values.get("worker") or not values.get("supervisor"):
        return None
    worker, supervisor = values["worker"], values["supervisor"]
    return (worker[0], worker[1], worker[2]), (supervisor[0], supervisor[1], supervisor[2])
