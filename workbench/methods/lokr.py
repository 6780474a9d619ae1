"""An update that is a Kronecker product: one small matrix, repeated and scaled by the entries of another.

**Use it** when the adapter must be very small and the update should still reach a high rank.
**Costs** often a tenth of LoRA's weights; the whole update is put together at every step. Folded in, it costs nothing when answering.
**Watch** the rank: above about the square root of the matrix's side the second factor is learned whole and r only changes the scale, alpha / r.
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
class LokrOptions(Options):
    r: int = option(8, "Rank of the second factor, where it is split in two.", min=1, max=1024)
    alpha: int = option(16, "Scale: the update is multiplied by alpha / r.", min=1, max=4096)
    decompose_both: bool = option(
        False, "Split the first factor too, where r is below half of its longer side.", advanced=True
    )
    decompose_factor: int = option(
        -1,
        "How large the first factor is at most; -1 means as near to the square root of each side as divides it.",
        min=-1,
        max=4096,
        advanced=True,
    )
    rank_dropout: float = option(
        0.0, "Share of the update's rows dropped at random in training.", min=0, max=0.9, advanced=True
    )
    module_dropout: float = option(
        0.0, "Chance that a whole update is left out of a training step.", min=0, max=0.9, advanced=True
    )
    init_weights: str = option(
        "default",
        "Which factor starts at zero: default the first, lycoris the second.",
        choices=("default", "lycoris"),
        advanced=True,
    )
    target_modules: tuple[str, ...] = linear_targets()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decompose_factor == 0:
            raise ValueError("decompose_factor is -1 or a whole number of at least 1, not 0")


def apply(model: nn.Module, options: LokrOptions, context: Context) -> nn.Module:
    from peft import LoKrConfig

    config = LoKrConfig(
        task_type=context.peft_task,
        r=options.r,
        alpha=options.alpha,
        decompose_both=options.decompose_both,
        decompose_factor=options.decompose_factor,
        rank_dropout=options.rank_dropout,
        module_dropout=options.module_dropout,
        init_weights=True if options.init_weights == "default" else "lycoris",
        target_modules=checked_targets(model, options.target_modules),
    )
    return attach(model, config, context)


METHOD = Method(
    name="lokr",
    title="LoKr",
    family="low_rank",
    options=LokrOptions,
    apply=apply,
    learning_rate=1.6e-2,
    card=__doc__,
    paper="https://arxiv.org/abs/2309.14859",
    mergeable=True,
    peft_type="LOKR",
)
