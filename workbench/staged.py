"""Trains the stages of a method in order: each in a folder of its own, with its own checkpoints, progress and best state.

A stage that is complete is not trained again when the run is resumed.
"""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from workbench import peak, saving, stages
from workbench.build import Built, Encoded
from workbench.callbacks import BEST, Job, RunTrainer, Watched
from workbench.fit import Fitted, fit
from workbench.outcome_files import write_outcomes
from workbench.parameters import count_parameters, total_parameters
from workbench.progress import Progress
from workbench.spec import Budget
from workbench.stages import Complete, Stage

FOLDER = "stages"


@dataclass(frozen=True)
class Work:
    """A stage as it was trained. `given` are the models that stood beside the run's own, `own` the one that the stage
    made for itself, or None."""

    stage: Stage
    job: Job = field(repr=False)
    progress: Progress
    metrics: Mapping[str, float]
    given: Mapping[str, Any] = field(repr=False)
    own: Any = field(repr=False, default=None)

    def trainer(self, job: Job, model: Any, progress: Progress, *, watched: bool = False) -> Watched:
        """A trainer of this stage's kind."""
        if self.stage.trainer is None:
            return RunTrainer(job, model, progress, watched=watched)
        return self.stage.trainer(job, model, progress, self.given, watched)


@dataclass(frozen=True)
class Staged:
    """`fitted` is the run as a whole: sums over the stages, the last one's validation."""

    fitted: Fitted
    works: tuple[Work, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """What models beside the run's own were worth on the test part."""
        return {
            name: value for work in self.works if work.own is not None for name, value in work.metrics.items()
        }


def fit_stages(job: Job, built: Built, encoded: Encoded, *, resume: bool) -> Staged:
    """Train them all, and leave the run's model as the last one made it."""
    plan = job.plan
    assert plan.method.stages is not None
    order = stages.check(plan.method.stages(plan.options, plan.context))
    if not resume:
        shutil.rmtree(job.folder / FOLDER, ignore_errors=True)
        (job.folder / stages.FILE).unlink(missing_ok=True)
    complete = stages.read(job.folder) if resume else []
    done = {one.name: one for one in complete}
    earlier_seconds = complete[-1].progress.wall_seconds if complete else 0.0
    given: dict[str, Any] = {}
    works: list[Work] = []
    fitted: Fitted | None = None
    for number, (stage, stage_job) in enumerate(zip(order, _jobs(job, order))):
        own = _own(stage, stage_job, built) if stage.model else None
        model = own or built
        known = done.get(stage.name)
        work = Work(
            stage,
            stage_job,
            known.progress if known else Progress(),
            known.metrics if known else {},
            dict(given),
            own.model if own else None,
        )
        if known:
            saving.load_trainable_state(model.model, load_file(stage_job.folder / BEST))
            model.model.eval()
        else:
            before = [one.progress for one in works]
            stage_job = _telling(stage_job, order, number, before, plan.context.steps)
            work = replace(work, job=stage_job)
            stage_job.folder.mkdir(parents=True, exist_ok=True)
            fitted = fit(
                stage_job,
                model,
                resume=resume,
                notes=() if number else encoded.notes,
                trainer=functools.partial(work.trainer, watched=True),
                earlier_seconds=earlier_seconds,
                started={"stage_title": stage.title, "stage_number": number + 1, "stages": len(order)},
            )
            earlier_seconds = fitted.earlier_seconds
            progress = fitted.progress
            progress.wall_seconds = earlier_seconds + time.monotonic() - job.begun
            work = replace(
                work, progress=progress, metrics=_scores(stage_job, stage, model, encoded, progress)
            )
            complete.append(Complete(stage.name, progress, dict(work.metrics)))
            shutil.rmtree(stage_job.checkpoints, ignore_errors=True)
            stages.write(job.folder, complete)
        if own:
            given[stage.name] = own.model
        works.append(work)
    total = _total([work.progress for work in works])
    if fitted is None:  # all was trained when the run was stopped: only the measuring is left
        outcomes = works[-1].trainer(works[-1].job, built.model, Progress(1)).judged()[0]
        fitted = Fitted(total, outcomes, earlier_seconds, None)
    return Staged(replace(fitted, progress=total, earlier_seconds=earlier_seconds), tuple(works))


def untrained(job: Job, built: Built) -> list[Work]:
    """The stages as they would begin, nothing trained: what `peaks` measures."""
    assert job.plan.method.stages is not None
    order = stages.check(job.plan.method.stages(job.plan.options, job.plan.context))
    given: dict[str, Any] = {}
    works = []
    for stage, stage_job in zip(order, _jobs(job, order)):
        stage_job.folder.mkdir(parents=True, exist_ok=True)
        own = _own(stage, stage_job, built) if stage.model else None
        progress = Progress(step=stage_job.plan.context.steps or 1)
        works.append(Work(stage, stage_job, progress, {}, dict(given), own.model if own else None))
        if own:
            given[stage.name] = own.model
    return works


def _own(stage: Stage, job: Job, built: Built) -> Built:
    """The model that a stage trains beside the run's own."""
    assert stage.model is not None
    model = stage.model(job.plan, built.model)
    return Built(model, count_parameters(model, base=total_parameters(model)), {})


def _jobs(job: Job, order: Sequence[Stage]) -> Iterator[Job]:
    """The run's job, cut for each stage: its part of the budget and of the evaluations, its learning rate and folder."""
    plan, setting = job.plan, job.plan.setting
    steps = stages.steps(order, plan.context.steps) if plan.context.steps else [None] * len(order)
    for stage, count, part in zip(order, steps, stages.fractions(order)):
        budget = Budget("steps", count) if count else Budget("seconds", setting.budget.amount * part)
        own = replace(setting, budget=budget, evaluations=max(1, round(setting.evaluations * part)))
        choice = plan.spec.choice
        if stage.learning_rate is not None:
            choice = replace(choice, learning_rate=stage.learning_rate)
        yield replace(
            job,
            plan=replace(
                plan,
                spec=replace(plan.spec, setting=own, choice=choice),
                context=replace(plan.context, steps=count),
            ),
            folder=job.folder / FOLDER / stage.name,
            chosen_by=stage.chosen_by,
        )


def _telling(
    job: Job, order: Sequence[Stage], number: int, before: Sequence[Progress], total: int | None
) -> Job:
    """Its events bear the stage's name, and count steps, seconds and tokens on from the stages before. With a budget of seconds
    the `total` of steps is guessed from the pace so far."""
    stage, parts, told = order[number], stages.fractions(order), job.emit
    steps, seconds = sum(one.step for one in before), sum(one.seconds for one in before)
    tokens = sum(one.tokens for one in before)
    share_before = sum(parts[:number])

    def emit(kind: str, values: Mapping[str, Any]) -> None:
        found = dict(values)
        if found.get("step") is not None:
            step, expected = int(found["step"]), found.get("steps")
            known = job.plan.context.steps or expected
            share = share_before + parts[number] * (min(1.0, step / known) if known else 0.0)
            found |= {
                "stage_step": step,
                "stage_steps": known,
                "progress": round(share, 6),
                "step": steps + step,
            }
            if "steps" in found:
                guess = max(steps + step, round((steps + step) / share)) if share > 0 else None
                found["steps"] = total or guess
        if found.get("seconds") is not None:
            found["seconds"] = seconds + found["seconds"]
        if found.get("tokens") is not None:
            found["tokens"] = tokens + found["tokens"]
        told(kind, found, stage=stage.name)  # type: ignore[call-arg]

    return replace(job, emit=emit)


def _scores(job: Job, stage: Stage, model: Built, encoded: Encoded, progress: Progress) -> dict[str, float]:
    """The best validation scores; on the test part where the stage is scored, or made a model of its own."""
    found = dict(progress.best_metrics)
    plan = job.plan
    if stage.model is not None and stage.trainer is not None:
        test = replace(job, validation=encoded.rows["test"])
        return stage.trainer(test, model.model, Progress(1), {}, False).judged()[1]
    if stage.scored:
        outcomes = plan.task.predict(plan.live(model.model, tick=job.breathe), encoded.rows["test"])
        write_outcomes(outcomes_path(job.folder.parents[1], stage.name), outcomes)
        found = plan.task.score(outcomes, plan.labels, plan.task_options)
    return found


def outcomes_path(folder: Path, stage: str) -> Path:
    """Where a scored stage's outcomes on the test part are kept."""
    return folder / f"outcomes_{stage}.jsonl"


def _total(parts: Sequence[Progress]) -> Progress:
    """The run as one: what was counted is added up, what was best is the last stage's."""
    last, offset = parts[-1], sum(part.step for part in parts[:-1])
    return replace(
        last,
        total_steps=sum(part.total_steps for part in parts if part.total_steps) or None,
        step=sum(part.step for part in parts),
        seconds=sum(part.seconds for part in parts),
        joules=sum(part.joules or 0.0 for part in parts) if any(part.joules for part in parts) else None,
        samples=sum(part.samples for part in parts),
        tokens=sum(part.tokens for part in parts),
        trained_tokens=sum(part.trained_tokens for part in parts),
        best_step=None if last.best_step is None else offset + last.best_step,
        best_metrics=dict(last.best_metrics),
        gpu_bytes=max(part.gpu_bytes for part in parts),
        gpu_reserved_bytes=max(part.gpu_reserved_bytes for part in parts),
    )


def peaks(works: Sequence[Work], fresh: Callable[[], Built]) -> tuple[list[int | None], str | None]:
    """Each stage's peak memory and who counted it; `fresh` makes a run's model that may be spoilt."""
    built: Built | None = None
    found: list[int | None] = []
    source: str | None = None
    for work in works:
        model = work.own
        if model is None and not work.progress.gpu_bytes:
            built = built or fresh()
            model = built.model
        size, source = peak.peak_bytes(work.job, work.progress, model, work.trainer, _beside(work))
        found.append(size)
    return found, source


def _beside(work: Work) -> list[Any]:
    return [model for model in work.given.values() if model is not work.own]


def clear(folder: Path) -> None:
    """Checkpoints and states of the stages: the run's result does not need them."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
