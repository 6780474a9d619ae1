"""Two runs side by side: every field of setting, choice and environment in which they differ, and how many they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.result import Run

GROUPS = ("Choice", "Setting", "Environment", "Result")
RESULT = (
    *("trainable_parameters", "total_parameters", "peak_memory_bytes", "train_seconds", "steps", "best_step"),
    *("latency_ratio", "adapter_bytes", "forgetting"),
)


@dataclass(frozen=True)
class Field:
    """One field by its dotted name; a side that lacks it has None."""

    group: str
    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Diff:
    fields: tuple[Field, ...]
    same: int


def diff(first: Run, second: Run) -> Diff:
    """What differs, in the order of GROUPS, and the number of fields that don't."""
    fields, same = [], 0
    for group, sides in zip(GROUPS, zip(_sides(first), _sides(second))):
        for name in dict.fromkeys((*sides[0], *sides[1])):
            a, b = sides[0].get(name), sides[1].get(name)
            if a == b:
                same += 1
            else:
                fields.append(Field(group, name, a, b))
    return Diff(tuple(fields), same)


def _sides(run: Run) -> tuple[dict[str, Any], ...]:
    choice = run.spec.choice
    result = run.result
    environment = _flat(result.environment) if result else {}
    return (
        {
            "method": choice.method,
            "learning_rate": choice.learning_rate,
            **_flat(choice.options),
            "seed": run.spec.seed,
        },
        _flat(run.spec.setting.to_dict()),
        {**environment, "device": run.device, "threads": run.threads},
        {**_flat(result.metrics), **{name: getattr(result, name) for name in RESULT}} if result else {},
    )


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        full = f"{before}{name}"
        found |= _flat(value, f"{full}.") if isinstance(value, Mapping) and value else {full: value}
    return found
