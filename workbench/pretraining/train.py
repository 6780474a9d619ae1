"""Trains a language model on windows of tokens with transformers' Trainer, alone or as one of many processes.

Knows neither files nor cards: `pretrain` calls it with a new model, continued pretraining with a run's.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy, pad
from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer, TrainingArguments, default_data_collator
from transformers.trainer_callback import PrinterCallback

from workbench import checkpoints
from workbench.corpus import UNSCORED, Windows
from workbench.pretraining.clock import Clock, Emit
from workbench.pretraining.config import Recipe
from workbench.pretraining.optimizer import muon

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
    if cpu and precision == "bfloat16" and recipe.objective != "chat":
        # Torch's fused attention takes 1.8 times as long on windows of 256 tokens there. Conversations need it: they bring
        # a mask of true and false, which the plain one would add to the weights, and so hide nothing.
        model.set_attn_implementation("eager")
    trainer = PretrainTrainer(model, windows, recipe, folder, emit, should_stop, evaluate, precision, cpu)
    found, torn = checkpoints.newest_complete(folder)
    for path in torn:
        trainer.clock.tell("warning", {"message": f"{path.name} is not complete and was skipped"})
    with _only_hidden(model, trainer):
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


@contextlib.contextmanager
def _only_hidden(model: Any, trainer: PretrainTrainer) -> Iterator[None]:
    """An encoder's head, where it is one module, predicts the hidden tokens alone while training."""
    head = None if trainer.causal else getattr(model, "cls", getattr(model, "lm_head", None))
    if head is None:
        yield
        return

    def choose(module: Any, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (args[0][trainer.hidden], *args[1:]) if module.training else None

    hook = head.register_forward_pre_hook(choose)
    try:
        yield
    finally:
        hook.remove()


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
        self.causal, self.pieces, self.recipe = recipe.objective != "masked", pieces, recipe
        self.hidden: Any = None
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

    def create_optimizer(self, model: Any = None) -> Any:
        if self.optimizer is None and self.recipe.optimizer == "muon":
            self.optimizer = muon(self._base, self.recipe)
        return super().create_optimizer(model)

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        self.hidden = inputs["labels"] != UNSCORED
        return super().compute_loss(model, inputs, *args, **kwargs)

    def _loss(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        """The mean over the predicted tokens of a whole step, however it was cut into pieces and processes."""
        logits = outputs["logits"]
        if self.causal:  # shift the labels, not the logits, which are large
            labels = pad(labels[:, 1:], (0, 1), value=UNSCORED)
            logits, labels = logits.flatten(0, 1), labels.flatten()
        else:
            hidden = labels != UNSCORED
            logits, labels = logits[hidden] if logits.ndim == 3 else logits, labels[hidden]
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
