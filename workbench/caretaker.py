"""Sees to runs whose processes are gone: those of an earlier page, of a killed supervisor, of a machine that restarted."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

from workbench import outcome, supervisor
from workbench.process import boot_id, is_alive, signal_group
from workbench.result import Reason, Run
from workbench.store import Store
from workbench.supervisor import Limits

# A run that was claimed gets a worker within this time, a cold start on a busy machine included.
START_SECONDS = 60.0
START_ATTEMPTS = 3
# What a supervisor needs on top of its ladder before somebody else does its work.
GRACE_SECONDS = 5.0


class Caretaker:
    """What the owner of the queue knows of the active runs: since when each has been in an odd state."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self.store, self.limits = store, limits
        self._since: dict[tuple[str, int, str], float] = {}
        self._orphans: set[int] = set()

    def see_to(self, active: Sequence[Run]) -> None:
        """Adopt, settle, lose, requeue or kill: one look at each run that is starting or running."""
        keys = {(run.id, run.attempt) for run in active}
        self._since = {k: v for k, v in self._since.items() if k[:2] in keys}
        for run in active:
            self._see_to(run)
            self._note_orphan(run)

    def _see_to(self, run: Run) -> None:
        """Nothing, as long as a run's supervisor does its work. Its places are taken here once it is gone."""
        if run.identity is None:
            if self._lasting(run, "unstarted") > START_SECONDS:
                self._give_up_start(run)
            return
        folder = self.store.run_folder(run.id)
        if run.identity[2] != boot_id():
            text = "The machine was restarted while the run was going. Resume or retry it."
            self.store.change_state(run.id, "lost", reason=Reason("lost", text), attempt=run.attempt)
        elif not is_alive(run.identity):
            if (
                supervisor.supervisor_lives(folder, run.identity)
                and self._lasting(run, "dead") < GRACE_SECONDS
            ):
                return
            session = supervisor.session_of(folder, run.identity)
            if signal_group(run.identity, signal.SIGKILL, session=session):
                return  # looked at again in a moment: final means that nothing of it lives
            outcome.settle(self.store, run.id, run.attempt)
        elif run.cancel_requested and self._lasting(run, "cancelling") > self._patience:
            signal_group(run.identity, signal.SIGKILL)

    @property
    def _patience(self) -> float:
        return self.limits.ask_seconds + self.limits.terminate_seconds + GRACE_SECONDS

    def _lasting(self, run: Run, what: str) -> float:
        """Since when this process has seen it so: no clock but our own is believed."""
        now = time.monotonic()
        return now - self._since.setdefault((run.id, run.attempt, what), now)

    def _give_up_start(self, run: Run) -> None:
        if run.cancel_requested:
            self.store.change_state(
                run.id,
                "cancelled",
                reason=Reason("cancelled", "Cancelled before it started."),
                attempt=run.attempt,
            )
        elif run.attempt < START_ATTEMPTS:
            self.store.change_state(run.id, "queued", come_from=("starting",), attempt=run.attempt)
        else:
            text = "No worker process could be started. The log has the details."
            self.store.change_state(run.id, "failed", reason=Reason("environment", text), attempt=run.attempt)

    def _note_orphan(self, run: Run) -> None:
        """Where the page is process 1 of a container, supervisors become its children, and it must reap them."""
        if os.getpid() != 1 or run.identity is None:
            return
        if session := supervisor.session_of(self.store.run_folder(run.id), run.identity):
            self._orphans.add(session)
        for pid in list(self._orphans):
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            self._orphans.discard(pid)
