"""transformers' Trainer as the workbench uses it: events, time, divergence, best state, checkpoints, cancelling."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from workbench import checkpoints, energy, evaluate, optimizers, saving
from workbench.batches import LengthBatches
from workbench.build import Plan
from workbench.lease import Lease
from workbench.metric import metric
from workbench.progress import Progress, Stopped, learning_rate_factor
from workbench.result import Reason
from workbench.spec import Budget

Emit = Callable[[str, Mapping[str, Any]], None]

LOGS_PER_RUN = 100
WEIGHTS = "trainable.safetensors"
BEST = "best.safetensors"
PROGRESS = "progress.json"


class TrainingFailed(Stopped):
    """The run can't give a result; `reason` says why and what to do."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.message)
        self.reason = reason


class Cancelled(Stopped):
    """`should_stop` said so."""


def breathe(lease: Lease | None, should_stop: Callable[[], bool]) -> None:
    """Between two pieces of work: a wish to stop, or a measurement that waits for quiet."""
    if lease is not None:
        lease.breathe(should_stop)
    if should_stop():
        raise Cancelled("cancelled")


@dataclass(frozen=True)
class Job:
    """What a trainer works on, and whom it tells."""

    plan: Plan
    train: Sequence[evaluate.Row]
    validation: Sequence[evaluate.Row]
    folder: Path
    emit: Emit = field(default=lambda kind, values: None)
    should_stop: Callable[[], bool] = field(default=lambda: False)
    lease: Lease | None = None
    checkpoint_seconds: float = 30.0
    begun: float = field(default_factory=time.monotonic)
    chosen_by: str = ""

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def keeps_latest(self) -> bool:
        """Whether the last state is the result: a method that reads no answers has no checkpoint picked by them."""
        method = self.plan.method
        return method.make_rows is not None and not method.reads_answers

    def batches(self, count: int) -> LengthBatches:
        size, seed = self.plan.setting.batch_size, self.plan.spec.seed
        return LengthBatches([len(row["input_ids"]) for row in self.train], size, seed, count)

    def breathe(self) -> None:
        breathe(self.lease, self.should_stop)


class Watched(Trainer):
    """What every trainer of a run has from us, those of TRL too: optimiser, schedule, evaluation, checkpoints, events."""

    def prepare(self, job: Job, progress: Progress) -> None:
        """To be called before Trainer's own start."""
        self.job, self.progress = job, progress
        self.best_outcomes: list[evaluate.Outcome] | None = None
        self.step_losses: list[torch.Tensor] = []
        self._tokens: list[torch.Tensor] = []

    def watch(self, watched: bool) -> None:
        """To be called after it."""
        # The model's own loss is never asked for, so it gets no word about how to scale it.
        self.model_accepts_loss_kwargs = False
        self.remove_callback(PrinterCallback)
        if watched:
            self.add_callback(Watch(self))

    def release(self) -> None:
        """Give the model back as it was taken: without accelerate's wrapper."""
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)

    def told(self, logs: Mapping[str, Any]) -> dict[str, Any]:
        """What a step's event says besides."""
        return {}

    def counted(self, inputs: Mapping[str, Any]) -> tuple[int, torch.Tensor, torch.Tensor]:
        """Of a batch: its rows, its real tokens, and those of them that are learnt."""
        return len(inputs["labels"]), inputs["attention_mask"].sum(), (inputs["labels"] != -100).sum()

    def loader(self, rows: Sequence[Any], collate: Callable[[Any], Any]) -> DataLoader[Any]:
        """The batches of the whole run, in an order that is the same for every method."""
        setting = self.job.plan.setting
        steps = self.progress.total_steps or 10**9 // setting.gradient_accumulation
        loader: DataLoader[Any] = DataLoader(
            list(rows),  # type: ignore[arg-type]
            batch_sampler=self.job.batches(steps * setting.gradient_accumulation),
            collate_fn=collate,
        )
        return self.accelerator.prepare(loader)

    def create_optimizer(self, model: Any = None) -> Any:
        setting, choice = self.job.plan.setting, self.job.plan.spec.choice
        if self.optimizer is None and self.job.plan.method.optimizer is not None:
            self.optimizer = self.job.plan.method.optimizer(
                self.model,  # type: ignore[arg-type]
                self.job.plan.options,
                choice.learning_rate,
                setting.weight_decay,
            )
        if self.optimizer is None:
            self.optimizer = optimizers.create(
                setting.optimizer, self.model, choice.learning_rate, setting.weight_decay
            )
        return super().create_optimizer(model)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """By the share of the budget that is used, so that a budget of seconds has the same shape as one of steps."""
        if self.lr_scheduler is None:
            setting, progress = self.job.plan.setting, self.progress

            def factor(step: int) -> float:
                return learning_rate_factor(progress.share(step), setting.schedule, setting.warmup_share)

            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, factor)  # type: ignore[arg-type]
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        self.note(inputs)
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.step_losses.append(loss)
        return loss

    def note(self, inputs: Mapping[str, Any]) -> None:
        rows, read, learnt = self.counted(inputs)
        self.progress.samples += rows
        self._tokens.append(torch.stack([read, learnt]))

    def count_tokens(self) -> None:
        """Note the real tokens since the last call, and those of them that were learnt; one transfer for many steps."""
        if self._tokens:
            read, learnt = torch.stack(self._tokens).sum(0).tolist()
            self.progress.tokens += read
            self.progress.trained_tokens += learnt
        self._tokens.clear()

    def judged(self) -> tuple[list[evaluate.Outcome], dict[str, float], float]:
        """Of the model as it is: its outcomes on the validation part, their metrics and loss."""
        job, plan, task = self.job, self.job.plan, self.job.plan.task
        outcomes = task.validate(plan.live(self.model, tick=job.breathe), job.validation)
        metrics = task.score(outcomes, plan.labels, plan.task_options)
        return outcomes, metrics, task.validation_loss(outcomes, plan.labels)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Score the validation part, keep the state if it is the best so far, stop early if that was asked for."""
        job, progress = self.job, self.progress
        outcomes, metrics, loss = self.judged()
        _check_finite(self, loss, "validation loss")
        self.count_tokens()
        now = {"step": progress.step, "seconds": progress.seconds, "tokens": progress.tokens}
        values = {**now, **metrics, "loss": loss}
        job.emit("evaluated", values)
        chosen = job.chosen_by or job.plan.task.chosen_by(job.plan.task_options)
        if progress.improved(metrics, chosen, better=metric(chosen).better, latest=job.keeps_latest):
            self.best_outcomes = outcomes
            self._keep_best()
        patience = job.plan.setting.early_stopping
        if patience is not None and not job.keeps_latest and progress.evaluations_since_best >= patience:
            self.control.should_training_stop = True
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _keep_best(self) -> None:
        part = self.job.folder / f".{BEST}"
        save_file(saving.trainable_state(self.model), part)
        part.replace(self.job.folder / BEST)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """A checkpoint holds what training changes, not the base model."""
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_file(saving.trainable_state(self.model), folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        saving.load_trainable_state(self.model, load_file(Path(resume_from_checkpoint) / WEIGHTS))

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        return 0  # counting them walks through all parameters at every step

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        return None  # TRL writes one beside every checkpoint


class RunTrainer(Watched):
    """Trainer with the task's batches and loss."""

    def __init__(self, job: Job, model: Any, progress: Progress, *, watched: bool = True) -> None:
        job = dataclasses.replace(job, train=job.plan.task.said(job.train))
        self.prepare(job, progress)
        self._inputs: dict[str, Any] = {}
        super().__init__(model, TrainingArguments(**arguments(job, progress)), compute_loss_func=self._loss)
        self.watch(watched)

    def get_train_dataloader(self) -> DataLoader[Any]:
        pad = evaluate.pad_id(self.model)
        return self.loader(self.job.train, lambda rows: self.job.plan.task.collate(rows, pad))

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        self._inputs = dict(inputs)
        try:
            return super().compute_loss(model, inputs, *args, **kwargs)
        finally:
            self._inputs = {}

    def _loss(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        """The task's mean over a whole step, or the method's own over a batch, weighed by the batch's part of the step."""
        plan = self.job.plan
        own = (labels != -100).sum()
        count = own if num_items_in_batch is None else num_items_in_batch
        if plan.method.objective is not None:
            batch = {**self._inputs, "labels": labels}
            return plan.method.objective(self.model, batch, outputs, plan.options) * own / count  # type: ignore[arg-type]
        loss: torch.Tensor = plan.task.loss(outputs["logits"], labels, count, plan.setting.label_smoothing)
        return loss


class Watch(TrainerCallback):  # type: ignore[misc]
    """Turns the trainer's steps into events, keeps time, and ends a run that diverges or is to stop."""

    def __init__(self, trainer: Watched) -> None:
        self.trainer = trainer
        self.job, self.progress = trainer.job, trainer.progress
        self._begun = 0.0
        self._meter = energy.meter(self.job.plan.device)
        self._saved = time.monotonic()
        self._earlier = self.progress.wall_seconds

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.job.breathe()
        self.trainer.step_losses.clear()
        if self._on_gpu:
            torch.cuda.reset_peak_memory_stats()
        if self._meter:
            self._meter.begin()
        self._begun = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        progress, setting = self.progress, self.job.plan.setting
        if self._on_gpu:
            torch.cuda.synchronize()
            progress.saw_gpu_memory(torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved())
            check_peak(setting.budget, progress.gpu_bytes)
        before = progress.share(progress.step)
        progress.seconds += time.perf_counter() - self._begun
        if self._meter:
            self._meter.end()
            progress.joules = (progress.joules or 0.0) + self._meter.joules
            self._meter.joules = 0.0
        progress.step = state.global_step
        progress.wall_seconds = self._earlier + time.monotonic() - self.job.begun
        loss = float(sum(self.trainer.step_losses))
        _check_finite(self.trainer, loss, "loss")
        progress.last_loss = loss
        after = progress.share(progress.step)
        control.should_log = _crossed(before, after, LOGS_PER_RUN)
        control.should_evaluate = _crossed(before, after, setting.evaluations)
        if after >= 1:
            control.should_training_stop = True
        elif time.monotonic() - self._saved >= self.job.checkpoint_seconds:
            control.should_save = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if not logs or "loss" not in logs:
            return  # the summary at the end
        progress = self.progress
        norm = logs.get("grad_norm")
        # With float16, an overflow is what the loss scaler looks for: it skips the step and scales down.
        if norm is not None and self.job.plan.precision != "float16":
            _check_finite(self.trainer, norm, "gradient norm")
        self.trainer.count_tokens()
        values = {
            "step": progress.step,
            "steps": progress.steps_expected(),
            "loss": logs["loss"],
            "learning_rate": logs["learning_rate"],
            "gradient_norm": norm if norm is not None and math.isfinite(norm) else None,
            "seconds": progress.seconds,
            "samples_per_second": progress.samples / progress.seconds if progress.seconds else None,
            "epoch": progress.samples / len(self.job.train),
            "tokens": progress.tokens,
            **self.trainer.told(logs),
        }
        self.job.emit("step", values)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        folder = self.job.checkpoints / f"checkpoint-{state.global_step}"
        self.trainer.count_tokens()
        if (best := self.job.folder / BEST).is_file():
            checkpoints.link(best, folder / BEST)
        (folder / PROGRESS).write_text(json.dumps(dataclasses.asdict(self.progress)), encoding="utf-8")
        checkpoints.mark_complete(folder)
        checkpoints.keep_newest(self.job.checkpoints, 2)
        self._saved = time.monotonic()

    @property
    def _on_gpu(self) -> bool:
        return self.job.plan.device.startswith("cuda")


def _crossed(before: float, after: float, parts: int) -> bool:
    """Whether a boundary between two of `parts` equal parts of the run lies in this step."""
    # The small addition makes 3 of 10 steps 0.3 of the run in spite of binary fractions.
    return math.floor(after * parts + 1e-9) > math.floor(before * parts + 1e-9)


def _check_finite(trainer: Watched, value: float, what: str) -> None:
    if math.isfinite(value):
        return
    progress, rate = trainer.progress, trainer.job.plan.spec.choice.learning_rate
    last = (
        "none was finite"
        if progress.last_loss is None
        else f"the last finite loss was {progress.last_loss:.4g}"
    )
    raise TrainingFailed(
        Reason(
            "diverged",
            f"The {what} became {value} at step {progress.step}; {last}."
            f" Try a learning rate of {rate / 3:.2g} instead of {rate:.2g}.",
        )
    )


def check_peak(budget: Budget, peak: int) -> None:
    """TrainingFailed where training takes more memory than the budget of the setting allows."""
    most = budget.peak_memory_bytes
    if most is not None and peak > most:
        raise TrainingFailed(
            Reason(
                "budget",
                f"Training takes {peak / 2**20:,.1f} MiB of memory at its peak and the budget allows"
                f" {most / 2**20:,.1f} MiB: a smaller batch_size with more gradient_accumulation needs less, for all runs"
                " of the setting.",
            )
        )


def arguments(job: Job, progress: Progress) -> dict[str, Any]:
    """What TrainingArguments and its kin in TRL are told of every run."""
    setting = job.plan.setting
    return {
        "output_dir": str(job.checkpoints),
        "max_steps": progress.total_steps or 10**9 // setting.gradient_accumulation,
        "per_device_train_batch_size": setting.batch_size,
        "gradient_accumulation_steps": setting.gradient_accumulation,
        "learning_rate": job.plan.spec.choice.learning_rate,
        "weight_decay": setting.weight_decay,
        "optim": setting.optimizer,
        "max_grad_norm": setting.gradient_clip,
        "seed": job.plan.spec.seed,
        "bf16": job.plan.precision == "bfloat16",
        "fp16": job.plan.precision == "float16",
        "use_cpu": job.plan.device == "cpu",
        "logging_strategy": "no",
        "logging_nan_inf_filter": False,
        "eval_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "remove_unused_columns": False,
    }
