"""LoRA along the directions in which each weight matrix does least: they are kept fixed, and only what flows into them is trained.

**Use it** when new knowledge should disturb the old as little as possible.
**Costs** r × inputs weights for each adapted matrix, about half of LoRA's, and one decomposition of each matrix before training; folded in, it costs nothing when answering.
**Watch** the rank, which is at most the shorter side of the smallest adapted matrix, and a model without pretraining: its weakest directions mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.method import Context, Method
from workbench.methods._low_rank import ADAPTER, LowRankOptions, attach_lora, lora_layers

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class MicaOptions(LowRankOptions):
    pass


def apply(model: nn.Module, options: MicaOptions, context: Context) -> nn.Module:
    # Without weights there is nothing to decompose, and the shapes are LoRA's.
    peft_model = attach_lora(
        model, options, context, fused_experts=False, init_lora_weights=True if context.on_meta else "mica"
    )
    for _, layer in lora_layers(peft_model):
        layer.lora_B[ADAPTER].requires_grad_(False)
    return peft_model


METHOD = Method(
    name="mica",
    title="MiCA",
    family="low_rank",
    options=MicaOptions,
    apply=apply,
    learning_rate=2e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2604.01694",
    mergeable=True,
)
