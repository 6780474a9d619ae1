"""LoRA that learns the length of each weight vector apart from its direction.

**Use it** when LoRA at a small rank falls short of full fine-tuning.
**Costs** LoRA's weights and one number per output of each adapted matrix; training is clearly slower than LoRA, and folded in it costs nothing when answering.
**Watch** the time column: the gain over LoRA is often smaller than the difference between two seeds. Learning rates are LoRA's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.method import Context, Method
from workbench.methods._low_rank import LowRankOptions, attach_lora

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class DoraOptions(LowRankOptions):
    pass


def apply(model: nn.Module, options: DoraOptions, context: Context) -> nn.Module:
    return attach_lora(model, options, context, fused_experts=False, use_dora=True)


METHOD = Method(
    name="dora",
    title="DoRA",
    family="low_rank",
    options=DoraOptions,
    apply=apply,
    learning_rate=2e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2402.09353",
    mergeable=True,
)
