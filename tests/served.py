"""A store with finished runs that were never trained: methods put on a tiny model, their weights moved at random and saved."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.generation import generation_spec
from tests.tiny import save_tiny
from tests.training import tiny_spec
from workbench import models, registry, saving
from workbench.method import Context
from workbench.result import Result
from workbench.store import Store

Choice = str | tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Served:
    store: Store
    ids: tuple[str, ...]
    model: Path


def served(
    folder: Path, choices: Sequence[Choice], *, task: str = "classification", layout: str = "llama",
    model: str | Path | None = None, spread: float = 0.3, **setting: Any,
) -> Served:  # fmt: skip
    """One finished run per choice (a method, or method and options), each with weights of its own."""
    store = Store(folder / "store")
    path = model or save_tiny(layout, folder / layout)
    ids = tuple(
        add_run(store, path, choice, task=task, seed=seed, spread=spread, **setting)
        for seed, choice in enumerate(choices)
    )
    return Served(store, ids, Path(path))


def add_run(
    store: Store, model: str | Path, choice: Choice, *, task: str, seed: int = 0, spread: float = 0.3, **setting: Any
) -> str:  # fmt: skip
    name, given = (choice, {}) if isinstance(choice, str) else choice
    if task == "classification":
        spec = tiny_spec(model, name, options=given, seed=seed, **setting)
    else:
        spec = generation_spec(model, name, options=given, seed=seed, **setting)
    (run_id,) = store.add([spec])
    store.claim(run_id)
    store.change_state(run_id, "running")
    save_moved(store, run_id, spread)
    store.change_state(run_id, "finished", result=Result(metrics={"accuracy": 0.5}, live=True))
    return run_id


def save_moved(store: Store, run_id: str, spread: float) -> None:
    """What a training that moved every trained weight would have saved."""
    spec = store.run(run_id).spec
    setting, method = spec.setting, registry.method(spec.choice.method)
    source = models.resolve(setting.model)
    options = method.options.from_dict(spec.choice.options)
    context = Context(task=setting.task, labels=max(2, len(setting.data.labels)), seed=spec.seed, steps=10)
    with torch.random.fork_rng(devices=[]), models.quiet():
        torch.manual_seed(0)
        base = copy.deepcopy(models.load_model(source, setting.task, setting.data.labels))
        torch.manual_seed(spec.seed + 1)
        trained = method.put_on(base, options, context).eval()
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.data.add_(
                    torch.randn_like(parameter) * spread * parameter.data.std().clamp(min=0.1)
                )
        if method.after_training is not None:
            trained = method.after_training(trained, options, context)
    folder = saving.trained_folder(Path(store.run_folder(run_id)))
    saving.save_trained(trained, folder, method=method.name, options=options, context=context, source=source)
