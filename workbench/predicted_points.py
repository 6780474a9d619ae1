"""What was predicted before a run beside what was measured in it: the points of that plot, and how far off they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from workbench.compare import Comparison
from workbench.comparison_rows import finished_by_seed, measured
from workbench.curves import family_of

# Measured column -> the field of a result that predicted it.
PREDICTED = {
    "peak_memory_bytes": "predicted_peak_memory_bytes",
    "train_seconds": "predicted_seconds",
    "trainable_parameters": "predicted_trainable_parameters",
}


@dataclass(frozen=True)
class Held:
    """One row: the means over its seeds."""

    key: str
    label: str
    family: str
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """0.1 where the prediction was a tenth too high."""
        return self.predicted / self.measured - 1


def held(found: Comparison, column: str) -> list[Held]:
    """Every row that has both figures."""
    points = []
    for row in found.rows:
        runs = finished_by_seed([run for run in found.runs if run.id in row.run_ids]).values()
        pairs = [
            (float(predicted), value)
            for run in runs
            if run.result is not None
            and (predicted := getattr(run.result, PREDICTED[column], None))
            and (value := measured(run, column))
        ]
        if pairs:
            predicted, actual = (sum(side) / len(pairs) for side in zip(*pairs))
            points.append(Held(row.key, row.label, family_of(row.method), predicted, actual))
    return points


def offered(found: Comparison) -> list[str]:
    return [column for column in PREDICTED if held(found, column)]


def summary(points: Sequence[Held]) -> str:
    """How far predictions were off: the middle one and the worst."""
    if not points:
        return ""
    worst = max(points, key=lambda point: abs(point.error))
    middle = median(abs(point.error) for point in points)
    return (
        f"off by {100 * middle:.1f} % in the middle, {100 * abs(worst.error):.1f} % at worst ({worst.label})"
    )
