"""Learn one small block that is laid over each weight matrix again and again.

**Use it** as a faster and lighter LoRA: one factor instead of two, and no product of them.
**Costs** r × outputs weights for each adapted matrix; folded in, it costs nothing when answering.
**Watch** the forms: bat multiplies the block with the matrix and is slower, mini learns still fewer weights (r × mini_r).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from workbench.architecture import checked_targets
from workbench.method import Context, Method
from workbench.methods._low_rank import linear_targets
from workbench.methods._peft import attach
from workbench.methods._peft_sizes import at_most, dividing, widths
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class MissOptions(Options):
    r: int | None = option(
        None,
        "Rows of the block; none given means 64, or what the smallest adapted width allows.",
        min=1,
        max=4096,
    )
    init_weights: str = option(
        "balance",
        "The form: balance as in the paper, bat with products of blocks, mini with a narrower block.",
        choices=("balance", "bat", "mini"),
    )
    mini_r: int | None = option(
        None,
        "Columns of the block, where init_weights is mini; none given means the largest number up to r that fits.",
        min=1,
        max=4096,
        advanced=True,
    )
    miss_dropout: float = option(
        0.0, "Share of the update's inputs dropped at random in training.", min=0, max=0.9
    )
    target_modules: tuple[str, ...] = linear_targets()


def apply(model: nn.Module, options: MissOptions, context: Context) -> nn.Module:
    from peft import MissConfig

    targets = checked_targets(model, options.target_modules)
    sizes = widths(model, targets).values()
    inputs, outputs = [pair[0] for pair in sizes], [pair[1] for pair in sizes]
    if options.init_weights == "bat":
        r = dividing("r", options.r, [*inputs, *outputs], 64)
    else:
        r = at_most("r", options.r, min(inputs), 64, "the smallest adapted width")
    mini = options.init_weights == "mini"
    config = MissConfig(
        task_type=context.peft_task,
        r=r,
        mini_r=dividing("mini_r", options.mini_r, outputs, r) if mini else 1,
        init_weights=cast(Any, True if options.init_weights == "balance" else options.init_weights),
        miss_dropout=options.miss_dropout,
        target_modules=targets,
    )
    return attach(model, config, context)


METHOD = Method(
    name="miss",
    title="MiSS",
    family="low_rank",
    options=MissOptions,
    apply=apply,
    learning_rate=1e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2409.15371",
    mergeable=True,
    peft_type="MISS",
)
