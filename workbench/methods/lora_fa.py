"""LoRA with the first factor frozen at its random start: only the second one is trained.

**Use it** when memory is short and the batches are long: the inputs of the adapted layers need not be kept for the backward pass.
**Costs** about half of LoRA's trained weights for the same rank; folded in, it costs nothing when answering. Trained with its own AdamW, whatever the setting's optimiser.
**Watch** the rank, which must often be higher than LoRA's, and the learning rate: gradients are rescaled by the frozen factor. Dropout on the update's inputs takes back some of the memory saved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.method import Context, Method
from workbench.methods._low_rank import ADAPTER, LowRankOptions, attach_lora, lora_layers
from workbench.options import option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LoraFaOptions(LowRankOptions):
    r: int = option(16, "Rank: how many directions the update may use.", min=1, max=1024)


def apply(model: nn.Module, options: LoraFaOptions, context: Context) -> nn.Module:
    peft_model = attach_lora(model, options, context)
    # PEFT freezes them where it makes the optimiser: too late for the counts.
    for _, layer in lora_layers(peft_model):
        layer.lora_A[ADAPTER].requires_grad_(False)
    return peft_model


def optimizer(model: Any, options: LoraFaOptions, learning_rate: float, weight_decay: float) -> Any:
    from peft.optimizers import create_lorafa_optimizer

    return create_lorafa_optimizer(
        model, r=options.r, lora_alpha=options.lora_alpha, lr=learning_rate, weight_decay=weight_decay
    )


METHOD = Method(
    name="lora_fa",
    title="LoRA-FA",
    family="low_rank",
    options=LoraFaOptions,
    apply=apply,
    learning_rate=1.3e-2,
    card=__doc__,
    paper="https://arxiv.org/abs/2308.03303",
    mergeable=True,
    optimizer=optimizer,
)
