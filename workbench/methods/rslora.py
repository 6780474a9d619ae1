"""LoRA whose update is divided by the square root of the rank instead of the rank, so that a large rank learns as well as a small one.

**Use it** when you compare ranks, or want ranks of 64 and more to pay.
**Costs** what LoRA of the same rank costs; folded in, it costs nothing when answering.
**Watch** the scale: at the same lora_alpha the update is √r times as strong as LoRA's, so a learning rate found for LoRA may be too high.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.method import Context, Method
from workbench.methods._low_rank import LowRankOptions, attach_lora
from workbench.options import option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class RsloraOptions(LowRankOptions):
    r: int = option(32, "Rank: how many directions the update may use.", min=1, max=1024)
    lora_alpha: int = option(16, "Scale: the update is multiplied by lora_alpha / √r.", min=1, max=4096)


def apply(model: nn.Module, options: RsloraOptions, context: Context) -> nn.Module:
    return attach_lora(model, options, context, use_rslora=True)


METHOD = Method(
    name="rslora",
    title="rsLoRA",
    family="low_rank",
    options=RsloraOptions,
    apply=apply,
    learning_rate=1e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2312.03732",
    mergeable=True,
)
