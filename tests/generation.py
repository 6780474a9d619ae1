"""What the tests of generation share: rows that a tiny model can learn to say, and the spec of a run on them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench import registry
from workbench.data import Prepared
from workbench.data.fingerprint import fingerprint_of_rows
from workbench.spec import Budget, Choice, DataSpec, RunSpec, Setting

THINGS = "film book plot actor scene room food service".split()  # noqa: SIM905
KINDS = "good bad dull bright slow fast".split()  # noqa: SIM905


def generation_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """`film slow` is to become `the film is slow`."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        thing, kinds = draw.choice(THINGS), draw.sample(KINDS, draw.randint(1, 2))
        told = f"the {thing} is " + " and ".join(kinds)
        rows.append(
            {
                "prompt": " ".join([thing, *kinds]),
                "completion": told,
                "references": [told, f"a {thing} {kinds[0]}"],
                "kind": "one" if len(kinds) == 1 else "two",
            }
        )
    return rows


def generation_prepared(train: int = 64, validation: int = 12, test: int = 16) -> Prepared:
    rows = {
        "train": generation_rows(train, 1),
        "validation": generation_rows(validation, 2),
        "test": generation_rows(test, 3),
    }
    return Prepared(
        DataSpec("told", task="generation", fingerprint=fingerprint_of_rows("generation", rows)), rows
    )


def generation_spec(
    model: Path | str,
    method: str = "full",
    *,
    options: Mapping[str, Any] | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    budget: Budget | None = None,
    task_options: dict[str, Any] | None = None,
    **setting: Any,
) -> RunSpec:
    found = registry.method(method)
    asked = registry.task("generation").options(**({"max_new_tokens": 10} | (task_options or {})))
    values = {"batch_size": 8, "precision": "float32", "evaluations": 2, "max_length": 32} | setting
    return RunSpec(
        Setting(
            generation_prepared().spec,
            str(model),
            task="generation",
            task_options=asked.to_dict(),
            budget=budget or Budget("steps", 4),
            **values,
        ),
        Choice(
            method,
            found.options.from_dict(dict(options or {})).to_dict(),
            learning_rate or found.learning_rate,
        ),
        seed,
    )
