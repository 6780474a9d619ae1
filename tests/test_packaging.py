"""What ships: models small enough to carry, and a wheel that works from anywhere with its data, models and presets."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from workbench.home import shipped

ROOT = Path(__file__).parents[1]
MODELS = sorted((shipped("assets") / "models").glob("*/model.safetensors"))
LARGEST_MODEL, LARGEST_WHEEL = 20_000_000, 90_000_000


def test_models_are_there():
    assert "fable-8m" in {path.parent.name for path in MODELS}


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.name)
def test_an_embedded_model_is_small_and_in_half_precision_and_its_card_says_so(path):
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    tensors = [value for name, value in header.items() if name != "__metadata__"]
    assert {tensor["dtype"] for tensor in tensors} <= {"F16", "BF16"}
    assert path.stat().st_size <= LARGEST_MODEL
    card = json.loads((path.parent / "card.json").read_text())
    assert card["bytes"] == path.stat().st_size
    readme = (path.parent / "README.md").read_text()
    for part in ("## Intended use", "## Limits", "## Training data", "## How it was made"):
        assert part in readme


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built as `pip install .` builds it, which fetches the build backend."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "-w", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    if done.returncode and "No matching distribution found for hatchling" in done.stderr + done.stdout:
        pytest.skip("building a wheel needs a package index with hatchling")
    assert done.returncode == 0, done.stderr[-2000:]
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def workbench(installed: Path, here: Path, *words: str) -> str:
    """The command as installed, from a folder that has nothing to do with it."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "WORKBENCH_HOME": str(here / "home")}
    command = [sys.executable, "-m", "workbench", *words]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_the_wheel_holds_what_is_needed_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert wheel.stat().st_size < LARGEST_WHEEL
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"workbench"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".png", ".npy"))]
    tracked = [path for kind in ("assets", "presets") for path in shipped(kind).rglob("*") if path.is_file()]
    wanted = {
        "workbench/_" + path.relative_to(ROOT).as_posix()
        for path in tracked
        if "__pycache__" not in path.parts and "pictures" not in path.parts
    }
    assert wanted <= {*names}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_installed_command_lists_reads_and_trains(installed, tmp_path):
    where = "import workbench.home as h; print(h.__file__, h.shipped('assets'), h.shipped('presets'))"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    said = subprocess.run(
        [sys.executable, "-c", where],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(str(installed) in word for word in said.stdout.split())

    methods = json.loads(workbench(installed, tmp_path, "methods", "--json"))["methods"]
    assert {"full", "lora"} <= {one["name"] for one in methods}
    assert "2,400 rows" in workbench(installed, tmp_path, "data", "check", "reviews")
    preset = installed / "workbench" / "_presets" / "quickstart.yaml"
    words = [
        "run",
        str(preset),
        "--methods",
        "head",
        "--set",
        "budget={steps: 3}",
        "--store",
        str(tmp_path / "s"),
        "--json",
    ]
    printed = json.loads(workbench(installed, tmp_path, *words))
    assert [run["state"] for run in printed["runs"]] == ["finished"]
    assert printed["runs"][0]["metrics"]["accuracy"] >= 0
    assert {row["method"] for row in printed["references"]} == {"majority", "tfidf"}
