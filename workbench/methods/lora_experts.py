"""Learn a low-rank update beside every expert's matrices in a mixture-of-experts model, and leave all else alone.

**Use it** where training the experts themselves takes too much memory; LoRA on all linear layers leaves fused experts out.
**Costs** experts × r × (inputs + outputs) weights for each of the two matrices of a block; folded in, it costs nothing when answering.
**Watch** the rank, which is paid once for every expert, and the time: each step builds the update for all experts, asked or not. Dropout can't be had inside fused experts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.experts import fused_expert_parameters
from workbench.method import Context, Method
from workbench.methods._peft import attach
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LoraExpertsOptions(Options):
    r: int = option(4, "Rank: how many directions each expert's update may use.", min=1, max=1024)
    lora_alpha: int = option(8, "Scale: the update is multiplied by lora_alpha / r.", min=1, max=4096)


def apply(model: nn.Module, options: LoraExpertsOptions, context: Context) -> nn.Module:
    from peft import LoraConfig

    config = LoraConfig(
        task_type=context.peft_task,
        r=options.r,
        lora_alpha=options.lora_alpha,
        lora_dropout=0.0,
        target_modules=[],
        target_parameters=fused_expert_parameters(model),
    )
    return attach(model, config, context)


METHOD = Method(
    name="lora_experts",
    title="LoRA on the experts",
    family="experts",
    options=LoraExpertsOptions,
    apply=apply,
    learning_rate=2e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2106.09685",
    mergeable=True,
)
