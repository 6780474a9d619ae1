"""Keeps time in a pretraining: sets the learning rate by the budget used, tells of progress, saves and ends.

The same in every process, since time and wishes to stop are agreed on at each step.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from workbench import checkpoints
from workbench.pretraining.config import Recipe

Emit = Callable[[str, Mapping[str, Any]], None]
CLOCK = "clock.json"


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
