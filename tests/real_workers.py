"""For tests that start real workers: a cold (quick) parent for them, a store with runs, and a look at who is left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from tests.store_writer import SETTING
from workbench.process import everyone
from workbench.runner import Runner
from workbench.spec import Choice, RunSpec
from workbench.store import Store
from workbench.supervisor import Limits

ROOT = Path(__file__).parents[1]
# A ladder that a test can wait for.
QUICK = Limits(ask_seconds=0.3, terminate_seconds=0.3, no_progress_seconds=60)


@pytest.fixture(scope="module")
def cold_parent() -> Iterator[None]:
    """The parent of workers without the heavy libraries: it starts in a tenth of a second instead of ten seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_PRELOAD", "none")
        forkserver._forkserver._stop()
        yield
        forkserver._forkserver._stop()


def specs(count: int = 1, method: str = "lora") -> list[RunSpec]:
    return [RunSpec(SETTING, Choice(method, {"r": 8}, 1e-3), seed) for seed in range(count)]


class Running:
    """A store with a runner whose runs do some work of tests.worker_targets."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.runners: list[Runner] = []

    def start(self, work: str, *, slots: int | None = 4, limits: Limits = QUICK) -> Runner:
        runner = Runner(
            self.store, work=f"tests.worker_targets:{work}", slots=slots, limits=limits, poll=0.05
        )
        self.runners.append(runner)
        runner.start()
        return runner

    def run(self, work: str, count: int = 1, method: str = "lora", **options):
        runner = self.start(work, **options)
        ids = self.store.add(specs(count, method))
        return runner.wait(ids, poll=0.05, timeout=30)

    def folder(self, run_id: str) -> Path:
        return self.store.run_folder(run_id)

    def close(self) -> None:
        for run in self.store.runs(states=("queued", "starting", "running")):
            self.store.request_cancel(run.id)
        until(lambda: not self.store.runs(states=("queued", "starting", "running")), 20)
        for runner in self.runners:
            runner.stop()


@pytest.fixture
def running(store: Store, cold_parent: None) -> Iterator[Running]:
    found = Running(store)
    try:
        yield found
    finally:
        found.close()


def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def alive(pids: list[int]) -> list[int]:
    return [p.pid for p in everyone() if p.pid in pids and not p.zombie]


def living_in(session: int) -> list[int]:
    return [p.pid for p in everyone() if p.session == session and not p.zombie]


def page(store: Store, work: str, limits: str = "") -> subprocess.Popen[bytes]:
    """Another process that looks after the queue, as the page does, until it is killed."""
    code = (
        "import time\n"
        "from tests.real_workers import QUICK\n"
        "from workbench.runner import Runner\n"
        "from workbench.store import Store\n"
        f"runner = Runner(Store({str(store.folder)!r}), work='tests.worker_targets:{work}', slots=4,"
        f" limits=QUICK, poll=0.05)\n"
        "runner.start()\n"
        "while True: time.sleep(1)\n"
    )
    environment = {**os.environ, "WORKBENCH_PRELOAD": "none"}
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, start_new_session=True)
