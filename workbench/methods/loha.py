"""An update that is the element-wise product of two low-rank updates, so that rank r reaches up to r².

**Use it** when LoRA's rank seems too low and more trained weights are not wanted.
**Costs** twice LoRA's weights for the same r; the whole update is put together at every step, so training is slower. Folded in, it costs nothing when answering.
**Watch** the start: both products begin small, and the first steps change little. Compare it with LoRA at twice the r, which has as many weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import checked_targets
from workbench.method import Context, Method
from workbench.methods._low_rank import linear_targets
from workbench.methods._peft import attach
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LohaOptions(Options):
    r: int = option(8, "Rank of each of the two updates that are multiplied.", min=1, max=1024)
    alpha: int = option(16, "Scale: the update is multiplied by alpha / r.", min=1, max=4096)
    rank_dropout: float = option(
        0.0,
        "Share of the update's rows dropped at random in training.",
        min=0,
        max=0.9,
        advanced=True,
    )
    module_dropout: float = option(
        0.0, "Chance that a whole update is left out of a training step.", min=0, max=0.9, advanced=True
    )
    target_modules: tuple[str, ...] = linear_targets()


def apply(model: nn.Module, options: LohaOptions, context: Context) -> nn.Module:
    from peft import LoHaConfig

    config = LoHaConfig(
        task_type=context.peft_task,
        r=options.r,
        alpha=options.alpha,
        rank_dropout=options.rank_dropout,
        module_dropout=options.module_dropout,
        target_modules=checked_targets(model, options.target_modules),
    )
    return attach(model, config, context)


METHOD = Method(
    name="loha",
    title="LoHa",
    family="low_rank",
    options=LohaOptions,
    apply=apply,
    learning_rate=5e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2108.06098",
    mergeable=True,
    peft_type="LOHA",
)
