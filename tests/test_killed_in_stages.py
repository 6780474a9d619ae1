"""Runs of several stages that are killed in each of them go on there: with what was complete, and without doing it again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.generation import generation_prepared, generation_spec
from tests.preferences import HeardStages, preference_prepared, preference_spec
from tests.training import quickly, tiny_folder
from workbench import stage_progress
from workbench.spec import Budget, RunSpec
from workbench.store import Store
from workbench.train import train

ROOT = Path(__file__).parent.parent
STAGED = {
    "rlhf": ({"samples_per_prompt": 2, "iterations": 2}, ("supervised", "reward", "policy", "policy_2")),
    "dpo": ({}, ("supervised", "preference")),
    "kto": ({"parameterisation": "lora"}, ("supervised", "preference")),
    "orpo": ({}, ("preference",)),
}
MADE = ("upft", "rft")

KILLED = """
import json, os, signal, sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from tests.generation import generation_prepared
from tests.preferences import preference_prepared
from workbench import sampling_stage
from workbench.spec import RunSpec
from workbench.store import Store
from workbench.train import train
spec, where, folder, store = RunSpec.from_dict(json.loads(sys.argv[1])), *sys.argv[2:]
sampling_stage.EVENT_SECONDS = 0.0
def emit(kind, values, stage="train"):
    sampling = kind == "sample" and where == "sample" and 0 < values["done"] < values["of"]
    if sampling or kind == "step" and stage == where and values.get("stage_step", values["step"]) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
prepared = preference_prepared() if spec.setting.task == "preference" else generation_prepared()
train(spec, prepared, Path(folder), emit=emit, should_stop=lambda: False, device="cpu", checkpoint_seconds=0,
      store=Store(store))
"""


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quickly():
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_folder("qwen2", tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def skilled(tmp_path_factory):
    """A store with a run that says some of it right, for methods that learn from right answers of their own."""
    model = tiny_folder("llama", tmp_path_factory.mktemp("models"))
    store = Store(tmp_path_factory.mktemp("skilled") / "store")
    spec = generation_spec(model, "full", learning_rate=1e-2, budget=Budget("steps", 60), evaluations=1)
    (run_id,) = store.add([spec])
    store.claim()
    store.change_state(run_id, "running")
    heard = HeardStages()
    result = train(
        spec, generation_prepared(), store.run_folder(run_id), emit=heard.emit, should_stop=heard.should_stop, device="cpu"
    )  # fmt: skip
    store.change_state(run_id, "finished", result=result)
    return store, f"run:{run_id}"


def kill(spec: RunSpec, where: str, folder: Path, store: Store) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, json.dumps(spec.to_dict()), where, str(folder), str(store.folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=400,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


def go_on(spec: RunSpec, folder: Path, store: Store):
    heard = HeardStages()
    prepared = preference_prepared() if spec.setting.task == "preference" else generation_prepared()
    result = train(
        spec, prepared, folder, emit=heard.emit, should_stop=heard.should_stop, device="cpu", store=store
    )
    return result, heard


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "where"), [(method, where) for method, (_, names) in STAGED.items() for where in names]
)
def test_a_run_killed_in_any_stage_goes_on_in_it(model, store, tmp_path, method, where):
    options, names = STAGED[method]
    spec = preference_spec(model, method, options=options, learning_rate=1e-3, budget=Budget("steps", 12))
    assert tuple(part.name for part in stage_progress.planned(spec)) == names
    kill(spec, where, tmp_path / "run", store)
    result, heard = go_on(spec, tmp_path / "run", store)
    begun = list(dict.fromkeys(stage for stage, kind, _ in heard.events if kind == "step"))
    assert begun == list(names[names.index(where) :])
    assert heard.of("step", where)[0]["stage_step"] == 2
    assert tuple(one["name"] for one in result.stages) == names
    assert sum(one["steps"] for one in result.stages) == result.steps == 12
    assert result.live is True


@pytest.mark.slow
@pytest.mark.parametrize("where", ["sample", "train"])
@pytest.mark.parametrize("method", MADE)
def test_a_run_killed_while_it_samples_or_learns_from_that_goes_on_there(skilled, tmp_path, method, where):
    store, base = skilled
    spec = generation_spec(base, method, learning_rate=1e-3)
    kill(spec, where, tmp_path / "run", store)
    result, heard = go_on(spec, tmp_path / "run", store)
    # What was sampled to its end is not sampled again.
    assert bool(heard.of("sample")) is (where == "sample")
    assert heard.of("step")[0]["step"] == (1 if where == "sample" else 2)
    assert [one["name"] for one in result.stages] == ["sample", "train"]
    assert result.sampled_tokens > 0
