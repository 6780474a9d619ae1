"""A fresh folder with the repository and nothing but what requirements.txt names: `python app.py` hosted, and answering."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

from tests.ui.test_page import free_port

ROOT = Path(__file__).parents[1]


def required() -> set[str]:
    """The distributions that requirements.txt names, in one spelling, and all that come with them."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    waiting = [line for line in lines if line.strip() and not line.startswith("#")]
    found: set[str] = set()
    while waiting:
        line = waiting.pop()
        name = re.match(r"[\w.-]+", line)
        if name is None or "extra ==" in line:
            continue
        key = name[0].lower().replace("_", "-").replace(".", "-")
        if key not in found:
            found.add(key)
            try:
                waiting += requires(key) or []
            except ModuleNotFoundError:
                continue
    return found


def imported(path: Path) -> set[str]:
    """What a file imports at its top level: imports within functions may be of optional libraries."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_every_import_is_in_requirements_txt():
    known, owners = required(), packages_distributions()
    missing = {}
    for path in (ROOT / "app.py", *(ROOT / "workbench").rglob("*.py")):
        for name in imported(path) - set(sys.stdlib_module_names) - {"workbench"}:
            of = {one.lower().replace("_", "-").replace(".", "-") for one in owners.get(name, [])}
            if not of & known:
                missing.setdefault(name, path.name)
    assert missing == {}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_fresh_folder_serves_trains_the_workshop_and_answers_health(tmp_path):
    """The tracked files alone, in another place, with a home of its own."""
    from tests.raw_protocol import Visitor
    from workbench.store import Store
    from workbench.ui.plan import empty_plan

    folder, home = tmp_path / "fresh", tmp_path / "home"
    for name in ("app.py", "workbench", "assets", "presets"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "pictures"))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(source, folder)
    port = free_port()
    environment = {
        **{
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "OMP_NUM_THREADS")
            if name in os.environ
        },
        "WORKBENCH_HOSTED": "1",
        "WORKBENCH_HOME": str(home),
        "GRADIO_SERVER_PORT": str(port),
        "HF_HUB_OFFLINE": "1",
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        until = time.monotonic() + 120
        while True:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < until, (tmp_path / "log").read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                    state = json.load(answer)
                break
            except OSError:
                time.sleep(0.3)
        assert (state["status"], state["hosted"], state["trouble"]) == ("ok", True, [])
        visitor = Visitor(f"http://127.0.0.1:{port}")
        answer = visitor.call(
            "act_on_preset_1", empty_plan(), None, event={"action": "run", "key": "workshop"}
        )
        assert answer.said == []
        store = Store(home)
        assert store.runs(owner=visitor.owner)
        until = time.monotonic() + 1200  # one at a time, on a machine that may have other work
        while not all(run.is_final for run in store.runs()) and time.monotonic() < until:
            time.sleep(1)
        assert {run.state for run in store.runs()} == {"finished"}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
