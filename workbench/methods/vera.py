"""Random matrices shared by all layers and never trained, with two small learned vectors for each layer that scale them.

**Use it** when many adapters must be kept and each is to be tiny.
**Costs** r + outputs weights for each adapted matrix, often a tenth of LoRA's; folded in, it costs nothing when answering. The file also holds the shared random matrices, which can be larger than what was trained.
**Watch** the learning rate, which is about ten times LoRA's, and r, which is far higher than a LoRA rank since it costs one weight for each matrix.
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
class VeraOptions(Options):
    r: int = option(256, "Rank of the shared random matrices.", min=1, max=4096)
    vera_dropout: float = option(
        0.0, "Share of the update's inputs dropped at random in training.", min=0, max=0.9
    )
    d_initial: float = option(
        0.1,
        "Where the vector between the two matrices starts; the other starts at zero.",
        min=1e-7,
        max=10,
        advanced=True,
    )
    projection_prng_key: int | None = option(
        None,
        "Seed of the shared random matrices; none given means the run's own seed.",
        min=0,
        max=2**31 - 1,
        advanced=True,
    )
    target_modules: tuple[str, ...] = linear_targets()


def apply(model: nn.Module, options: VeraOptions, context: Context) -> nn.Module:
    from peft import VeraConfig

    key = options.projection_prng_key
    config = VeraConfig(
        task_type=context.peft_task,
        r=options.r,
        vera_dropout=options.vera_dropout,
        d_initial=options.d_initial,
        projection_prng_key=context.seed if key is None else key,
        target_modules=checked_targets(model, options.target_modules),
    )
    return attach(model, config, context)


METHOD = Method(
    name="vera",
    title="VeRA",
    family="low_rank",
    options=VeraOptions,
    apply=apply,
    learning_rate=3.2e-2,
    rate_by_width=False,
    card=__doc__,
    paper="https://arxiv.org/abs/2310.11454",
    mergeable=True,
    peft_type="VERA",
)
