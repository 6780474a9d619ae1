"""Fixtures for all tests: a store in a temporary folder, no network, and the data of others where it is at hand."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

# Tiny models on several threads wait for each other longer than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing a test does reaches the user's own store."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("WORKBENCH_HOME", str(home))
    return home


@pytest.fixture(autouse=True, scope="module")
def settled() -> None:
    """Libraries and collected tests are millions of objects, which each training's `gc.collect` would look through again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def store(tmp_path: Path):
    from workbench.store import Store

    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data and weights of others: WORKBENCH_SHARED, or a folder `shared` beside the checkout."""
    folder = Path(os.environ.get("WORKBENCH_SHARED") or Path(__file__).parents[2] / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the data folder {folder}; set WORKBENCH_SHARED to where it is")
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
