"""A hosted page on a port of its own, in this process: real HTTP, real handlers, no worker and no heavy library."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.raw_protocol import Visitor
from tests.ui.test_page import free_port
from workbench.store import Store


@dataclass
class Hosted:
    """A running page. `visitor()` is somebody new each time, and has the page's parts from whoever came first."""

    url: str
    store: Store

    def visitor(self, **client: Any) -> Visitor:
        return Visitor(self.url, entrance="/health", **client)


@pytest.fixture(scope="package")
def hosted_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    import uvicorn

    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("hosted")
        patch.setenv("WORKBENCH_HOSTED", "1")
        patch.setenv("WORKBENCH_HOME", str(folder))
        patch.delenv("WORKBENCH_SECRET", raising=False)
        in_process(patch)
        from workbench.runner import Runner
        from workbench.ui import page

        store = Store(folder)
        port = free_port()
        server = uvicorn.Server(
            uvicorn.Config(page.application(store, Runner(store)), port=port, log_level="critical")
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield Hosted(f"http://127.0.0.1:{port}", store)
        server.should_exit = True
        thread.join(10)


@pytest.fixture(autouse=True)
def stays_hosted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a home of its own; the page's is the one that it was started with."""
    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    if "hosted_page" in request.fixturenames:
        monkeypatch.setenv("WORKBENCH_HOME", str(request.getfixturevalue("hosted_page").store.folder))


def in_process(patch: pytest.MonkeyPatch) -> None:
    """What a background process would answer is answered here, without a tokenizer: reading and refusing are the same."""
    from workbench import background, preview

    def call(function: str, *arguments: Any, **how: Any) -> Any:
        if function in SILENT:
            return SILENT[function](*arguments)
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(*arguments)

    patch.setattr(background, "call", call)
    patch.setattr(preview, "_tokenizer", lambda *_: None)


SILENT: dict[str, Callable[..., Any]] = {
    "workbench.session:resolve_revision": lambda *_: "revision",
    "workbench.session:compute_references": lambda *_: None,
    "workbench.preview:look_at_model": lambda *_: (_ for _ in ()).throw(
        ValueError("no model is looked at here")
    ),
}


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file outside of everything; nobody on the page may read it."""
    path = tmp_path / "outside" / "canary.csv"
    path.parent.mkdir()
    path.write_text(
        "text,label\n" + "".join(f"CANARY-7f3a number {n},{'yes' if n % 2 else 'no'}\n" for n in range(30))
    )
    return path
