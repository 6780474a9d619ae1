"""Every method's result, exported and opened in a fresh interpreter that knows PEFT and transformers only."""

import copy
import json

import pytest
import torch

from tests.exports import fresh
from tests.methods import contract
from tests.tiny import tiny_batch, tiny_model, tiny_tokenizer
from workbench import models, registry, saving
from workbench.exporting import forms, write
from workbench.exporting.opened import Opened

QUICK = ("lora", "pissa", "adapter_parallel", "bitfit", "qlora")
METHODS = registry.methods()

OPEN = """
import json, sys
from pathlib import Path
import torch, transformers
from peft import PeftModel
import importlib.util

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
found = {}
for folder in sorted(Path("exports").iterdir()):
    note = json.loads((folder / "export.json").read_text())
    try:
        if note["loader"]:
            spec = importlib.util.spec_from_file_location("load", folder / "load.py")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            model = module.load()[0]
        else:
            auto = getattr(transformers, note["auto_class"])
            where = folder / "base" if note["form"] == "adapter" else folder
            model = auto.from_pretrained(str(where), dtype=torch.float32)
            if note["form"] == "adapter":
                model = PeftModel.from_pretrained(model, str(folder))
        more = {"task_ids": torch.zeros(1, dtype=torch.long)} if note["task_ids"] else {}
        model.eval()
        rows = []
        with torch.no_grad():
            for row in json.loads(Path("rows.json").read_text()):
                rows.append(model(input_ids=torch.tensor([row]), attention_mask=torch.ones(1, len(row), dtype=torch.long), **more).logits[0, -1 if note["labels"] is None else slice(None)].tolist())
        found[folder.name] = rows
    except Exception as error:
        found[folder.name] = f"{type(error).__name__}: {error}"
assert not [name for name in sys.modules if name.startswith("workbench")]
Path("answers.json").write_text(json.dumps(found))
"""


def exported(method, layout, task, folder, form, base):
    """A trained tiny result in that form, and what the model said itself; None where it has no such form."""
    trial = contract.trial(method, layout, task)
    trained = folder / "trained" / f"{method.name}-{form}"
    finished = contract.save(trial, trained)
    one = Opened(trained, models.resolve(str(base)), saving.read_recipe(trained))
    made = forms.made_of(trained)
    refused = (
        forms._no_adapter(made, method.title)
        if form == "adapter"
        else forms._no_whole_model(trained, made, method.title)
    )
    if refused:
        contract.check_sentence(refused)
        return None
    to = folder / "exports" / f"{method.name}-{form}"
    more = write.write_form(one, form, to)
    peft = forms.peft_config(to) if (to / forms.PEFT_CONFIG).is_file() else {}
    note = write._note(one, form) | more | {"task_ids": peft.get("peft_type") in forms.TASK_IDS}
    (to / "export.json").write_text(json.dumps(note))
    rows = texts(task)
    with torch.no_grad():
        return [
            finished(
                input_ids=torch.tensor([row]), attention_mask=torch.ones(1, len(row), dtype=torch.long)
            ).logits[0, -1 if task == "generation" else slice(None)]
            for row in rows
        ]


def texts(task):
    batch = tiny_batch(rows=3, seed=11, task=task)
    return [row[keep == 1].tolist() for row, keep in zip(batch["input_ids"], batch["attention_mask"])]


def base_on_disk(layout, task, folder):
    model = copy.deepcopy(tiny_model(layout, task=task))
    model.save_pretrained(folder)
    tiny_tokenizer(layout).save_pretrained(folder)
    return folder


def check(names, layout, task, folder):
    base = base_on_disk(layout, task, folder / "base_model")
    wanted = {}
    for name in names:
        for form in ("adapter", "merged"):
            try:
                said = exported(METHODS[name], layout, task, folder, form, base)
            except pytest.skip.Exception:
                break
            if said is not None:
                wanted[f"{name}-{form}"] = said
    (folder / "rows.json").write_text(json.dumps(texts(task)))
    fresh(OPEN, folder, seconds=900)
    found = json.loads((folder / "answers.json").read_text())
    assert set(found) == set(wanted)
    wrong = {}
    for name, rows in wanted.items():
        got = found[name]
        if isinstance(got, str):
            wrong[name] = got
            continue
        apart = max(float((torch.tensor(a) - b).abs().max()) for a, b in zip(got, rows))
        if apart > 1e-4 * max(1.0, max(float(row.abs().max()) for row in rows)):
            wrong[name] = apart
    assert wrong == {}
    return wanted


@pytest.mark.slow
def test_some_methods_open_elsewhere_with_the_same_answers(tmp_path):
    opened = check(QUICK, "qwen2", "generation", tmp_path)
    assert {
        "lora-adapter",
        "lora-merged",
        "pissa-adapter",
        "adapter_parallel-adapter",
        "bitfit-merged",
    } <= set(opened)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("layout", "task"), [("qwen2", "generation"), ("bert", "classification"), ("llama", "classification")]
)
def test_every_method_opens_elsewhere_with_the_same_answers(layout, task, tmp_path):
    opened = check([name for name in METHODS if task in METHODS[name].tasks], layout, task, tmp_path)
    assert len(opened) >= 40
