"""The code of a run: a short script that gives the workbench's score in a process that knows nothing of the workbench."""

import ast
import dataclasses
import json
import re

import pytest

from tests.exports import fresh, train_run, with_fingerprint
from tests.generation import generation_prepared, generation_spec
from tests.tiny import tiny_shapes
from tests.training import tiny_folder, tiny_prepared, tiny_spec
from workbench import registry
from workbench.spec import Budget, Setting
from workbench.standalone import claims, script
from workbench.standalone.filling import LONGEST, LONGEST_METHOD
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


@pytest.fixture(scope="module")
def trained(made):
    """One run of each task."""
    return {"classification": classify(made, "lora"), "generation": write(made, "lora")}


MANY = """
import contextlib, io, json, os, pathlib, runpy, traceback
found = {}
for folder in sorted(path for path in pathlib.Path.cwd().iterdir() if path.is_dir()):
    os.chdir(folder)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path("train.py", run_name="__main__")
        found[folder.name] = json.loads(said.getvalue().splitlines()[-1])
    except Exception:
        found[folder.name] = {"error": traceback.format_exc()[-800:]}
    os.chdir(folder.parent)
print(json.dumps(found))
"""


def written(store, run, folder):
    """The script in its own folder: short, and without the workbench."""
    code = write_code(store, run, folder)
    assert code.lines <= LONGEST
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(code.script))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    }
    assert imported <= {"json", "math", "re", "collections", "decimal", "torch", "transformers", "peft"}


def check(store, run, folder):
    written(store, run, folder)
    said = fresh("import runpy; runpy.run_path('train.py', run_name='__main__')", folder)
    found = json.loads(said.splitlines()[-1])
    assert found["score"] == found["in_the_workbench"] == run.result.metrics[found["metric"]]


@pytest.mark.slow
def test_a_classifier_with_dropout_scores_the_same(made, tmp_path):
    check(*classify(made, "lora", "bert", gradient_accumulation=2, label_smoothing=0.1), tmp_path / "code")


def test_a_model_that_writes_scores_the_same(made, tmp_path):
    check(*write(made, "freeze"), tmp_path / "code")


def test_the_notebook_is_the_script_in_cells(trained):
    store, run = trained["generation"]
    text = code_of(store, run).script
    found = notebook(text)
    cells = ["".join(cell["source"]) for cell in found["cells"] if cell["cell_type"] == "code"]
    assert ast.dump(ast.parse("\n".join(cells))) == ast.dump(ast.parse(text.split('"""', 2)[2]))
    assert found["nbformat"] == 4
    assert len({cell["id"] for cell in found["cells"]}) == len(found["cells"])


@pytest.mark.parametrize("metric", ["accuracy", "chrf", "exact_match", "answer_match"])
def test_the_longest_script_of_every_task_leaves_room_for_any_method(trained, metric, monkeypatch):
    """With all that a setting can ask for; what a method may take of it is in the contract of all methods."""
    store, run = trained["classification" if metric == "accuracy" else "generation"]
    options = dict(run.spec.setting.task_options) | ({} if metric == "accuracy" else {"judge_by": metric})
    setting = dataclasses.replace(
        run.spec.setting, task_options=options, gradient_accumulation=2, early_stopping=2, label_smoothing=0.1
    )
    asked = dataclasses.replace(
        run,
        spec=dataclasses.replace(run.spec, setting=setting),
        result=dataclasses.replace(
            run.result,
            metrics={**run.result.metrics, metric: 0.5},
            environment={**run.result.environment, "precision": "bfloat16"},
        ),
    )
    lines = ["from peft import LoraConfig, get_peft_model"], ["pass"] * LONGEST_METHOD
    monkeypatch.setattr(script, "method_lines", lambda *_: lines)
    code = code_of(store, asked)
    assert {"waited", "autocast", "group", metric} <= set(re.findall(r"\w+", code.script))
    assert code.lines <= LONGEST
    cells = notebook(code.script)["cells"]
    assert ast.parse("\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code"))
    monkeypatch.setattr(script, "method_lines", lambda *_: (lines[0], lines[1] * 9))
    with pytest.raises(ValueError, match="at a sitting"):
        code_of(store, asked)


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
    assert len(selection(trained, names)) <= 5


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("task", ["classification", "generation"])
def test_every_method_that_claims_it_scores_the_same(made, task, tmp_path):
    from workbench.method import Unsuitable
    from workbench.train import TrainingFailed

    claimed = []
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
        if claims.refusal(store, run) is None:
            written(store, run, tmp_path / name)
            claimed.append(name)
    found = json.loads(fresh(MANY, tmp_path, seconds=2400).splitlines()[-1])
    # Sums of n-grams in another order differ by the last digit.
    wrong = {
        n: o
        for n, o in found.items()
        if "score" not in o or o["score"] != pytest.approx(o["in_the_workbench"])
    }
    print(f"\n{task}: {len(claimed)} scripts, {len(claimed) - len(wrong)} with the workbench's score")
    assert wrong == {}
    assert set(found) == set(claimed)
    assert len(claimed) >= 25
