"""What the tests of language modelling share: texts that a tiny model can learn to tell, and the spec of a run on them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from workbench import registry
from workbench.data import Prepared
from workbench.data.fingerprint import fingerprint_of_rows
from workbench.spec import Budget, Choice, DataSpec, RunSpec, Setting

THINGS = "film book plot actor scene room food service".split()  # noqa: SIM905


def text_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """`the film is slow and the film was good`, over and over, of several lengths."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        thing, other = draw.choice(THINGS), draw.choice(THINGS)
        said = f"the {thing} is slow and the {other} was good " * draw.randint(1, 3)
        rows.append({"text": said.strip()})
    return rows


def text_prepared(train: int = 40, validation: int = 6, test: int = 10) -> Prepared:
    rows = {
        "train": text_rows(train, 1),
        "validation": text_rows(validation, 2),
        "test": text_rows(test, 3),
    }
    return Prepared(
        DataSpec(
            "said", task="language_modelling", fingerprint=fingerprint_of_rows("language_modelling", rows)
        ),
        rows,
    )


def text_spec(
    model: Path | str,
    method: str = "full",
    *,
    options: dict[str, Any] | None = None,
    learning_rate: float | None = None,
    budget: Budget | None = None,
    task_options: dict[str, Any] | None = None,
    **setting: Any,
) -> RunSpec:
    found = registry.method(method)
    known = registry.task("language_modelling").options
    values = {"batch_size": 8, "precision": "float32", "evaluations": 2, "max_length": 16} | setting
    return RunSpec(
        Setting(
            text_prepared().spec,
            str(model),
            task="language_modelling",
            task_options=known(
                **({"max_new_tokens": 8, "general_texts": 2} | (task_options or {}))
            ).to_dict(),
            budget=budget or Budget("steps", 4),
            **values,
        ),
        Choice(
            method, found.options.from_dict(options or {}).to_dict(), learning_rate or found.learning_rate
        ),
    )
