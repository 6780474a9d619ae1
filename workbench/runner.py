"""Looks after the queue: starts runs where the machine has room, adopts or settles those of an earlier page, cancels.

One process per store owns the queue (a lock that the kernel frees with it); others watch, and one takes over when the
owner goes. Running runs belong to nobody: each has a supervisor of its own.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO

from workbench import bases, machine, supervisor, turns, warm
from workbench.caretaker import Caretaker
from workbench.result import Reason, Run
from workbench.store import RESUMABLE_STATES, Store, StoreError
from workbench.supervisor import Limits, Order
from workbench.worker import WORK

log = logging.getLogger(__name__)


class Runner:
    """The queue of one store. `slots` (or WORKBENCH_SLOTS) says how many runs at once; else cores and memory do."""

    def __init__(
        self,
        store: Store,
        *,
        slots: int | None = None,
        work: str = WORK,
        limits: Limits | None = None,
        poll: float = 0.2,
    ) -> None:
        self.store, self.work, self.poll = store, work, poll
        self.slots = _slots(slots)
        self.limits = limits or turns.run_limits()
        self.trouble: str | None = None
        self._lock_file: IO[str] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._warm = threading.Event()
        self._caretaker = Caretaker(store, self.limits)
        self._sizes: dict[str, int | None] = {}

    # -- what a person does ----------------------------------------------------------------------------------------

    def cancel(self, run_id: str) -> bool:
        """Ask a run to stop; its supervisor sees to it that it does. False when it had ended before."""
        return self.store.request_cancel(run_id)

    def retry(self, run_id: str) -> str:
        """Queue the same run again from its beginning: a new run that names the old one, and with it those that failed for
        want of the old one."""
        run = self.store.run(run_id)
        if not run.is_final:
            raise ValueError(f"run {run.id} is {run.state}: only a run that has ended can be retried")
        new = self.store.add([run.spec], owner=run.owner, name=run.name, retry_of=run.id)[0]
        bases.add_again(self.store, run.id, new)
        return new

    def resume(self, run_id: str) -> str:
        """Queue a run that broke off again: it keeps its id and goes on from its newest complete checkpoint."""
        run = self.store.run(run_id)
        if not self.store.queue_again(run.id):
            wanted = ", ".join(RESUMABLE_STATES)
            raise ValueError(
                f"run {run.id} is {self.store.run(run.id).state}: only a {wanted} run can be resumed"
            )
        bases.queue_again(self.store, run.id)
        return run.id

    def pause(self) -> None:
        """Start no queued run, on any page, until `unpause`; what runs goes on."""
        self.store.pause(True)

    def unpause(self) -> None:
        self.store.pause(False)

    def log(self, run_id: str, limit: int = 20_000) -> str:
        """The end of a run's log."""
        return supervisor.read_log(self.store.run_folder(run_id), limit)

    def wait(
        self,
        run_ids: Sequence[str],
        *,
        poll: float = 0.2,
        on_change: Callable[[list[Run]], None] | None = None,
        timeout: float | None = None,
    ) -> list[Run]:
        """Return the runs once all have ended (or were deleted). `on_change` gets them whenever something changed.

        Where nobody owns the queue, runs that broke off are settled on the way; queued ones wait for `start`.
        """
        until = None if timeout is None else time.monotonic() + timeout
        seen: tuple[int, int, int] | None = None
        try:
            while True:
                if self._thread is None:
                    self._guarded(self._look_after)
                version = self.store.version()
                if version != seen:
                    seen, runs = version, self.store.runs(ids=run_ids)
                    if on_change is not None:
                        on_change(runs)
                    if all(run.is_final for run in runs):
                        return runs
                if until is not None and time.monotonic() > until:
                    raise TimeoutError(f"{sum(not r.is_final for r in runs)} runs have not ended")
                time.sleep(poll)
        finally:
            if self._thread is None:
                self._disown()

    def run_until(
        self, run_ids: Sequence[str], on_change: Callable[[list[Run]], None] | None = None
    ) -> list[Run]:
        """Start the queue, wait for these runs, stop."""
        self.start()
        try:
            return self.wait(run_ids, on_change=on_change)
        finally:
            self.stop()

    # -- the scheduler ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Look after the queue in a thread, from now on or from when its present owner goes."""
        if self._thread is None:
            self._stopping.clear()
            threading.Thread(target=self._warm_up, name="workbench-warm", daemon=True).start()
            self._thread = threading.Thread(target=self._loop, name="workbench-runner", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Give the queue up. Runs that have started go on."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._thread = None
        self._disown()

    @property
    def owns_queue(self) -> bool:
        return self._lock_file is not None

    def _warm_up(self) -> None:
        try:
            warm.ready()
        except (OSError, EOFError):
            log.warning("the warm parent did not start: runs start cold", exc_info=True)
        self._warm.set()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._guarded(self._tick)
            self._stopping.wait(self.poll if self.trouble is None else 10 * self.poll)

    def _guarded(self, action: Callable[[], object]) -> None:
        """The queue outlives a full disk and our own mistakes: `trouble` holds the sentence for the page."""
        try:
            action()
            self.trouble = None
        except StoreError as error:
            self.trouble = str(error)
        except Exception as error:
            log.exception("the queue stumbled")
            self.trouble = f"the queue stumbled: {type(error).__name__}: {error}"

    def _tick(self) -> None:
        if not self._look_after() or not self._warm.is_set() or self.store.is_paused():
            return
        while not self._stopping.is_set() and (chosen := self._next()):
            self._launch(*chosen)

    def _look_after(self) -> bool:
        """Own the queue if possible, and see to runs whose processes are gone. False when somebody else owns it."""
        if not self._own():
            return False
        self._caretaker.see_to(self.store.runs(states=("starting", "running")))
        return True

    def _own(self) -> bool:
        if self._lock_file is None:
            file = open(self.store.folder / "runner.lock", "a+")  # noqa: SIM115  held for as long as we own the queue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return False
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            self._lock_file = file
        return True

    def _disown(self) -> None:
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    # -- starting ------------------------------------------------------------------------------------------------

    def _next(self) -> tuple[Run, machine.Share, str] | None:
        """The head of the queue with its share and device, when the machine has room for it now."""
        head = self._head()
        if head is None:
            return None
        active = self.store.runs(states=("starting", "running"))
        wanted, device = self._share(head), "cpu"
        if self.slots is not None and len(active) >= self.slots:
            return None
        if machine.gpus():
            taken = {run.device for run in active}
            free = [f"cuda:{name}" for name in machine.gpus() if f"cuda:{name}" not in taken]
            if not free:
                return None
            device = free[0]
        elif active and not self._fits(wanted, active):
            return None
        return head, wanted, device

    def _head(self) -> Run | None:
        """The first queued run that can start, of the owner whose turn it is."""
        for owner in turns.order(self.store.turns()):
            if (run := self._first_of(owner)) is not None:
                return run
        return None

    def _first_of(self, owner: str) -> Run | None:
        """The first of an owner's that can start. Those whose base will never be there end here."""
        for limit in (1, 10_000):
            for run in self.store.runs(states=("queued",), owner=owner, limit=limit):
                if (reason := bases.why_never(self.store, run)) is not None:
                    self.store.change_state(run.id, "failed", reason=reason, come_from=("queued",))
                elif not bases.waits(self.store, run):
                    return run
        return None

    def _fits(self, wanted: machine.Share, active: Sequence[Run]) -> bool:
        taken = [self._share(run) for run in active]
        memory = wanted.memory_bytes + sum(s.memory_bytes for s in taken)
        threads = wanted.threads + sum(s.threads for s in taken)
        # Slots asked for by name override the cores, never the memory.
        return memory <= 0.8 * machine.memory_bytes() and (
            self.slots is not None or threads <= machine.cores()
        )

    def _share(self, run: Run) -> machine.Share:
        model = run.spec.setting.model
        if model not in self._sizes:
            self._sizes[model] = machine.parameters(model, self.store)
        return machine.share(self._sizes[model], machine.cores())

    def _launch(self, run: Run, wanted: machine.Share, device: str) -> None:
        claimed = self.store.claim(run.id)
        if claimed is None:
            return
        free = shutil.disk_usage(self.store.folder).free
        if free < wanted.disk_bytes:
            text = f"The disk has {free / 1e9:.1f} GB left, the run's checkpoints may need {wanted.disk_bytes / 1e9:.1f} GB."
            self.store.change_state(run.id, "failed", reason=Reason("disk", text), attempt=claimed.attempt)
            return
        order = Order(
            str(self.store.folder), run.id, claimed.attempt, wanted.threads, device, self.work, self.limits
        )
        try:
            code = warm.run(supervisor.launch, order)
        except (OSError, EOFError) as error:
            log.warning("run %s could not be started: %s", run.id, error)
            code = -1
        if code != 0:
            text = "No worker process could be started: the machine may be out of memory or processes."
            self.store.change_state(
                run.id, "failed", reason=Reason("environment", text), attempt=claimed.attempt
            )


def _slots(given: int | None) -> int | None:
    named = os.environ.get("WORKBENCH_SLOTS", "").strip()
    if given is None and named:
        if not named.isdigit():
            raise ValueError(f"WORKBENCH_SLOTS is a whole number from 1 up, not {named!r}")
        given = int(named)
    if given is not None and given < 1:
        raise ValueError(f"slots is a whole number from 1 up, not {given!r}")
    return given
