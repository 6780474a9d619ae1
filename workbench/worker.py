"""Works on one run in a process of its own: joins training, which knows no store, with the store and the run's folder.

The work is `function(run, store, folder, emit, should_stop) -> Result`; tests put other functions in its place.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import outcome
from workbench.failure import reason_for
from workbench.result import Result, Run
from workbench.store import Store, StoreError

if TYPE_CHECKING:
    from workbench.supervisor import Order

Emit = Callable[..., None]
Work = Callable[[Run, Store, Path, Emit, Callable[[], bool]], Result]

WORK = "workbench.worker:train_run"
STEP_EVENTS = 200
PROGRESS_SECONDS = 0.5
ALIVE_SECONDS = 5.0


class Terminated(BaseException):
    """SIGTERM arrived: unwind now, whatever training is doing."""


def train_run(run: Run, store: Store, folder: Path, emit: Emit, should_stop: Callable[[], bool]) -> Result:
    """The work of a real run."""
    from workbench.also_test import also_score
    from workbench.data import load_prepared
    from workbench.lease import Lease
    from workbench.prediction import predict_run
    from workbench.search import train_searched

    prepared = load_prepared(store.data_folder(run.spec.setting.data.fingerprint))
    lease = Lease(store.folder / "lease")
    predicted = predict_run(run.spec, prepared, folder, lease=lease, store=store)
    result = train_searched(
        run.spec, prepared, folder, emit=emit, should_stop=should_stop, lease=lease, store=store
    )
    result = replace(result, **predicted)
    return also_score(run, store, folder, result, lease=lease, should_stop=should_stop)


def main(order: Order, folder: Path) -> int:
    """Work on the run and leave its outcome in the folder. Returns the exit code."""
    _settle_in()
    _choose_device(order.device)
    print(
        f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} attempt {order.attempt}, process {os.getpid()},"
        f" {order.threads} threads, {order.device}",
        flush=True,
    )
    stop: StopSign | None = None
    try:
        _set_threads(order.threads)
        store = Store(order.store)
        if not store.change_state(order.run_id, "running", come_from=("starting",), attempt=order.attempt):
            return 0
        run, stop = store.run(order.run_id), StopSign(store, order.run_id)
        result = _find(order.work)(run, store, folder, Recorder(store, order.run_id).emit, stop)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a complete result wins over a late cancel
        outcome.write_result(folder, result)
        return 0
    except Terminated:
        print("stopped by SIGTERM", flush=True)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)  # so that the exit status tells what happened
        return 1
    except BaseException as error:
        if stop is not None and stop.seen:
            print(f"stopped as asked ({type(error).__name__})", flush=True)
            return 0
        traceback.print_exc()
        return _leave(folder, error)


def _leave(folder: Path, error: BaseException) -> int:
    reason = reason_for(error)
    try:
        outcome.write_failure(folder, reason)
    except OSError:
        traceback.print_exc()
    return next((code for code, name in outcome.EXIT_CODES.items() if name == reason.code), 1)


class StopSign:
    """`should_stop`: asks the store at most twice a second, and shows on the way that training moves."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store, self.run_id = store, run_id
        self.seen = False
        self._asked = self._shown = -ALIVE_SECONDS

    def __call__(self) -> bool:
        now = time.monotonic()
        if self.seen or now - self._asked < PROGRESS_SECONDS:
            return self.seen
        self._asked = now
        with contextlib.suppress(StoreError):  # asked again in half a second
            pulse = self.store.pulse(self.run_id)
            self.seen = pulse is None or pulse.cancel_requested
            if now - self._shown >= ALIVE_SECONDS:
                self._shown = now
                self.store.progress(self.run_id, {})
        return self.seen


class Recorder:
    """Writes training's events to the store: every event but the steps, and of these at most some 200."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store, self.run_id = store, run_id
        self._kept = 0
        self._stride = 1
        self._last = 0
        self._moved = -PROGRESS_SECONDS

    def emit(self, kind: str, values: Mapping[str, Any], stage: str = "train") -> None:
        if kind == "step" and not self._keep(values):
            self._show(values)
            return
        try:
            self.store.add_event(self.run_id, kind, values, stage)
        except StoreError as error:
            if error.code != "busy" or kind != "step":
                raise
            print(f"a step was not recorded: {error}", flush=True)

    def _keep(self, values: Mapping[str, Any]) -> bool:
        step, steps = int(values.get("step") or 0), values.get("steps")
        if steps:
            stride = max(1, -(-int(steps) // STEP_EVENTS))
        else:
            # The number of steps is unknown with a budget of seconds: keep fewer and fewer.
            stride = self._stride = 2 ** (self._kept // (STEP_EVENTS // 4))
        if step != steps and self._last <= step < self._last + stride and self._kept:
            return False
        self._kept, self._last = self._kept + 1, step
        return True

    def _show(self, values: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if now - self._moved >= PROGRESS_SECONDS:
            self._moved = now
            with contextlib.suppress(StoreError):  # shown again with the next step
                self.store.progress(self.run_id, values)


def _find(work: str) -> Work:
    module, _, function = work.partition(":")
    found: Work = getattr(importlib.import_module(module), function)
    return found


def _settle_in() -> None:
    """Be a good neighbour: yield to the page, be the first to go when memory runs out, leave no core dump."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    signal.signal(signal.SIGTERM, _terminate)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)
    with contextlib.suppress(OSError):  # Linux only
        Path("/proc/self/oom_score_adj").write_text("1000")


def _terminate(number: int, frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def _choose_device(device: str) -> None:
    """Before CUDA starts: one GPU, or none."""
    kind, _, index = device.partition(":")
    os.environ["CUDA_VISIBLE_DEVICES"] = index if kind == "cuda" else ""


def _set_threads(count: int) -> None:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(count)
    # In a fork of the warm parent torch has read its variables long ago and must be told.
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
