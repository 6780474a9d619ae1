"""An update of full rank, made of many fixed random low-rank pieces whose shares are learned.

**Use it** when low rank itself seems to be the limit: LoRA stays behind full fine-tuning however long it trains.
**Costs** about outputs × inputs / r weights for each adapted matrix, so a larger r means fewer; training is slower than LoRA, since the full update is put together at every step. Folded in, it costs nothing when answering; the file also holds the shared random pieces.
**Watch** the scale: randlora_alpha is about 20 × r. Where training is unsteady, lower it or the learning rate.
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
class RandloraOptions(Options):
    r: int = option(
        32, "Rank of each random piece: more rank means fewer pieces and fewer weights.", min=1, max=4096
    )
    randlora_alpha: int = option(
        640, "Scale: the update is multiplied by randlora_alpha / r.", min=1, max=100_000
    )
    randlora_dropout: float = option(
        0.0, "Share of the update's inputs dropped at random in training.", min=0, max=0.9
    )
    sparse: bool = option(
        False, "Random pieces with only -1, 0 and 1, two thirds of them 0; no faster here.", advanced=True
    )
    projection_prng_key: int | None = option(
        None,
        "Seed of the random pieces; none given means the run's own seed.",
        min=0,
        max=2**31 - 1,
        advanced=True,
    )
    target_modules: tuple[str, ...] = linear_targets()


def apply(model: nn.Module, options: RandloraOptions, context: Context) -> nn.Module:
    from peft import RandLoraConfig

    key = options.projection_prng_key
    config = RandLoraConfig(
        task_type=context.peft_task,
        r=options.r,
        randlora_alpha=options.randlora_alpha,
        randlora_dropout=options.randlora_dropout,
        sparse=options.sparse,
        projection_prng_key=context.seed if key is None else key,
        target_modules=checked_targets(model, options.target_modules),
    )
    return attach(model, config, context)


METHOD = Method(
    name="randlora",
    title="RandLoRA",
    family="low_rank",
    options=RandloraOptions,
    apply=apply,
    learning_rate=1e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2502.00987",
    mergeable=True,
    peft_type="RANDLORA",
)
