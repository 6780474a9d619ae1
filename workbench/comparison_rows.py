"""Rows of a comparison: one choice over its seeds, with means and intervals, or one reference; failed runs stay in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench import registry
from workbench.metric import COLUMNS
from workbench.result import Run
from workbench.statistics import Interval, mean_interval


@dataclass(frozen=True)
class Row:
    """One choice (method, options, learning rate) over its seeds, or one reference. Cells that were not measured are absent."""

    key: str
    label: str
    method: str
    family: str
    options: Mapping[str, Any]
    learning_rate: float | None
    seeds: tuple[int, ...]
    run_ids: tuple[str, ...]
    states: Mapping[str, int]
    reasons: tuple[str, ...]
    cells: Mapping[str, Interval]
    letters: str = ""
    reference: bool = False

    def mean(self, column: str) -> float | None:
        cell = self.cells.get(column)
        return None if cell is None else cell.mean


def rows_of(runs: Sequence[Run]) -> list[Row]:
    """One row for each choice, in the order in which they came."""
    by_choice: dict[str, list[Run]] = {}
    for run in runs:
        by_choice.setdefault(run.spec.choice.id, []).append(run)
    return [_row(key, group) for key, group in by_choice.items()]


def finished_by_seed(runs: Sequence[Run]) -> dict[int, Run]:
    """A run that was made again for the same seed stands for it; the earlier one stays in the list of runs."""
    return {run.spec.seed: run for run in runs if run.state == "finished"}


def measured(run: Run, column: str) -> float | None:
    """One figure of one run; None where it was not measured."""
    if run.result is None:
        return None
    value = run.result.metrics.get(column)
    return value if value is not None else getattr(run.result, column, None)


def reference_row(record: Mapping[str, Any]) -> Row:
    values = {**record, **record.get("metrics", {})}
    cells = {
        c.name: Interval(float(values[c.name]), None, None, 1)
        for c in COLUMNS
        if values.get(c.name) is not None
    }
    return Row(
        key=str(record["method"]),
        label=str(record["label"]),
        method=str(record["method"]),
        family="base",
        options={},
        learning_rate=None,
        seeds=(),
        run_ids=(),
        states={},
        reasons=(),
        cells=cells,
        reference=True,
    )


def summary(row: Row) -> dict[str, Any]:
    """The row as plain JSON values."""
    return {
        "label": row.label,
        "method": row.method,
        "family": row.family,
        "options": dict(row.options),
        "learning_rate": row.learning_rate,
        "seeds": list(row.seeds),
        "runs": list(row.run_ids),
        "states": dict(row.states),
        "reasons": list(row.reasons),
        "letters": row.letters or None,
        "columns": {
            name: {"mean": cell.mean, "low": cell.low, "high": cell.high, "n": cell.n}
            for name, cell in row.cells.items()
        },
    }


def _row(key: str, runs: Sequence[Run]) -> Row:
    latest = finished_by_seed(runs)
    finished = list(latest.values())
    choice = runs[0].spec.choice
    cells = {}
    for column in COLUMNS:
        values = [measured(run, column.name) for run in finished]
        known = [v for v in values if v is not None]
        if known and len(known) == len(values):
            cells[column.name] = mean_interval(known)
    states: dict[str, int] = {}
    for run in runs:
        states[run.state] = states.get(run.state, 0) + 1
    try:
        family = registry.method(choice.method).family
    except ValueError:
        family = "base"
    return Row(
        key=key,
        label=runs[0].label,
        method=choice.method,
        family=family,
        options=choice.options,
        learning_rate=choice.learning_rate,
        seeds=tuple(sorted(latest)),
        run_ids=tuple(run.id for run in runs),
        states=states,
        reasons=tuple(dict.fromkeys(run.reason.message for run in runs if run.reason)),
        cells=cells,
    )
