"""Fills a store with invented runs of the task `generation`. Every figure is made up; nothing here is a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.ui import fake_store
from workbench import text_scores
from workbench.presets import MethodChoice
from workbench.result import Result
from workbench.spec import Budget, DataSpec, RunSpec, Setting
from workbench.store import Store
from workbench.tasks.generation import GenerationOptions, details, score

PATTERN = GenerationOptions().answer_pattern
PROMPTS = [f"name: Inn {i} | food: soup" for i in range(12)]
REFERENCES = [[f"Inn {i} serves soup.", f"You can eat soup at Inn {i}."] for i in range(12)]
KINDS = ["short", "long"]


def setting(**options: Any) -> Setting:
    known = GenerationOptions(judge_by="chrf", **options)
    return Setting(
        data=DataSpec(source="invented fields", labels=(), fingerprint="9e9e" * 4),
        model="embedded:fable-8m",
        task="generation",
        budget=Budget("steps", 40),
        max_length=64,
        task_options=known.to_dict(),
    )


def outcomes(said: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for i, text in enumerate(said):
        row = {"prompt": PROMPTS[i], "references": REFERENCES[i], "kind": KINDS[i % 2]}
        tokens = {"nats": 2.0 + i / 10, "tokens": 6, "new_tokens": 5, "ended": True}
        rows.append({**row, "output": text, **tokens, **text_scores.row_scores(text, row, PATTERN)})
    return rows


def said_by(method: str, seed: int) -> list[str]:
    """Full fine-tuning is right on most rows, LoRA on some; they differ most on the last ones."""
    right = {"full": 11, "lora": 5}[method] - seed
    return [REFERENCES[i][0] if i < right else f"A dog ran home {i}." for i in range(len(PROMPTS))]


def fill(store: Store, *, seeds: Sequence[int] = (0, 1), shared: Setting | None = None) -> list[str]:
    shared = shared or setting()
    specs = [
        RunSpec(shared, MethodChoice(method, {}, None).choice(), seed)
        for seed in seeds
        for method in ("full", "lora")
    ]
    ids = store.add(specs)
    for run_id, one in zip(ids, specs):
        store.claim(run_id)
        store.change_state(run_id, "running")
        for step in (20, 40):
            values = {"step": step, "loss": 2.0, "seconds": step / 10}
            store.add_event(run_id, "step", values | {"steps": 40})
            store.add_event(run_id, "evaluated", values | {"perplexity": 100.0 / step, "chrf": step / 100})
        rows = outcomes(said_by(one.choice.method, one.seed))
        fake_store.write_outcomes(store.run_folder(run_id), rows)
        result = Result(
            metrics=score(rows),
            validation={"perplexity": 2.5},
            trainable_parameters=100,
            total_parameters=1000,
            peak_memory_bytes=2**20,
            train_seconds=4.0,
            latency_ms_p50=50.0,
            first_token_ms=12.0,
            token_ms=3.0,
            notes=("Only 12 of 40 test rows were answered (invented).",),
            **details(rows, ()),
        )
        store.change_state(run_id, "finished", result=result)
    return ids


def references(store: Store, shared: Setting) -> list[dict[str, Any]]:
    """Stands in for `workbench.compare.reference_records`."""
    said = [REFERENCES[(i + 1) % len(PROMPTS)][0] for i in range(len(PROMPTS))]
    rows = [{k: v for k, v in row.items() if k not in ("nats", "tokens")} for row in outcomes(said)]
    return [
        {
            "method": "nearest",
            "label": "Copy the nearest example",
            "metrics": text_scores.scores(rows),
            "train_seconds": 0.1,
            "outcomes": rows,
        }
    ]
