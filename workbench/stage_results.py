"""What a result says of the stages that were trained, and how far the end of the run went beyond a stage that was scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench import evaluate
from workbench.outcome_files import read_outcomes
from workbench.staged import Work, outcomes_path
from workbench.statistics import mean_interval


def records(
    works: Sequence[Work], sizes: Sequence[int | None], outcomes: Sequence[evaluate.Outcome], folder: Path
) -> tuple[dict[str, Any], ...]:
    """What Result.stages says."""
    found = []
    for work, size in zip(works, sizes):
        gain = _gain(work, outcomes, folder) if work.stage.scored and work is not works[-1] else None
        found.append(
            {
                "name": work.stage.name,
                "title": work.stage.title,
                "sentence": work.stage.sentence,
                "seconds": work.progress.seconds,
                "peak_memory_bytes": size,
                "steps": work.progress.step,
                "samples": work.progress.samples,
                "best_step": work.progress.best_step,
                "metrics": dict(work.metrics),
                **({"gain": gain} if gain else {}),
            }
        )
    return tuple(found)


def _gain(work: Work, outcomes: Sequence[evaluate.Outcome], folder: Path) -> dict[str, Any] | None:
    """The end of the run against this stage, on the same test prompts: two models, so no word about their methods."""
    path = outcomes_path(folder, work.stage.name)
    if not path.is_file():
        return None
    plan = work.job.plan
    before, after = (
        plan.task.marks(found, plan.task_options) for found in (read_outcomes(path), list(outcomes))
    )
    if len(before) != len(after):
        return None
    interval = mean_interval([b - a for a, b in zip(before, after)])
    wins = sum(1.0 if b > a else 0.5 if b == a else 0.0 for a, b in zip(before, after)) / len(after)
    return {
        "metric": plan.task.judged_by(plan.task_options),
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "rows": interval.n,
        "win_rate": wins,
    }


def notes(found: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The gains in words."""
    from workbench.metric import metric

    told = []
    for stage in found:
        gain = stage.get("gain")
        if gain:
            bounds = "" if gain["low"] is None else f", 95 % {gain['low']:+.3f} to {gain['high']:+.3f}"
            told.append(
                f"Against the end of the stage {stage['title']}, on the same {gain['rows']:,} test rows:"
                f" {metric(gain['metric']).title} {gain['mean']:+.3f}{bounds}; it wins"
                f" {gain['win_rate']:.0%} of them (ties half). This compares two models, not two methods."
            )
    return tuple(told)
