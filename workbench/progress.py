"""How far a run has come: the share of its budget, what it counted on the way, and its best validation so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


class Stopped(Exception):
    """Training ended before its budget did."""


@dataclass
class Progress:
    """Plain values alone: a checkpoint holds them as JSON. `total_steps` is None with a budget of seconds."""

    total_steps: int | None = None
    seconds_allowed: float | None = None
    step: int = 0
    seconds: float = 0.0
    wall_seconds: float = 0.0
    samples: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    last_loss: float | None = None
    best_step: int | None = None
    best_score: float | None = None
    best_metrics: dict[str, float] = field(default_factory=dict)
    evaluations_since_best: int = 0
    gpu_bytes: int = 0
    gpu_reserved_bytes: int = 0
    joules: float | None = None

    def share(self, step: int) -> float:
        """From 0 to 1: by steps, or by training time where that is the budget."""
        if self.total_steps:
            return min(1.0, step / self.total_steps)
        return min(1.0, self.seconds / (self.seconds_allowed or math.inf))

    def steps_expected(self) -> int | None:
        """Known with a budget of steps, from the pace so far with one of seconds."""
        if self.total_steps:
            return self.total_steps
        share = self.share(self.step)
        return max(self.step, round(self.step / share)) if share > 0 else None

    def improved(
        self, metrics: Mapping[str, float], name: str, *, better: str = "higher", latest: bool = False
    ) -> bool:
        """Note an evaluation; True if it is the best so far, or whenever the `latest` is wanted. Of equals the earlier
        one stays."""
        best, now = self.best_score, metrics[name]
        if latest or best is None or (now < best if better == "lower" else now > best):
            self.best_step, self.best_score, self.best_metrics = self.step, metrics[name], dict(metrics)
            self.evaluations_since_best = 0
            return True
        self.evaluations_since_best += 1
        return False

    def saw_gpu_memory(self, allocated: int, reserved: int) -> None:
        self.gpu_bytes = max(self.gpu_bytes, allocated)
        self.gpu_reserved_bytes = max(self.gpu_reserved_bytes, reserved)


def learning_rate_factor(share: float, schedule: str, warmup: float) -> float:
    """The part of the learning rate at that share of the run: a linear warm-up, then linear, cosine or constant."""
    if share < warmup:
        return share / warmup
    rest = (share - warmup) / (1 - warmup)
    if schedule == "linear":
        return 1 - rest
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * rest))
    return 1.0
