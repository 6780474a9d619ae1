"""A class on one page: simulated people by the raw protocol. `python -m tests.load --people 30 --minutes 10 [--restart]`.

A third of them train, a tenth upload, all ask for news every two seconds. Prints errors, how long a poll took, how much
memory the page's process gained, whether every run ended with its row right, and whether anybody saw another's run. Exit
status 1 where a bar is missed. With `--restart` the page is killed in the middle and started again.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from tests.raw_protocol import COOKIE, Visitor, file_data
from tests.ui.test_page import free_port
from workbench.home import is_hosted
from workbench.store import Store
from workbench.ui.plan import empty_plan

ROOT = Path(__file__).parents[1]
EVERY = 2.0
BARS = {"poll_p95_ms": 500.0, "memory_gain_mb": 50.0}
PLAN = {
    **empty_plan(),
    "data": {"source": "reviews", "train_rows": 80, "validation_rows": 20, "test_rows": 40},
    "choices": [
        {"key": name, "method": name, "options": {}, "learning_rate": None} for name in ("head", "bitfit")
    ],
    "setting": {"budget": {"kind": "steps", "amount": 6}, "evaluations": 1, "max_length": 32},
}
TABLE = "text,label\n" + "".join(
    f"the {w} one is number {n},{w}\n" for n in range(40) for w in ("good", "bad")
)
_RUN_ID = re.compile(r"\b[0-9a-f]{16}\b")


@dataclass
class Seen:
    """What all people met, gathered from their threads."""

    polls: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    shown: dict[str, set[str]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    refused: int = 0


class Page:
    """`python app.py` in hosted mode on a port of its own."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port, self.url = home, port, f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "WORKBENCH_HOSTED": "1",
            "WORKBENCH_HOME": str(self.home),
            "GRADIO_SERVER_PORT": str(self.port),
        }
        with (self.home / "page.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + 180
        while time.monotonic() < until:
            assert self.process.poll() is None, (self.home / "page.log").read_text()[-2000:]
            try:
                httpx.get(f"{self.url}/health", timeout=5).raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.3)
        raise AssertionError("the page did not answer")

    def memory(self) -> int:
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def end(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(60)


def person(
    number: int, page: Page, seen: Seen, until: float, *, trains: bool, uploads: bool, down: threading.Event
) -> None:
    """Opens the page, perhaps queues or uploads, then looks for news every two seconds. A page that is being started again
    is waited for, as an open tab does."""
    name, visitor, token, done = f"person {number}", None, None, False
    while time.monotonic() < until:
        begun = time.monotonic()
        try:
            if visitor is None:
                visitor = Visitor(page.url, cookies={COOKIE: token} if token else None)
                token = token or visitor.token
                seen.owners.setdefault(name, token.partition(".")[0])
                if {cookie.value for cookie in visitor.http.cookies.jar if cookie.name == COOKIE} != {token}:
                    seen.errors.append(f"{name}: was taken for somebody else after the restart")
            if not done:
                done = True
                if trains:
                    said = visitor.call("queue_plan", {**PLAN, "seeds": [number]}, None).said
                    seen.errors += [f"{name}: {one}" for one in said]
                if uploads:
                    path = visitor.upload(f"{number}.csv", TABLE.encode())
                    answer = visitor.call("take_upload", file_data(path), PLAN)
                    if not answer.success:
                        seen.errors.append(f"{name}: the upload was not taken")
            begun = time.monotonic()
            visitor.call("look_for_news", *visitor.page.inputs["look_for_news"])
            seen.polls.append(time.monotonic() - begun)
            # Every third time also what a reader looks at: all of it is searched for other people's runs.
            if int(begun) % 3 == 0:
                for tab in ("train", "compare"):
                    seen.shown.setdefault(name, set()).update(_RUN_ID.findall(visitor.redraw(tab).text))
        except (httpx.HTTPError, KeyError) as error:
            visitor = None
            if down.is_set():
                pass  # the same browser comes back: its cookie is still good, its session is a new one
            elif isinstance(error, httpx.ConnectError | httpx.RemoteProtocolError | httpx.ReadError):
                seen.errors.append(f"{name}: the page did not answer")
            else:
                seen.errors.append(f"{name}: {type(error).__name__}: {error}")
        time.sleep(max(0.0, EVERY - (time.monotonic() - begun)))


def simulate(people: int, minutes: float, home: Path, *, restart: bool) -> dict[str, object]:
    page, seen, down = Page(home, free_port()), Seen(), threading.Event()
    page.start()
    begun = time.monotonic()
    until = begun + minutes * 60
    threads = [
        threading.Thread(
            target=person,
            args=(number, page, seen, until),
            kwargs={"trains": number % 3 == 0, "uploads": number % 10 == 1, "down": down},
        )
        for number in range(people)
    ]
    for thread in threads:
        thread.start()
    # What the page loads for its first readers is no growth.
    time.sleep(min(30.0, minutes * 60 / 4))
    before = page.memory()
    if restart:
        time.sleep(max(0.0, begun + minutes * 30 - time.monotonic()))
        down.set()
        page.end(signal.SIGKILL)
        page.start()
        time.sleep(5)
        down.clear()
        time.sleep(min(25.0, minutes * 60 / 4))
        before = page.memory()
    for thread in threads:
        thread.join()
    gained = page.memory() - before
    store = Store(home)
    trained = [seen.owners[f"person {n}"] for n in range(0, people, 3) if f"person {n}" in seen.owners]
    left = time.monotonic() + 600
    while time.monotonic() < left and not all(run.is_final for run in store.runs()):
        time.sleep(1)
    page.end()
    runs = store.runs()
    wrong = [
        f"{run.id}: {run.state} {run.reason.message if run.reason else ''}"
        for run in runs
        if run.state != "finished"
    ]
    wrong += [f"{owner[:6]} has no runs" for owner in trained if not any(run.owner == owner for run in runs)]
    whose = {run.id: run.owner for run in runs}
    leaks = [
        f"{name} saw {run_id}"
        for name, shown in seen.shown.items()
        for run_id in shown & whose.keys()
        if whose[run_id] != seen.owners[name]
    ]
    polls = sorted(seen.polls)
    return {
        "people": people,
        "minutes": minutes,
        "polls": len(polls),
        "poll_p50_ms": round(1000 * polls[len(polls) // 2], 1),
        "poll_p95_ms": round(1000 * polls[int(len(polls) * 0.95)], 1),
        "memory_gain_mb": round(gained / 1e6, 1),
        "runs": len(runs),
        "own_runs_seen": sum(len(shown & whose.keys()) for shown in seen.shown.values()),
        "wrong_runs": wrong,
        "errors": seen.errors,
        "leaks": leaks,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--restart", action="store_true", help="kill the page in the middle and start it again"
    )
    arguments = parser.parse_args()
    assert not is_hosted(), "the page is hosted, this script is not"
    with tempfile.TemporaryDirectory(prefix="workbench-load-") as home:
        found = simulate(arguments.people, arguments.minutes, Path(home), restart=arguments.restart)
    for name, value in found.items():
        if isinstance(value, list):
            print(f"{name}: {len(value)}", *value[:10], sep="\n  " if value else "")
        else:
            print(f"{name}: {value}")
    missed = [name for name, bar in BARS.items() if float(str(found[name])) > bar]
    missed += [name for name in ("errors", "wrong_runs", "leaks") if found[name]]
    print("missed: " + ", ".join(missed) if missed else "all bars are met")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
