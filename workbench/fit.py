"""Trains one model on one job, from its newest checkpoint where there is one, and leaves it in its best state."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from workbench import checkpoints, evaluate, measure, saving
from workbench.build import Built, Plan
from workbench.callbacks import BEST, PROGRESS, Job, RunTrainer, TrainingFailed, Watched
from workbench.progress import Progress
from workbench.result import Reason

NewTrainer = Callable[[Job, Any, Progress], Watched]


@dataclass(frozen=True)
class Fitted:
    """`outcomes` are those of the best state on the validation part, `earlier_seconds` what earlier attempts took, and
    `process_peak` the process's own peak memory."""

    progress: Progress
    outcomes: list[evaluate.Outcome]
    earlier_seconds: float
    process_peak: int | None


def fit(
    job: Job,
    built: Built,
    *,
    resume: bool,
    notes: tuple[str, ...] = (),
    trainer: NewTrainer = RunTrainer,
    earlier_seconds: float = 0.0,
    started: Mapping[str, Any] | None = None,
) -> Fitted:
    """Train `built.model`. `started` is what the first event says besides."""
    has_peak = measure.reset_process_peak()
    checkpoint = _checkpoint(job, resume)
    progress = _progress(job.plan, checkpoint, earlier_seconds)
    earlier_seconds = progress.wall_seconds
    _check_room(job, built)
    for note in notes:
        job.emit("warning", {"message": note})
    job.emit("started", _started(job, built, progress) | dict(started or {}))
    made = trainer(job, built.model, progress)
    made.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    made.count_tokens()
    made.release()
    saving.load_trainable_state(built.model, load_file(job.folder / BEST))
    built.model.eval()
    outcomes = made.best_outcomes or made.judged()[0]
    peak = measure.process_peak_bytes() if has_peak else None
    del made
    gc.collect()  # optimiser states hang in reference cycles
    return Fitted(progress, outcomes, earlier_seconds, peak)


def _started(job: Job, built: Built, progress: Progress) -> dict[str, Any]:
    return {
        "step": progress.step,
        "steps": progress.total_steps,
        "trainable_parameters": built.counts.trainable,
        "head_parameters": built.counts.head,
        "method_parameters": built.counts.method,
        "total_parameters": built.counts.total,
        "base_parameters": built.counts.base,
        "device": job.plan.device,
        "precision": job.plan.precision,
        "resumed": progress.step > 0,
    }


def _checkpoint(job: Job, resume: bool) -> Path | None:
    """The one to go on from. Whatever an earlier attempt left behind it is removed."""
    if not resume:
        shutil.rmtree(job.checkpoints, ignore_errors=True)
    found, torn = checkpoints.newest_complete(job.checkpoints)
    for path in torn:
        onward = f"training goes on from {found.name}" if found else "training starts anew"
        job.emit("warning", {"message": f"{path.name} is not complete and was skipped: {onward}."})
        shutil.rmtree(path, ignore_errors=True)
    best = job.folder / BEST
    best.unlink(missing_ok=True)
    if found and (found / BEST).is_file():
        checkpoints.link(found / BEST, best)
    return found


def _progress(plan: Plan, checkpoint: Path | None, earlier_seconds: float) -> Progress:
    if checkpoint:
        return Progress(**json.loads((checkpoint / PROGRESS).read_text(encoding="utf-8")))
    budget = plan.setting.budget
    allowed = budget.amount if budget.kind == "seconds" else None
    return Progress(plan.context.steps, allowed, wall_seconds=earlier_seconds)


def _check_room(job: Job, built: Built) -> None:
    """A checkpoint holds the trained weights and up to two values more for each; two are kept, and two copies more."""
    need = built.counts.trainable * 4 * (2 * 3 + 2)
    free = shutil.disk_usage(job.folder).free
    if free < need:
        message = f"The disk has {free / 1e6:,.0f} MB left and this run needs up to {need / 1e6:,.0f} MB: make room."
        raise TrainingFailed(Reason("disk", message))
