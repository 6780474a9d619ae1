"""Peak memory of training: on CUDA what its allocator saw, elsewhere counted in two more steps on the run's longest batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from workbench import measure
from workbench.callbacks import Job
from workbench.fit import NewTrainer
from workbench.progress import Progress

PROBE_STEPS = 2


def peak_bytes(
    job: Job, progress: Progress, model: Any, trainer: NewTrainer, beside: Sequence[Any] = ()
) -> tuple[int | None, str | None]:
    """Bytes, and who counted them. `model` is thrown away afterwards; `beside` are further models that are there."""
    if progress.gpu_bytes:
        return progress.gpu_bytes, "cuda_allocator"
    plan = job.plan
    longest = [
        job.train[i] for i in job.batches(progress.step * plan.setting.gradient_accumulation).longest()
    ]
    # From the second piece of a step on, gradients are there beside the activations: more pieces change nothing.
    pieces = min(2, plan.setting.gradient_accumulation)
    setting = replace(plan.setting, gradient_accumulation=pieces, batch_size=len(longest))
    probe_plan = replace(plan, spec=replace(plan.spec, setting=setting))
    probe = replace(job, plan=probe_plan, train=longest)
    steps = Progress(PROBE_STEPS)

    def train() -> None:
        made = trainer(probe, model, steps)
        made.train()
        made.release()

    return measure.peak_training_bytes(train, model, *beside), "tensors"
