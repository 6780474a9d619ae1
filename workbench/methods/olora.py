"""LoRA that starts from orthogonal directions of each weight matrix, taken from its QR decomposition.

**Use it** when LoRA starts slowly and PiSSA's decomposition takes too long.
**Costs** LoRA's weights; one QR decomposition of each matrix before training; and a file twice as large as LoRA's, since the start must be kept to get the base model back.
**Watch** the rank, which is at most the shorter side of the smallest adapted matrix. GPT-2's weights lie the other way round: PEFT can't start it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import checked_targets, linear_modules
from workbench.method import Context, Method, Unsuitable
from workbench.methods._low_rank import LowRankOptions, attach_out_of_weights
from workbench.options import option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class OloraOptions(LowRankOptions):
    lora_alpha: int = option(8, "Scale: the update is multiplied by lora_alpha / r.", min=1, max=4096)


def apply(model: nn.Module, options: OloraOptions, context: Context) -> nn.Module:
    from torch import nn

    checked_targets(model, options.target_modules)
    if not all(isinstance(module, nn.Linear) for module in linear_modules(model).values()):
        raise Unsuitable(
            "OLoRA can't start on weights that lie the other way round, as GPT-2's do: choose lora or pissa"
        )
    return attach_out_of_weights(model, options, context, "olora")


METHOD = Method(
    name="olora",
    title="OLoRA",
    family="low_rank",
    options=OloraOptions,
    apply=apply,
    learning_rate=2e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2406.01775",
    mergeable=True,
    stackable=False,
)
