"""Weights counted by our methods, without loading any, against those that PEFT's own comparison published for Llama-3.2-3B."""

import json
from pathlib import Path

import pytest

from workbench import registry
from workbench.estimate import count
from workbench.method import Method
from workbench.options import Options

MODEL = "Llama-3.2-3B"
ROWS = json.loads((Path(__file__).parent / "reference" / "peft_metamathqa.json").read_text(encoding="utf-8"))
# Rows whose method the workbench does not offer, with the reason.
NOT_OFFERED = {
    "lora/llama-3.2-3B-rank14-target-mlp-bdlora": "block-diagonal LoRA, a way to lay LoRA out over several devices",
}
# One of each kind, none of which takes more than a second or so.
QUICK = (
    "adalora/llama-3.2-3B-rank32",
    "full-finetuning/llama-3.2-3B-lr_0.00001",
    "lora/llama-3.2-3B-rank32-dora",
    "lora/llama-3.2-3B-rank32-lorafa",
    "oft/llama-3.2-3B-rank32",
    "prefixtuning/llama-3.2-3B-tokens50-init_prefix-lr_0.005",
    "ia3/llama-3.2-3B-default",
    "psoft/llama-3.2-3B-default",
    "trainable_tokens/llama-3.2-3B-sos+eos",
)


def method_of(row: dict) -> Method:
    """Our method for a published run: variants of LoRA have names of their own here."""
    config = row["config"]
    if row["peft_type"] == "LORA":
        special = {
            "dora": config.get("use_dora"),
            "rslora": config.get("use_rslora"),
            "lora_fa": row["optimizer"] == "lora-fa",
            "mica": config.get("init_lora_weights") == "mica",
        }
        return registry.method(next((name for name, is_it in special.items() if is_it), "lora"))
    if row["peft_type"] == "full-finetuning":
        return registry.method("full")
    return next(m for m in registry.methods().values() if m.peft_type == row["peft_type"])


def options_of(row: dict, method: Method) -> Options:
    """Our options for a published config: fields are named alike, so that only the way of writing differs."""
    facts = {fact.name: fact for fact in method.options.facts()}
    values = {}
    for name, value in row["config"].items():
        fact = facts.get(name)
        if fact is None:
            continue
        if fact.kind == "list":
            if isinstance(value, dict):
                value = [f"{part}={number}" for part, number in value.items()]
            values[name] = [str(item) for item in (value if isinstance(value, list) else [value])]
        elif fact.choices and value not in fact.choices:
            continue  # a start (True, "zero"), which changes no count
        elif not (fact.optional and value in (0, False)) and not (fact.min and value < fact.min):
            values[name] = value
    return method.options.from_dict(values)


def counted(row: dict) -> tuple[int, int]:
    method = method_of(row)
    found = count(MODEL, method, options_of(row, method), task="generation")
    return found.trainable, found.total


def test_the_figures_are_those_of_the_shared_table(shared):
    import csv
    import sys

    csv.field_size_limit(sys.maxsize)
    path = shared / "reference" / "peft_metamathqa.csv"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    with path.open(encoding="utf-8", newline="") as file:
        published = {
            row["experiment_name"]: (int(row["num_trainable_params"]), int(row["num_total_params"]))
            for row in csv.DictReader(file)
        }
    assert {row["experiment"]: (row["trainable"], row["total"]) for row in ROWS} == published


@pytest.mark.parametrize("name", QUICK)
def test_counts_of_one_of_each_kind(name):
    row = next(row for row in ROWS if row["experiment"] == name)
    assert counted(row) == (row["trainable"], row["total"])


@pytest.mark.slow
def test_counts_of_all():
    assert len(ROWS) == 63
    wanted = [row for row in ROWS if row["experiment"] not in NOT_OFFERED]
    wrong = {
        row["experiment"]: (found, (row["trainable"], row["total"]))
        for row in wanted
        if (found := counted(row)) != (row["trainable"], row["total"])
    }
    assert not wrong
    assert len(wanted) >= 62
