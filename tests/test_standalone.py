"""The code of a run: a short script that gives the workbench's score in a process that knows nothing of the workbench."""

import ast
import dataclasses
import json
import os
import subprocess
import sys

import pytest

from tests.exports import train_run, with_fingerprint
from tests.generation import generation_prepared, generation_spec
from tests.tiny import tiny_shapes
from tests.training import tiny_folder, tiny_prepared, tiny_spec
from workbench import registry
from workbench.spec import Budget, Setting
from workbench.standalone import claims
from workbench.standalone.filling import LONGEST
from workbench.standalone.method_code import selection
from workbench.standalone.script import code_of, notebook, write_code
from workbench.store import Store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store, and tiny models with dropout (bert) and without (llama)."""
    folder = tmp_path_factory.mktemp("code")
    return Store(folder / "store"), {name: tiny_folder(name, folder) for name in ("llama", "bert")}


def classify(made, method, layout="llama", **setting):
    store, models = made
    spec = tiny_spec(
        models[layout], method, learning_rate=1e-2, **({"budget": Budget("epochs", 2)} | setting)
    )
    return store, store.run(train_run(store, *with_fingerprint(spec, tiny_prepared())))


def write(made, method, **setting):
    store, models = made
    spec = generation_spec(
        models["llama"], method, learning_rate=1e-2, **({"budget": Budget("steps", 12)} | setting)
    )
    return store, store.run(train_run(store, *with_fingerprint(spec, generation_prepared())))


def repeated(store, run, folder):
    """The score that the script prints, run in its own folder."""
    code = write_code(store, run, folder)
    assert code.lines <= LONGEST
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(code.script))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    }
    assert imported <= {"json", "math", "re", "collections", "decimal", "torch", "transformers", "peft"}
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def check(store, run, folder):
    found = repeated(store, run, folder)
    assert found["score"] == found["in_the_workbench"] == run.result.metrics[found["metric"]]


def test_a_classifier_with_dropout_scores_the_same(made, tmp_path):
    check(*classify(made, "lora", "bert", gradient_accumulation=2, label_smoothing=0.1), tmp_path / "code")


def test_a_model_that_writes_scores_the_same(made, tmp_path):
    check(*write(made, "freeze"), tmp_path / "code")


def test_the_notebook_is_the_script_in_cells(made):
    store, run = write(made, "lora")
    script = code_of(store, run).script
    found = notebook(script)
    cells = ["".join(cell["source"]) for cell in found["cells"] if cell["cell_type"] == "code"]
    assert ast.dump(ast.parse("\n".join(cells))) == ast.dump(ast.parse(script.split('"""', 2)[2]))
    assert found["nbformat"] == 4
    assert len({cell["id"] for cell in found["cells"]}) == len(found["cells"])


def test_what_no_short_script_repeats_says_why(made):
    store, run = classify(made, "adapter")
    assert "modules are the workbench's own" in claims.refusal(store, run)
    with pytest.raises(ValueError, match="No script"):
        code_of(store, run)
    store, run = classify(made, "lora_plus")
    assert "optimiser of its own" in claims.refusal(store, run)
    waiting = dataclasses.replace(run, state="queued")
    assert "queued" in claims.refusal(store, waiting)
    timed = dataclasses.replace(run.spec.setting, budget=Budget("seconds", 5))
    assert isinstance(timed, Setting)
    run = dataclasses.replace(
        run,
        spec=dataclasses.replace(
            run.spec, setting=timed, choice=dataclasses.replace(run.spec.choice, method="lora")
        ),
    )
    assert "budget was a time" in claims.refusal(store, run)


@pytest.mark.parametrize("kind", ["bias", "blocks", "head", "one"])
def test_what_is_trained_is_said_exactly(kind):
    names = [name for name, _ in tiny_shapes("bert").named_parameters()]
    trained = {
        "bias": {n for n in names if n.endswith(".bias") or n.startswith("classifier")},
        "blocks": {n for n in names if "layer.1." in n or n.startswith("classifier")},
        "head": {n for n in names if n.startswith("classifier")},
        "one": {names[3]},
    }[kind]
    space: dict = {}
    exec("import re\n" + "\n".join(selection(trained, names)), space)
    assert {name for name in names if space["is_trained"](name)} == trained
    assert len(selection(trained, names)) <= 12


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("task", ["classification", "generation"])
def test_every_method_that_claims_it_scores_the_same(made, task, tmp_path):
    from workbench.method import Unsuitable
    from workbench.train import TrainingFailed

    claimed, wrong = [], {}
    for name, method in registry.methods().items():
        if task not in method.tasks or any(getattr(method, hook) is not None for hook in claims.HOOKS):
            continue
        try:
            options = (
                {"options": {"layers": 1}} if any(f.name == "layers" for f in method.options.facts()) else {}
            )
            store, run = classify(made, name, **options) if task == "classification" else write(made, name)
        except (Unsuitable, TrainingFailed, ValueError):
            continue
        if claims.refusal(store, run):
            continue
        found = repeated(store, run, tmp_path / name)
        claimed.append(name)
        if found["score"] != found["in_the_workbench"]:
            wrong[name] = found
    assert wrong == {}
    assert len(claimed) >= 25
