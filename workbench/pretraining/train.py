"""Trains a language model on windows of tokens with transformers' Trainer, alone or as one of many processes.

Knows neither files nor cards: `pretrain` calls it with a new model, continued pretraining with a run's.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy, pad
from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments, default_data_collator
from transformers.trainer_callback import PrinterCallback

from workbench import checkpoints
from workbench.corpus import UNSCORED, Windows
from workbench.pretraining.config import Recipe

Emit = Callable[[str, Mapping[str, Any]], None]
CLOCK = "clock.json"
ENDLESS = 10**8


@dataclass(frozen=True)
class Trained:
    """What training came to. `finished` is False if it was stopped; a checkpoint then waits to be gone on from."""

    finished: bool
    steps: int
    tokens: int
    step_tokens: int
    seconds: float
    processes: int
    precision: str
    resumed_at: int


def train(
    model: Any,
    windows: Callable[[int], Windows],
    recipe: Recipe,
    work: Path,
    *,
    emit: Emit,
    should_stop: Callable[[], bool] = lambda: False,
    evaluate: Callable[[], Mapping[str, Any]] | None = None,
    device: str | None = None,
) -> Trained:
    """Train `model` in place; `windows(count)` gives the data. Goes on from the newest complete checkpoint in `work`.

    `emit` and `evaluate` are called in the first process alone, `should_stop` in each: one yes stops all. Raises
    ArithmeticError when the loss is no longer finite.
    """
    folder = work / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    cpu = device == "cpu" or not torch.cuda.is_available()
    precision = pick_precision(recipe.precision, cpu)
    trainer = PretrainTrainer(model, windows, recipe, folder, emit, should_stop, evaluate, precision, cpu)
    found, torn = checkpoints.newest_complete(folder)
    for path in torn:
        trainer.clock.tell("warning", {"message": f"{path.name} is not complete and was skipped"})
    trainer.train(resume_from_checkpoint=str(found) if found else None)
    clock = trainer.clock
    trainer.accelerator.unwrap_model(trainer.model_wrapped, keep_fp32_wrapper=False)
    return Trained(
        not clock.stopped,
        clock.step,
        clock.step * clock.step_tokens,
        clock.step_tokens,
        clock.seconds,
        trainer.args.world_size,
        precision,
        clock.resumed_at,
    )


def pick_precision(wanted: str, cpu: bool) -> str:
    """bfloat16 where the machine computes in it, unless told otherwise."""
    if wanted != "auto":
        return wanted
    if not cpu:
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    info = Path("/proc/cpuinfo")
    flags = info.read_text(encoding="utf-8") if info.exists() else ""
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


class PretrainTrainer(Trainer):
    """Trainer with our order of windows, our loss, and a clock in place of its scheduler."""

    def __init__(
        self,
        model: Any,
        windows: Callable[[int], Windows],
        recipe: Recipe,
        folder: Path,
        emit: Emit,
        should_stop: Callable[[], bool],
        evaluate: Callable[[], Mapping[str, Any]] | None,
        precision: str,
        cpu: bool,
    ) -> None:
        arguments = _arguments(recipe, folder, precision, cpu)
        at_once, pieces = recipe.per_process(arguments.world_size)
        arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps = at_once, pieces
        step_windows = at_once * pieces * arguments.world_size
        steps = math.ceil(recipe.tokens / (step_windows * recipe.context)) if recipe.tokens else None
        arguments.max_steps = steps or ENDLESS
        self.causal, self.pieces = recipe.objective == "causal", pieces
        self.clock = Clock(recipe, steps, step_windows * recipe.context, folder, emit, should_stop, evaluate)
        super().__init__(
            model,
            arguments,
            train_dataset=windows(arguments.max_steps * step_windows),  # type: ignore[arg-type]
            data_collator=default_data_collator,
            compute_loss_func=self._loss,
            callbacks=[self.clock],
        )
        # Models that take `num_items_in_batch` and do not use it (BERT) would have their loss and gradient multiplied
        # by pieces and processes: the loss is computed here, and the model gets no word about how to scale it.
        self.model_accepts_loss_kwargs = False
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return SequentialSampler(self.train_dataset)  # type: ignore[arg-type]

    def _loss(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        """The mean over the predicted tokens of a whole step, however it was cut into pieces and processes."""
        logits = outputs["logits"]
        if self.causal:  # shift the labels, not the logits, which are large
            labels = pad(labels[:, 1:], (0, 1), value=UNSCORED)
            logits, labels = logits.flatten(0, 1), labels.flatten()
        else:
            hidden = labels != UNSCORED
            logits, labels = logits[hidden], labels[hidden]
        count = (labels != UNSCORED).sum() if num_items_in_batch is None else num_items_in_batch
        loss = cross_entropy(logits.float(), labels, ignore_index=UNSCORED, reduction="sum") / count
        balance = outputs.get("aux_loss")
        if balance is not None:
            # What is returned is multiplied by the number of processes, then averaged over them.
            share = self.pieces * self.args.world_size
            loss = loss + self._base.config.router_aux_loss_coef * balance / share
        return loss

    @property
    def _base(self) -> Any:
        return self.accelerator.unwrap_model(self.model)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        return 0  # counting them walks through all parameters at every step


class Clock(TrainerCallback):  # type: ignore[misc]
    """Progress from 0 to 1 by tokens or by time, the same in every process. Sets the learning rate by it, tells of it,
    saves checkpoints and ends training."""

    def __init__(
        self,
        recipe: Recipe,
        steps: int | None,
        step_tokens: int,
        folder: Path,
        emit: Emit,
        should_stop: Callable[[], bool],
        evaluate: Callable[[], Mapping[str, Any]] | None,
    ) -> None:
        self.recipe, self.steps, self.step_tokens, self.folder = recipe, steps, step_tokens, folder
        self.emit, self.should_stop, self.evaluate = emit, should_stop, evaluate
        self.step, self.seconds, self.share, self.stopped, self.resumed_at = 0, 0.0, 0.0, False, 0
        self.first = True
        self._mark = self._saved = 0.0
        self._logged = (0, 0.0)
        self._scoring = 0.0

    def tell(self, kind: str, values: Mapping[str, Any]) -> None:
        """From the first process alone."""
        if self.first:
            self.emit(kind, values)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.first = state.is_world_process_zero
        self.step = self.resumed_at = state.global_step
        if self.step:
            kept = json.loads((self.folder / f"checkpoint-{self.step}" / CLOCK).read_text(encoding="utf-8"))
            self.seconds, self.share = kept["seconds"], kept["share"]
        self._mark = self._saved = time.monotonic()
        self._logged = (self.step, self.seconds)
        facts = {"step": self.step, "steps": self.steps, "step_tokens": self.step_tokens}
        self.tell("started", facts | {"processes": args.world_size, "seconds": self.seconds})

    def on_step_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        # A step is trained at the share it begins with; by tokens that is known half a step finer.
        share = (state.global_step + 0.5) / self.steps if self.steps else self.share
        rate = self.recipe.learning_rate_at(max(share, 1e-3))
        for group in given["optimizer"].param_groups:
            group["lr"] = rate

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        now = time.monotonic()
        elapsed, asked = _agree(self.seconds + now - self._mark, self.should_stop(), args.device)
        self.seconds, self._mark, self.step = elapsed, now, state.global_step
        before = self.share
        self.share = (
            self.step / self.steps if self.steps else elapsed / (60 * (self.recipe.minutes or math.inf))
        )
        ended = self.share >= 1
        control.should_log = ended or self.step % self.recipe.log_steps == 0
        if (
            not ended
            and _crossed(before, self.share, self.recipe.evaluations)
            and self.first
            and self.evaluate
        ):
            begun = time.monotonic()
            self.tell("evaluated", {**self._where(), **self.evaluate()})
            self._scoring += time.monotonic() - begun
        if ended or asked:
            self.stopped = asked and not ended
            control.should_training_stop = True
        # Also at the end: should scoring or saving fail, training need not be done again.
        due = _agree(now - self._saved, False, args.device)[0] >= 60 * self.recipe.checkpoint_minutes
        control.should_save = due or ended or asked

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if not logs or "loss" not in logs:
            return  # the summary at the end
        loss, norm = float(logs["loss"]), float(logs.get("grad_norm") or 0.0)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ArithmeticError(
                f"the loss became {loss} and the gradient's length {norm} at step {self.step}: a learning_rate of"
                f" {self.recipe.learning_rate / 3:.2g} instead of {self.recipe.learning_rate:.2g} may hold"
            )
        step, seconds = self._logged
        training = self.seconds - self._scoring
        speed = (self.step - step) * self.step_tokens / max(training - seconds, 1e-9)
        self._logged = (self.step, training)
        rate = self.recipe.learning_rate_at((self.step - 0.5) / self.steps if self.steps else self.share)
        values = {"loss": loss, "gradient_norm": norm, "learning_rate": rate, "tokens_per_second": speed}
        self.tell("step", self._where() | values)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if _many():
            torch.distributed.barrier()  # each process has a file in the checkpoint
        if self.first:
            folder = self.folder / f"checkpoint-{state.global_step}"
            kept = {"seconds": self.seconds, "share": self.share}
            (folder / CLOCK).write_text(json.dumps(kept), encoding="utf-8")
            checkpoints.mark_complete(folder)
            checkpoints.keep_newest(self.folder, 2)
        self._saved = time.monotonic()

    def _where(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "tokens": self.step * self.step_tokens,
            "share": min(1.0, self.share),
            "seconds": self.seconds,
        }


def _many() -> bool:
    return torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1


def _agree(seconds: float, asked: bool, device: Any) -> tuple[float, bool]:
    """The longest time and any wish to stop, the same in all processes."""
    if not _many():
        return seconds, asked
    both = torch.tensor([seconds, float(asked)], dtype=torch.float64, device=device)
    torch.distributed.all_reduce(both, torch.distributed.ReduceOp.MAX)
    return float(both[0]), bool(both[1])


def _crossed(before: float, after: float, parts: int) -> bool:
    return math.floor(after * parts + 1e-9) > math.floor(before * parts + 1e-9)


def _arguments(recipe: Recipe, folder: Path, precision: str, cpu: bool) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=1,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="constant",
        weight_decay=recipe.weight_decay,
        adam_beta2=recipe.adam_beta2,
        max_grad_norm=recipe.gradient_clip,
        optim="adamw_torch_fused",
        seed=recipe.seed,
        bf16=precision == "bfloat16",
        use_cpu=cpu,
        # Named only where there are several: accelerate takes a backend for a sign that there are.
        ddp_backend=("gloo" if cpu else "nccl") if int(os.environ.get("WORLD_SIZE", "1")) > 1 else None,
        ddp_find_unused_parameters=False,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        eval_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
    )
