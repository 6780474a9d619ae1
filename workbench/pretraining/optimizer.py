"""Optimisers of pretraining: AdamW, or Muon for the matrices inside the blocks with AdamW for everything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

OPTIMIZERS = ("adamw", "muon")


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024) orthogonalises the momentum of each hidden matrix, which learns more from every token;
    embeddings, output layer, norms and biases stay with AdamW. Updates are scaled to AdamW's size (Liu et al. 2025,
    arXiv 2502.16982), so one learning rate serves both. Where several processes train, each orthogonalises its share of
    the matrices and hands them to the others; all keep all momentum, so any one's checkpoint serves all.
    """

    def __init__(self, hidden: list[Any], decayed: list[Any], other: list[Any], recipe: Any) -> None:
        rate, decay = recipe.learning_rate, recipe.weight_decay
        self.hidden = hidden
        self.parts: list[torch.optim.Optimizer] = [
            torch.optim.Muon(hidden, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(
                [{"params": decayed, "weight_decay": decay}, {"params": other, "weight_decay": 0.0}],
                lr=rate,
                betas=(0.9, recipe.adam_beta2),
            ),
        ]
        super().__init__([{"params": [*hidden, *decayed, *other]}], {"lr": rate})
        # The groups of the parts themselves, so that who sets a group's learning rate sets the part's.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        if closure is not None:
            raise ValueError("a closure is not supported: compute the loss before the step")
        if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
            self.parts[0].step()
        else:
            self._shared_step(dist.get_rank(), dist.get_world_size())
        self.parts[1].step()

    @torch.no_grad()
    def _shared_step(self, rank: int, processes: int) -> None:
        matrices, momentum = self.parts[0], self.parts[0].param_groups[0]["momentum"]
        shares = [[p for p in self.hidden[r::processes] if p.grad is not None] for r in range(processes)]
        gradients = {}
        for parameter in (p for r, share in enumerate(shares) if r != rank for p in share):
            state = matrices.state[parameter]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(parameter.grad)
            state["momentum_buffer"].lerp_(parameter.grad, 1 - momentum)
            gradients[parameter], parameter.grad = parameter.grad, None
        matrices.step()
        for parameter, gradient in gradients.items():
            parameter.grad = gradient
        for r, share in enumerate(shares):
            if share:
                flat = torch.cat([p.flatten() for p in share])
                dist.broadcast(flat, r)
                for parameter, new in zip(share, flat.split([p.numel() for p in share])):
                    parameter.copy_(new.view_as(parameter))

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        # A part that was loaded has groups of its own again.
        self.param_groups = [group for part in self.parts for group in part.param_groups]


def muon(model: nn.Module, recipe: Any) -> MuonWithAdamW:
    """`MuonWithAdamW` over all weights of `model` that are trained."""
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    find: Any = getattr(model, "get_output_embeddings", None)
    output = find() if find else None
    if output is not None:
        embeddings.add(id(output.weight))
    trained = [p for p in model.parameters() if p.requires_grad]
    hidden = [p for p in trained if p.ndim == 2 and id(p) not in embeddings]
    if not hidden:
        raise ValueError("optimizer muon needs matrices inside the model to train, and this one has none")
    inside = {id(p) for p in hidden}
    rest = [p for p in trained if id(p) not in inside]
    return MuonWithAdamW(hidden, [p for p in rest if p.ndim > 1], [p for p in rest if p.ndim <= 1], recipe)
