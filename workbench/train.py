"""Turns one RunSpec into a Result: build, train, keep the best state, score the test part once, measure.

It knows no store but to look a base model up in: what happens is told through `emit`.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

from workbench import checkpoints, evaluate, measure, models, sampling_stage, saving
from workbench.build import Built, Encoded, Plan, apply_method, encode, load_base, plan_run
from workbench.callbacks import BEST, PROGRESS, Cancelled, Emit, Job, RunTrainer, TrainingFailed, breathe
from workbench.environment import environment
from workbench.failure import reason_for
from workbench.lease import Lease, LeaseTimeout
from workbench.progress import Progress
from workbench.result import Reason, Result
from workbench.sampling_stage import Stage
from workbench.spec import RunSpec, Setting

if TYPE_CHECKING:
    from workbench.data import Prepared
    from workbench.store import Store

__all__ = ["Cancelled", "TrainingFailed", "train"]

OUTCOMES, VALIDATION_OUTCOMES = "outcomes.jsonl", "outcomes_validation.jsonl"
PROBE_STEPS = 2
PROOF_TEXTS = 4


def train(
    spec: RunSpec,
    prepared: Prepared,
    folder: Path,
    *,
    emit: Emit,
    should_stop: Callable[[], bool],
    lease: Lease | None = None,
    store: Store | None = None,
    resume: bool = True,
    device: str | None = None,
    checkpoint_seconds: float = 30.0,
    lease_seconds: float = 60.0,
    trial: bool = False,
) -> Result:
    """Run `spec` in `folder` and measure it. Raises TrainingFailed with a Reason, or Cancelled.

    A `trial` ends with the best validation scores: the test part is not looked at, and nothing is measured.

    With `resume`, the newest complete checkpoint in the folder is gone on from.
    """
    begun = time.monotonic()
    try:
        with lease.shared() if lease else contextlib.nullcontext(), models.quiet(), _cheap_collections():
            plan = plan_run(spec, prepared, device=device, store=store)
            base, stage = load_base(plan), None
            folder.mkdir(parents=True, exist_ok=True)
            if plan.method.make_rows is not None:
                tick = functools.partial(breathe, lease, should_stop)
                plan, stage = sampling_stage.sampled(plan, base, folder, emit=emit, tick=tick, resume=resume)
            built = apply_method(plan, base)
            encoded = encode(plan, built.model)
            job = Job(
                plan,
                encoded.rows["train"],
                encoded.rows["validation"],
                folder,
                emit,
                should_stop,
                lease,
                checkpoint_seconds,
                begun,
            )
            with evaluate.attention(plan.device, plan.precision, encoded.longest) as kernel:
                return _run(job, built, encoded, kernel, resume, lease_seconds, stage, trial)
    except (TrainingFailed, Cancelled):
        raise
    except Exception as error:
        reason = reason_for(error)
        if reason.code == "out_of_memory":
            raise TrainingFailed(_memory_reason(spec.setting, device)) from error
        if reason.code == "disk":
            raise TrainingFailed(reason) from error
        raise


def _run(
    job: Job,
    built: Built,
    encoded: Encoded,
    kernel: str,
    resume: bool,
    lease_seconds: float,
    stage: Stage | None = None,
    trial: bool = False,
) -> Result:
    plan = job.plan
    if stage is not None:
        encoded = replace(encoded, notes=(*encoded.notes, stage.note))
    progress, validation, earlier_seconds, process_peak = _fit(job, built, encoded, resume)
    if trial:
        return Result(validation=dict(progress.best_metrics), steps=progress.step, train_seconds=progress.seconds)
    test = plan.task.predict(plan.live(built.model, tick=job.breathe), encoded.rows["test"])
    write_outcomes(job.folder / VALIDATION_OUTCOMES, validation)
    write_outcomes(job.folder / OUTCOMES, test)
    measured = _measure(job, built, encoded, progress, lease_seconds)
    sampled = sampling_stage.measured(plan, built.model, stage, job.breathe)
    (job.folder / BEST).unlink(missing_ok=True)
    shutil.rmtree(job.checkpoints, ignore_errors=True)
    conditions = {
        "attention": kernel,
        "model_revision": plan.source.revision,
        "data_fingerprint": plan.setting.data.fingerprint,
        "max_length": encoded.max_length,
    }
    return replace(
        measured,
        metrics=plan.task.score(test, plan.labels, plan.task_options)
        | dict(measured.metrics)
        | sampled.get("metrics", {}),
        validation=dict(progress.best_metrics),
        trainable_parameters=built.counts.trainable,
        head_parameters=built.counts.head,
        method_parameters=built.counts.method,
        total_parameters=built.counts.total,
        base_parameters=built.counts.base,
        process_peak_bytes=process_peak,
        train_seconds=progress.seconds,
        total_seconds=earlier_seconds + time.monotonic() - job.begun,
        steps=progress.step,
        samples_seen=progress.samples,
        tokens_seen=progress.tokens,
        trained_tokens=progress.trained_tokens,
        sampled_tokens=stage.counts.get("sampled_tokens") if stage else None,
        sampling_seconds=stage.seconds if stage else None,
        samples_per_second=progress.samples / progress.seconds,
        tokens_per_second=progress.tokens / progress.seconds,
        best_step=progress.best_step,
        notes=(*encoded.notes, *measured.notes),
        environment=environment(plan.device, plan.precision) | conditions,
        **plan.task.details(test, plan.labels),
    )


def _fit(
    job: Job, built: Built, encoded: Encoded, resume: bool
) -> tuple[Progress, list[evaluate.Outcome], float, int | None]:
    """Train, and leave the model in its best state. Also: validation outcomes of that state, the seconds of earlier
    attempts, and the process's own peak memory."""
    plan = job.plan
    has_peak = measure.reset_process_peak()
    checkpoint = _checkpoint(job, resume)
    progress = _progress(plan, checkpoint)
    earlier_seconds = progress.wall_seconds
    _check_room(job, built)
    for note in encoded.notes:
        job.emit("warning", {"message": note})
    job.emit("started", _started(job, built, progress))
    trainer = RunTrainer(job, built.model, progress)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trainer.count_tokens()
    trainer.accelerator.unwrap_model(built.model, keep_fp32_wrapper=False)
    saving.load_trainable_state(built.model, load_file(job.folder / BEST))
    built.model.eval()
    outcomes = trainer.best_outcomes or plan.task.validate(
        plan.live(built.model, tick=job.breathe), job.validation
    )
    peak = measure.process_peak_bytes() if has_peak else None
    del trainer
    gc.collect()  # optimiser states hang in reference cycles
    return progress, outcomes, earlier_seconds, peak


@contextlib.contextmanager
def _cheap_collections() -> Iterator[None]:
    """The libraries' half a million objects need no looking through: half a second for each full collection, of which
    accelerate alone makes one per trainer."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


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


def _progress(plan: Plan, checkpoint: Path | None) -> Progress:
    if checkpoint:
        return Progress(**json.loads((checkpoint / PROGRESS).read_text(encoding="utf-8")))
    budget = plan.setting.budget
    return Progress(plan.context.steps, budget.amount if budget.kind == "seconds" else None)


def _check_room(job: Job, built: Built) -> None:
    """A checkpoint holds the trained weights and up to two values more for each; two are kept, and two copies more."""
    need = built.counts.trainable * 4 * (2 * 3 + 2)
    free = shutil.disk_usage(job.folder).free
    if free < need:
        message = f"The disk has {free / 1e6:,.0f} MB left and this run needs up to {need / 1e6:,.0f} MB: make room."
        raise TrainingFailed(Reason("disk", message))


def _measure(job: Job, built: Built, encoded: Encoded, progress: Progress, lease_seconds: float) -> Result:
    """Everything that is measured after training: file size, liveness, latency, memory."""
    plan, trained = job.plan, saving.trained_folder(job.folder)
    shutil.rmtree(trained, ignore_errors=True)
    saving.save_trained(
        built.model,
        trained,
        method=plan.method,
        options=plan.options,
        context=plan.context,
        source=plan.source,
    )
    base = load_base(plan)
    texts = plan.task.probes(encoded.rows["test"], evaluate.pad_id(base))
    proof = _prove(plan, built, base, texts[:PROOF_TEXTS])
    job.breathe()
    timed, notes = _latency(job, built.model, base, texts, lease_seconds)
    if not proof.live:
        notes = (*notes, _dead_note(proof))
    drift = plan.task.drift(
        plan.live(built.model, tick=job.breathe), plan.live(base, tick=job.breathe), encoded.rows["test"]
    )
    peak, source = _peak_memory(job, progress, base)
    return Result(
        peak_memory_bytes=peak,
        peak_memory_source=source,
        reserved_memory_bytes=progress.gpu_reserved_bytes or None,
        latency_ms_p50=timed.p50 if timed else None,
        latency_ms_p95=timed.p95 if timed else None,
        base_latency_ms_p50=timed.base_p50 if timed else None,
        latency_ratio=timed.ratio if timed else None,
        merged_latency_ratio=timed.merged_ratio if timed else None,
        latency_rounds=timed.rounds if timed else None,
        first_token_ms=timed.own.get("first_token_ms") if timed else None,
        token_ms=timed.own.get("token_ms") if timed else None,
        adapter_bytes=saving.trained_bytes(trained),
        live=proof.live,
        live_difference=proof.difference,
        notes=notes,
        **drift,
    )


def _prove(plan: Plan, built: Built, base: Any, texts: Sequence[Mapping[str, torch.Tensor]]) -> measure.Proof:
    def logits(model: Any) -> torch.Tensor:
        live = plan.live(model, precision="float32")
        return torch.cat([plan.task.logits(live, text) for text in texts])

    on, plain = logits(built.model), logits(base)
    with saving.without_method(built.model, built.original):
        off = logits(built.model)
    return measure.prove_live(on, off, plain)


def _dead_note(proof: measure.Proof) -> str:
    if proof.difference <= proof.tolerance:
        return "The trained method does not change the base model's answers."
    return f"With the method switched off, logits still differ from the base model's by {proof.off_difference:.2g}."


def _latency(
    job: Job, model: Any, base: Any, texts: Sequence[Mapping[str, torch.Tensor]], lease_seconds: float
) -> tuple[measure.Latency | None, tuple[str, ...]]:
    plan = job.plan
    timed = {"base": base, "method": model}
    if plan.method.mergeable:
        timed["merged"] = saving.merge(model)
    forwards = {name: plan.task.timed(plan.live(one), texts) for name, one in timed.items()}
    rounds = plan.task.latency_rounds
    if job.lease is None:
        return measure.latency(forwards, rounds=rounds), ()
    try:
        with job.lease.exclusive(lease_seconds):
            return measure.latency(forwards, rounds=rounds), ()
    except LeaseTimeout:
        note = f"Latency was not measured: other runs did not pause within {lease_seconds:g} s."
        return None, (note,)


def _peak_memory(job: Job, progress: Progress, base: Any) -> tuple[int | None, str | None]:
    """On CUDA what its allocator saw in training. Elsewhere the same is counted in two more steps, on a throw-away
    model and the run's longest batch."""
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
    built = apply_method(plan, base)
    steps = Progress(PROBE_STEPS)
    return measure.peak_training_bytes(
        lambda: RunTrainer(probe, built.model, steps, watched=False).train(), built.model
    ), "tensors"


def _memory_reason(setting: Setting, device: str | None) -> Reason:
    where = "The GPU" if evaluate.pick_device(device).startswith("cuda") else "The machine"
    if setting.batch_size > 1:
        half, twice = -(-setting.batch_size // 2), setting.gradient_accumulation * 2
        advice = f"batch_size {half} with gradient_accumulation {twice} trains the same in less"
    else:
        advice = f"a max_length below {setting.max_length} or a smaller model needs less"
    return Reason("out_of_memory", f"{where} ran out of memory at batch_size {setting.batch_size}: {advice}.")


def write_outcomes(path: Path, outcomes: Sequence[evaluate.Outcome]) -> None:
    """One JSON line per row, in the order of the rows."""
    part = path.with_name(f".{path.name}")
    with part.open("w", encoding="utf-8") as file:
        for outcome in outcomes:
            file.write(json.dumps(_rounded(outcome), ensure_ascii=False) + "\n")
    part.replace(path)


def _rounded(outcome: evaluate.Outcome) -> evaluate.Outcome:
    return {
        name: [round(one, 6) for one in value]
        if isinstance(value, list) and value and isinstance(value[0], float)
        else value
        for name, value in outcome.items()
    }


def read_outcomes(path: Path) -> list[evaluate.Outcome]:
    """What `write_outcomes` wrote."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
