"""Turns one RunSpec into a Result: build, train, keep the best state, score the test part once, measure.

It knows no store but to look a base model up in: what happens is told through `emit`.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from workbench import (
    energy,
    evaluate,
    forgetting,
    limits,
    measure,
    models,
    peak,
    quantised,
    sampling_stage,
    saving,
    stage_results,
    staged,
)
from workbench.build import Built, Encoded, Plan, apply_method, encode, finish, load_base, plan_run
from workbench.callbacks import BEST, Cancelled, Emit, Job, RunTrainer, TrainingFailed, breathe, check_peak
from workbench.environment import environment
from workbench.failure import reason_for
from workbench.fit import fit
from workbench.lease import Lease, LeaseTimeout
from workbench.outcome_files import read_outcomes, write_outcomes
from workbench.progress import Progress
from workbench.result import Reason, Result
from workbench.sampling_stage import Stage
from workbench.spec import RunSpec, Setting

if TYPE_CHECKING:
    from workbench.data import Prepared
    from workbench.store import Store

__all__ = ["Cancelled", "TrainingFailed", "read_outcomes", "train", "write_outcomes"]

OUTCOMES, VALIDATION_OUTCOMES = "outcomes.jsonl", "outcomes_validation.jsonl"
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
            limits.check_weights(plan, built)
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
                limits.check_memory(job)
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
    works: tuple[staged.Work, ...] = ()
    beside: Mapping[str, float] = {}
    if plan.method.stages is not None:
        whole = staged.fit_stages(job, built, encoded, resume=resume)
        fitted, works, beside = whole.fitted, whole.works, whole.metrics
    else:
        fitted = fit(job, built, resume=resume, notes=encoded.notes)
    progress = fitted.progress
    if trial:
        return Result(
            validation=dict(progress.best_metrics), steps=progress.step, train_seconds=progress.seconds
        )
    finished = finish(plan, built.model)
    test = plan.task.predict(plan.live(finished, tick=job.breathe), encoded.rows["test"])
    write_outcomes(job.folder / VALIDATION_OUTCOMES, fitted.outcomes)
    measured = _measure(job, built, finished, encoded, progress, lease_seconds, test, works)
    write_outcomes(job.folder / OUTCOMES, test)
    sampled = sampling_stage.measured(plan, finished, stage, job.breathe)
    (job.folder / BEST).unlink(missing_ok=True)
    shutil.rmtree(job.checkpoints, ignore_errors=True)
    staged.clear(job.folder)
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
        | dict(beside)
        | sampled.get("metrics", {}),
        validation=dict(progress.best_metrics),
        trainable_parameters=built.counts.trainable,
        head_parameters=built.counts.head,
        method_parameters=built.counts.method,
        total_parameters=built.counts.total,
        base_parameters=built.counts.base,
        process_peak_bytes=fitted.process_peak,
        train_seconds=progress.seconds + (stage.seconds if stage else 0.0),
        train_joules=progress.joules,
        energy_source=None if progress.joules is None else energy.source_on(plan.device),
        total_seconds=fitted.earlier_seconds + time.monotonic() - job.begun,
        steps=progress.step,
        samples_seen=progress.samples,
        tokens_seen=progress.tokens,
        trained_tokens=progress.trained_tokens,
        sampled_tokens=stage.counts.get("sampled_tokens") if stage else None,
        sampling_seconds=stage.seconds if stage else None,
        stages=sampling_stage.records(stage, progress, measured.peak_memory_bytes)
        if stage
        else measured.stages,
        peak_memory_bytes=sampling_stage.highest(stage, measured.peak_memory_bytes),
        samples_per_second=progress.samples / progress.seconds,
        tokens_per_second=progress.tokens / progress.seconds,
        best_step=progress.best_step,
        notes=(*encoded.notes, *measured.notes),
        environment=environment(plan.device, plan.precision) | conditions,
        **plan.task.details(test, plan.labels),
    )


@contextlib.contextmanager
def _cheap_collections() -> Iterator[None]:
    """The libraries' half a million objects need no looking through: half a second for each full collection, of which
    accelerate alone makes one per trainer."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _measure(
    job: Job,
    built: Built,
    finished: Any,
    encoded: Encoded,
    progress: Progress,
    lease_seconds: float,
    test: Sequence[evaluate.Outcome],
    works: Sequence[staged.Work] = (),
) -> Result:
    """Everything that is measured after training: file size, liveness, latency, memory. `finished` is what answers."""
    plan, trained = job.plan, saving.trained_folder(job.folder)
    shutil.rmtree(trained, ignore_errors=True)
    saving.save_trained(
        finished,
        trained,
        method=plan.method,
        options=plan.options,
        context=plan.context,
        source=plan.source,
    )
    base = load_base(plan)
    texts = plan.task.probes(encoded.rows["test"], evaluate.pad_id(base))
    proof = _prove(plan, built, finished, base, texts[:PROOF_TEXTS])
    job.breathe()
    plain, no_room = quantised.plain_base_or(plan, base, lambda: load_base(plan, as_stored=True))
    timed, notes = _latency(job, finished, plain, texts, lease_seconds)
    few_bits = quantised.forms(
        plan, built.model, finished, job.validation, texts[:PROOF_TEXTS], tick=job.breathe
    )
    notes = (*notes, *no_room, *few_bits.notes)
    if not proof.live:
        notes = (*notes, _dead_note(proof))
    drift = plan.task.drift(
        plan.live(finished, tick=job.breathe), plan.live(plain, tick=job.breathe), encoded.rows["test"], test
    )
    if "forgetting" not in drift:
        forgot, why_not = forgetting.measured(plan, finished, job.breathe)
        drift = {**drift, **forgot, "metrics": {**drift.get("metrics", {}), **forgot.get("metrics", {})}}
        notes = (*notes, *why_not)
    kept, kept_before = quantised.stored(finished), quantised.stored(plain)
    del plain
    stages: tuple[dict[str, Any], ...] = ()
    if works:
        sizes, source = staged.peaks(works, lambda: apply_method(plan, base))
        peak_bytes = max((size for size in sizes if size), default=None)
        stages = stage_results.records(works, sizes, test, job.folder)
        notes = (*notes, *stage_results.notes(stages))
        check_peak(plan.setting.budget, peak_bytes or 0)
    else:
        peak_bytes, source = _peak_memory(job, progress, base)
    return Result(
        peak_memory_bytes=peak_bytes,
        stages=stages,
        peak_memory_source=source,
        reserved_memory_bytes=progress.gpu_reserved_bytes or None,
        latency_ms_p50=timed.p50 if timed else None,
        latency_ms_p95=timed.p95 if timed else None,
        base_latency_ms_p50=timed.base_p50 if timed else None,
        **_ratios(timed),
        latency_rounds=timed.rounds if timed else None,
        first_token_ms=timed.own.get("first_token_ms") if timed else None,
        token_ms=timed.own.get("token_ms") if timed else None,
        adapter_bytes=saving.trained_bytes(trained),
        stored_weight_bytes=kept.body,
        base_stored_weight_bytes=kept_before.body,
        embedding_bytes=kept.rest,
        weight_bits=kept.bits,
        forms=few_bits.found,
        live=proof.live,
        live_difference=proof.difference,
        notes=notes,
        **drift,
    )


def _prove(
    plan: Plan, built: Built, finished: Any, base: Any, texts: Sequence[Mapping[str, torch.Tensor]]
) -> measure.Proof:
    def logits(model: Any) -> torch.Tensor:
        live = plan.live(model, precision="float32")
        return torch.cat([plan.task.logits(live, text) for text in texts])

    on, plain = logits(finished), logits(base)
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


def _ratios(timed: measure.Latency | None) -> dict[str, Any]:
    """Result's fields of ratios to the base, with the bounds of their intervals."""
    if timed is None:
        return {}
    found: dict[str, Any] = {"merged_latency_ms_p50": timed.merged_p50}
    for name, ratio in (("latency_ratio", timed.ratio), ("merged_latency_ratio", timed.merged_ratio)):
        if ratio is not None:
            found |= {name: ratio.median, f"{name}_low": ratio.low, f"{name}_high": ratio.high}
    return found


def _peak_memory(job: Job, progress: Progress, base: Any) -> tuple[int | None, str | None]:
    """On CUDA what its allocator saw in training. Elsewhere the same is counted in two more steps, on a throw-away
    model and the run's longest batch."""
    built = None if progress.gpu_bytes else apply_method(job.plan, base)
    trainer = functools.partial(RunTrainer, watched=False)
    return peak.peak_bytes(job, progress, built.model if built else None, trainer)


def _memory_reason(setting: Setting, device: str | None) -> Reason:
    where = "The GPU" if evaluate.pick_device(device).startswith("cuda") else "The machine"
    if setting.batch_size > 1:
        half, twice = -(-setting.batch_size // 2), setting.gradient_accumulation * 2
        advice = f"batch_size {half} with gradient_accumulation {twice} trains the same in less"
    else:
        advice = f"a max_length below {setting.max_length} or a smaller model needs less"
    return Reason("out_of_memory", f"{where} ran out of memory at batch_size {setting.batch_size}: {advice}.")
