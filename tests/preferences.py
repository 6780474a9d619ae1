"""What the tests of preferences share: pairs that a tiny model can learn to tell apart, and the spec of a run on them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench import registry
from workbench.data import Prepared
from workbench.data.fingerprint import fingerprint_of_rows
from workbench.spec import Budget, Choice, DataSpec, RunSpec, Setting

THINGS = "film book plot actor scene room food service".split()  # noqa: SIM905
GOOD, BAD = "good bright happy warm".split(), "bad dull sad cold".split()  # noqa: SIM905


def preference_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """The better answer to `the film is` says something good of it."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        prompt = f"the {draw.choice(THINGS)} is"
        rows.append(
            {
                "prompt": prompt,
                "chosen": f"very {draw.choice(GOOD)} and {draw.choice(GOOD)}",
                "rejected": f"very {draw.choice(BAD)}",
            }
        )
    return rows


def preference_prepared(train: int = 48, validation: int = 12, test: int = 16) -> Prepared:
    rows = {
        "train": preference_rows(train, 1),
        "validation": preference_rows(validation, 2),
        "test": preference_rows(test, 3),
    }
    return Prepared(
        DataSpec("liked", task="preference", fingerprint=fingerprint_of_rows("preference", rows)), rows
    )


def preference_spec(
    model: Path | str,
    method: str,
    *,
    options: Mapping[str, Any] | None = None,
    learning_rate: float | None = None,
    budget: Budget | None = None,
    task_options: Mapping[str, Any] | None = None,
    **setting: Any,
) -> RunSpec:
    found = registry.method(method)
    asked = registry.task("preference").options(**({"max_new_tokens": 8} | dict(task_options or {})))
    values = {"batch_size": 8, "precision": "float32", "evaluations": 2, "max_length": 32} | setting
    return RunSpec(
        Setting(
            preference_prepared().spec,
            str(model),
            task="preference",
            task_options=asked.to_dict(),
            budget=budget or Budget("steps", 6),
            **values,
        ),
        Choice(
            method,
            found.options.from_dict(dict(options or {})).to_dict(),
            learning_rate or found.learning_rate,
        ),
    )


@dataclass
class HeardStages:
    """Collects events with their stage; `stop_in` makes `should_stop` true after so many steps of a stage."""

    stop_in: str | None = None
    stop_after: int = 1
    events: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def emit(self, kind: str, values: Mapping[str, Any], stage: str = "train") -> None:
        self.events.append((stage, kind, dict(values)))

    def should_stop(self) -> bool:
        return self.stop_in is not None and len(self.of("step", self.stop_in)) >= self.stop_after

    def of(self, kind: str, stage: str | None = None) -> list[dict[str, Any]]:
        return [v for where, found, v in self.events if found == kind and stage in (None, where)]
