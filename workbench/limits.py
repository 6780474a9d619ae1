"""Holds a run to the caps of its budget before it trains: the weights it trains, and the memory that a step takes."""

from __future__ import annotations

import functools

from workbench import peak
from workbench.build import Built, Plan, apply_method, load_base
from workbench.callbacks import Job, RunTrainer, TrainingFailed, check_peak
from workbench.progress import Progress
from workbench.result import Reason


def check_weights(plan: Plan, built: Built) -> None:
    """TrainingFailed where the method trains more weights than the budget allows; the head, which all train, counts."""
    most, trained = plan.setting.budget.trainable_parameters, built.counts.trainable
    if most is None or trained <= most:
        return
    head = f", {built.counts.head:,} of them in the head" if built.counts.head else ""
    raise TrainingFailed(
        Reason(
            "budget",
            f"{plan.method.title} trains {trained:,} weights here{head}, and the budget allows {most:,}:"
            " choose options that train fewer, such as a lower rank.",
        )
    )


def check_memory(job: Job) -> None:
    """TrainingFailed where two real steps on the run's longest batch take more than the budget allows. On CUDA the
    allocator is asked after every step instead. Stages are each their own: theirs is measured when they are done."""
    plan, budget = job.plan, job.plan.setting.budget
    if budget.peak_memory_bytes is None or plan.device.startswith("cuda") or plan.method.stages is not None:
        return
    model = apply_method(plan, load_base(plan)).model
    steps = plan.context.steps or job.batches(1).per_epoch
    trainer = functools.partial(RunTrainer, watched=False)
    found, _ = peak.peak_bytes(job, Progress(step=steps), model, trainer)
    if found is not None:
        check_peak(budget, found)
