"""Sets the smallest weights of a whole model's linear layers to zero: magnitude pruning, one threshold for each matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from workbench.architecture import linear_modules
from workbench.exporting.forms import PRUNED_SHARE


@dataclass(frozen=True)
class Pruned:
    """How many of the weights of linear layers are zero now, and how many there are."""

    zeros: int
    weights: int

    @property
    def share(self) -> float:
        return self.zeros / self.weights if self.weights else 0.0


def prune(model: Any, share: float = PRUNED_SHARE) -> Pruned:
    """Prune `model` in place. ValueError where `share` is none."""
    if not 0 < share < 1:
        raise ValueError(f"the share of weights to prune lies between 0 and 1, not {share!r}")
    zeros = weights = 0
    with torch.no_grad():
        for layer in linear_modules(model).values():
            matrix = layer.weight
            count = int(matrix.numel() * share)
            if count:
                smallest = matrix.abs().flatten().topk(count, largest=False).indices
                matrix.view(-1)[smallest] = 0.0
            zeros += int((matrix == 0).sum())
            weights += matrix.numel()
    if not weights:
        raise ValueError(
            f"a {model.config.model_type} model has no linear layers to prune: take another form"
        )
    return Pruned(zeros, weights)
