"""What the tests of chains share: presets of a few hops on tiny data, queued in this process and trained hop by hop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.training import tiny_rows
from workbench import background, presets
from workbench.data import Prepared
from workbench.data.data_tasks import data_task
from workbench.presets import Preset
from workbench.spec import DataSpec
from workbench.store import Store


def hop(title: str, methods: Sequence[Any] = ("full",), **more: Any) -> dict[str, Any]:
    return {"title": title, "data": "reviews", "methods": list(methods), **more}


def chain_preset(*hops: dict[str, Any], model: str = "embedded:fable-8m", **more: Any) -> Preset:
    shared = {
        "budget": {"steps": 4},
        "batch_size": 8,
        "precision": "float32",
        "evaluations": 1,
        "max_length": 32,
    }
    values = {"title": "A chain", "model": model, "seeds": [0], **shared, **more, "chain": list(hops)}
    return presets.from_values(values, name="chain")


def classified(seed: int = 1, rename: dict[str, str] | None = None, size: int = 24) -> Prepared:
    """Tiny rows of two labels, under other names where asked; `seed` makes other rows."""
    rows = {
        part: [
            {**row, "label": (rename or {}).get(row["label"], row["label"])} for row in tiny_rows(count, s)
        ]
        for part, count, s in (("train", size, seed), ("validation", 12, seed + 50), ("test", 16, seed + 100))
    }
    labels = tuple(sorted({row["label"] for row in rows["train"]}))
    return kept_as("classification", f"set-{seed}", rows, labels)


def kept_as(
    task: str, source: str, rows: dict[str, list[dict[str, Any]]], labels: tuple[str, ...] = ()
) -> Prepared:
    fingerprint = data_task(task).fingerprint(rows, labels)
    return Prepared(DataSpec(source, labels=labels, task=task, fingerprint=fingerprint), rows)


def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of a background process is answered here: its start costs seconds."""

    def call(function: str, *arguments: Any, pool: str = "", timeout: float | None = None) -> Any:
        import importlib

        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(*arguments)

    monkeypatch.setattr(background, "call", call)


def work_off(store: Store) -> None:
    """Train what is queued, in order, as the worker does."""
    from workbench.worker import train_run

    for run in store.runs(states=("queued",)):
        claimed = store.claim(run.id)
        assert claimed is not None
        folder = store.run_folder(run.id)
        folder.mkdir(parents=True, exist_ok=True)
        result = train_run(claimed, store, folder, lambda *_, **__: None, lambda: False)
        assert store.change_state(run.id, "finished", result=result)


def saved(store: Store, *prepared: Prepared) -> list[Prepared]:
    from workbench.data import save_prepared

    for one in prepared:
        save_prepared(one, store.data_folder(one.spec.fingerprint))
    return [replace(one) for one in prepared]
