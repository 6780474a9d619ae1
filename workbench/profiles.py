"""Rows as profiles over several columns at once, each from its worst to its best: the points of parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.compare import Comparison
from workbench.comparison_rows import Row
from workbench.metric import metric

USUAL = (
    "peak_memory_bytes",
    "train_seconds",
    "trainable_parameters",
    "latency_ratio",
    "adapter_bytes",
    "forgetting",
)
LOG = ("bytes", "count", "seconds", "ms")


@dataclass(frozen=True)
class Axis:
    """A column with the figures at its ends: the best on top."""

    column: str
    worst: float
    best: float


@dataclass(frozen=True)
class Profile:
    """One row: its place on each axis from 0 (worst) to 1 (best), None where it was not measured."""

    key: str
    label: str
    family: str
    heights: tuple[float | None, ...]
    values: tuple[float | None, ...]
    place: int = 0


def offered(found: Comparison) -> list[str]:
    """Columns with a direction in which at least two rows differ, the score first."""
    names = dict.fromkeys((found.metric, *(name for row in found.rows for name in row.cells)))
    return [
        name
        for name in names
        if metric(name).better != "none" and len({row.mean(name) for row in found.rows} - {None}) > 1
    ]


def usual(found: Comparison) -> list[str]:
    known = offered(found)
    return [name for name in (found.metric, *USUAL) if name in known]


def profiles(found: Comparison, columns: Sequence[str]) -> tuple[list[Axis], list[Profile]]:
    """The axes and a profile for each row that has the score; `place` counts the rows of a family."""
    rows = [row for row in found.rows if row.mean(found.metric) is not None]
    axes = [axis for axis in (_axis(name, rows) for name in columns) if axis is not None]
    seen: dict[str, int] = {}
    drawn = []
    for row in rows:
        place = seen[row.family] = seen.get(row.family, -1) + 1
        values = tuple(row.mean(axis.column) for axis in axes)
        heights = tuple(_height(axis, value) for axis, value in zip(axes, values))
        drawn.append(Profile(row.key, row.label, row.family, heights, values, place))
    return axes, drawn


def _axis(name: str, rows: Sequence[Row]) -> Axis | None:
    values = [value for row in rows if (value := row.mean(name)) is not None]
    if not values:
        return None
    low, high = min(values), max(values)
    return Axis(name, high, low) if metric(name).better == "lower" else Axis(name, low, high)


def _height(axis: Axis, value: float | None) -> float | None:
    if value is None:
        return None
    worst, best = axis.worst, axis.best
    if metric(axis.column).format in LOG and min(worst, best, value) > 0:
        worst, best, value = (math.log(number) for number in (worst, best, value))
    return 1.0 if worst == best else (value - worst) / (best - worst)
