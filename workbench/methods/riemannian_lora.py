"""LoRA whose gradients are put right, at every step, for how the two factors stretch each other.

**Use it** when LoRA's result hangs too much on the learning rate or on the size of the factors.
**Costs** exactly LoRA's weights; one small r × r inversion for each factor and step makes training a little slower. Always trained with AdamW, whatever the setting's optimiser.
**Watch** large ranks, where the inversions begin to cost, and reg: raise it where training is unsteady.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.method import Context, Method
from workbench.methods._low_rank import LowRankOptions, attach_lora
from workbench.options import option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class RiemannianLoraOptions(LowRankOptions):
    reg: float = option(
        0.01,
        "Added to the matrix that is inverted: steadier, and nearer to LoRA, the larger.",
        min=1e-8,
        max=100,
    )


def apply(model: nn.Module, options: RiemannianLoraOptions, context: Context) -> nn.Module:
    return attach_lora(model, options, context)


def optimizer(model: Any, options: RiemannianLoraOptions, learning_rate: float, weight_decay: float) -> Any:
    import torch
    from peft.optimizers import create_riemannian_optimizer

    return create_riemannian_optimizer(
        model, torch.optim.AdamW, lr=learning_rate, reg=options.reg, weight_decay=weight_decay, fused=True
    )


METHOD = Method(
    name="riemannian_lora",
    title="LoRA, Riemannian",
    family="low_rank",
    options=RiemannianLoraOptions,
    apply=apply,
    learning_rate=2e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2402.02347",
    mergeable=True,
    optimizer=optimizer,
)
