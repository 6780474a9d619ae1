"""LoRA that starts from the strongest directions of each weight matrix and trains those, with the rest frozen.

**Use it** when LoRA learns too slowly: the trained part carries much of the matrix from the first step.
**Costs** LoRA's weights; one decomposition of each matrix before training; and a file twice as large as LoRA's, since the start must be kept to get the base model back.
**Watch** forgetting: what the model does best is what moves. Learning rates are LoRA's or lower.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.method import Context, Method
from workbench.methods._low_rank import LowRankOptions, attach_out_of_weights
from workbench.options import option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PissaOptions(LowRankOptions):
    lora_alpha: int = option(8, "Scale: the update is multiplied by lora_alpha / r.", min=1, max=4096)
    init_lora_weights: str = option(
        "pissa",
        "How the strongest directions are found: pissa exactly; pissa_niter_4 and pissa_niter_16 nearly, in much less"
        " time on large matrices.",
        choices=("pissa", "pissa_niter_4", "pissa_niter_16"),
        advanced=True,
    )


def apply(model: nn.Module, options: PissaOptions, context: Context) -> nn.Module:
    return attach_out_of_weights(model, options, context, options.init_lora_weights)


METHOD = Method(
    name="pissa",
    title="PiSSA",
    family="low_rank",
    options=PissaOptions,
    apply=apply,
    learning_rate=6.3e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2404.02948",
    mergeable=True,
    stackable=False,
)
