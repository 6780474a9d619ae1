"""Multiply each weight by one plus an entry of a low-rank matrix, so that the update itself can have full rank.

**Use it** when low rank seems to be the limit and the trained weights are to stay as few as LoRA's.
**Costs** r × (inputs + outputs) weights for each adapted matrix, as LoRA; training is slower and takes more memory, since each whole matrix is scaled at every step. Folded in, it costs nothing when answering.
**Watch** the learning rate: weights are small, and so is a given share of one. A weight that is zero stays zero.
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
class HiraOptions(Options):
    r: int = option(32, "Rank of the matrix that scales the weights.", min=1, max=1024)
    hira_dropout: float = option(
        0.0, "Share of the update's inputs dropped at random in training.", min=0, max=0.9
    )
    init_weights: str = option(
        "default",
        "Random start of the first factor; the second starts at zero, so the model starts unchanged.",
        choices=("default", "gaussian"),
        advanced=True,
    )
    target_modules: tuple[str, ...] = linear_targets()


def apply(model: nn.Module, options: HiraOptions, context: Context) -> nn.Module:
    from peft import HiraConfig

    config = HiraConfig(
        task_type=context.peft_task,
        r=options.r,
        hira_dropout=options.hira_dropout,
        init_weights=True if options.init_weights == "default" else "gaussian",
        target_modules=checked_targets(model, options.target_modules),
    )
    return attach(model, config, context)


METHOD = Method(
    name="hira",
    title="HiRA",
    family="low_rank",
    options=HiraOptions,
    apply=apply,
    learning_rate=1.6e-2,
    card=__doc__,
    paper="https://openreview.net/pdf?id=TwJrTz9cRS",
    mergeable=True,
    peft_type="HIRA",
)
