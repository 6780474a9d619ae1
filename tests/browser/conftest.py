"""The real page in its own process, and visitors to it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import lesson_runs
from tests.ui import fake_store
from workbench.store import Store

ROOT = Path(__file__).parents[2]
START_SECONDS = 180


class Server:
    """`python app.py` on a free port of 127.0.0.1, with a store of its own."""

    def __init__(self, home: Path, log: Path, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.home, self.log, self.environment = home, log, environment
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> float:
        """Seconds until the page answered."""
        environment = {
            **os.environ,
            "WORKBENCH_HOME": str(self.home),
            "GRADIO_SERVER_PORT": str(self.port),
            "GRADIO_ANALYTICS_ENABLED": "False",
            **self.environment,
        }
        begun = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while time.monotonic() - begun < START_SECONDS:
            assert self.process.poll() is None, self.log.read_text()
            try:
                with urllib.request.urlopen(self.url, timeout=2) as answer:
                    assert answer.status == 200
                    return time.monotonic() - begun
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"no answer within {START_SECONDS} s: {self.log.read_text()}")

    def kill(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path / "home", tmp_path / "page.log")
    one.start()
    yield one
    one.kill()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A page on a store with runs of every state (invented ones: training is tested elsewhere), to look at only."""
    folder = tmp_path_factory.mktemp("filled")
    store = Store(folder / "home")
    lesson_runs.finish(store, "lesson-2", (0.5, 0.85, 0.84, 0.84))
    fake_store.fill(store, seeds=(0, 1), failing="dora")
    one = Server(folder / "home", folder / "page.log")
    one.start()
    yield one
    one.kill()


@pytest.fixture
def visit(chromium) -> Iterator[Callable]:
    """Open a page as a new visitor. Afterwards: no request went anywhere else, and the console held no error."""
    contexts, outside, errors = [], [], []

    def open_page(url: str, width: int = 1440, height: int = 900, locale: str = "en-US"):
        context = chromium.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, locale=locale
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on(
            "request", lambda r: None if r.url.startswith((url, "data:", "blob:")) else outside.append(r.url)
        )
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.goto(url)
        page.locator("[role=tab][data-tab-id=data]").first.wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert outside == []
    # A reload breaks off what was being fetched and asked; the browser and Gradio's client say so.
    broken_off = (
        "Failed to load resource",
        "net::ERR",
        "Failed to fetch",
        "network error",
        "aborted",
        "Connection errored out",
    )
    assert [e for e in errors if not any(words in e for words in broken_off)] == []
