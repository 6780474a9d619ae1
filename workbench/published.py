"""What others measured with these methods: PEFT's own comparison on Llama-3.2-3B, and our method for each of its runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from workbench import registry
from workbench.home import shipped
from workbench.method import Context, Method
from workbench.methods._peft import attach
from workbench.options import Options

MODEL = "Llama-3.2-3B"
BATCH_SIZE = 4
# Runs of a variant that the workbench does not offer, with what it is. PEFT's own config is put on as it was published.
NOT_OFFERED = {
    "lora/llama-3.2-3B-rank14-target-mlp-bdlora": "block-diagonal LoRA, a way to lay LoRA out over several devices",
}
# What is known of runs that come out off: said beside the figure.
KNOWN = {
    "lora/llama-3.2-3B-rank32-lorafa": "between its steps the published run held one more copy of the frozen factors than"
    " their weights, so it computed gradients for them after all, and kept the layers' inputs for that",
}


@dataclass(frozen=True)
class PublishedRun:
    """One run of that comparison. `peak` is the most that CUDA's allocator reserved, `after_step` the mean of what was
    in use between steps; `wide_adapter` says that what is trained was kept in 32 bits, on a base of 16."""

    experiment: str
    peft_type: str
    optimizer: str
    config: Mapping[str, Any]
    wide_adapter: bool
    trainable: int
    total: int
    peak: int
    after_step: int
    seconds_per_step: float
    accuracy: float
    forgetting: float
    file_size: int


def published_runs() -> list[PublishedRun]:
    path = shipped("assets") / "reference" / "peft_metamathqa.json"
    names = {f.name for f in fields(PublishedRun)}
    found = json.loads(path.read_text(encoding="utf-8"))
    return [PublishedRun(**{name: row[name] for name in names}) for row in found]


def method_of(run: PublishedRun) -> Method:
    """Variants of LoRA have names of their own here."""
    config = run.config
    if run.experiment in NOT_OFFERED:
        return _as_published(run)
    if run.peft_type == "LORA":
        special = {
            "dora": config.get("use_dora"),
            "rslora": config.get("use_rslora"),
            "lora_fa": run.optimizer == "lora-fa",
            "mica": config.get("init_lora_weights") == "mica",
        }
        return registry.method(next((name for name, is_it in special.items() if is_it), "lora"))
    if run.peft_type == "full-finetuning":
        return registry.method("full")
    return next(m for m in registry.methods().values() if m.peft_type == run.peft_type)


def _as_published(run: PublishedRun) -> Method:
    """A variant of LoRA with the very config of the run."""

    def apply(model: Any, options: Any, context: Context) -> Any:
        from peft import LoraConfig
        from peft.tuners.lora.config import BdLoraConfig

        config = dict(run.config)
        if config.get("use_bdlora"):
            config["use_bdlora"] = BdLoraConfig(**config["use_bdlora"])
        return attach(model, LoraConfig(task_type=context.peft_task, **config), context)

    return replace(registry.method("lora"), apply=apply)


def options_of(run: PublishedRun, method: Method) -> Options:
    """Our options for its config: fields are named alike, so that only the way of writing differs."""
    facts = {fact.name: fact for fact in method.options.facts()}
    values: dict[str, Any] = {}
    for name, value in run.config.items():
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
