"""LoRA whose second factor, which starts at zero, learns many times faster than the first.

**Use it** when LoRA converges slowly, above all on wide models.
**Costs** exactly what LoRA costs; only the optimiser's learning rates differ. Always trained with AdamW, whatever the setting's optimiser.
**Watch** the learning rate: it is the slow factor's (and the head's); the fast one gets it times loraplus_lr_ratio, so choose it lower than LoRA's.
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
class LoraPlusOptions(LowRankOptions):
    loraplus_lr_ratio: float = option(
        16.0,
        "How many times faster the second factor (and each bias) learns than the first.",
        min=1,
        max=1000,
    )


def apply(model: nn.Module, options: LoraPlusOptions, context: Context) -> nn.Module:
    return attach_lora(model, options, context)


def optimizer(model: Any, options: LoraPlusOptions, learning_rate: float, weight_decay: float) -> Any:
    import torch
    from peft.optimizers import create_loraplus_optimizer

    return create_loraplus_optimizer(
        model,
        torch.optim.AdamW,
        lr=learning_rate,
        loraplus_lr_ratio=options.loraplus_lr_ratio,
        loraplus_weight_decay=weight_decay,
        fused=True,
    )


METHOD = Method(
    name="lora_plus",
    title="LoRA+",
    family="low_rank",
    options=LoraPlusOptions,
    apply=apply,
    learning_rate=5e-4,
    card=__doc__,
    paper="https://arxiv.org/abs/2402.12354",
    mergeable=True,
    optimizer=optimizer,
)
