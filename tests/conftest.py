"""Fixtures for all tests: a store in a temporary folder, no network, and the data of others where it is at hand."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing a test does reaches the user's own store."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("WORKBENCH_HOME", str(home))
    return home


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
