"""An update made of circular blocks: each block is one learned row, shifted by one place from line to line.

**Use it** when an update of high rank is wanted for the weights of a low one.
**Costs** inputs × outputs / block size weights for each adapted matrix; folded in, it costs nothing when answering.
**Watch** the block size, which must divide every adapted width, and the learning rate, far higher than LoRA's. It starts from no change, unless init_weights says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from workbench.architecture import checked_targets
from workbench.method import Context, Method
from workbench.methods._low_rank import linear_targets
from workbench.methods._peft import attach
from workbench.methods._peft_sizes import dividing, widths
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class C3aOptions(Options):
    block_size: int | None = option(
        None,
        "Side of the circular blocks, larger means fewer weights; none given means the largest up to 256 that divides every"
        " adapted width.",
        min=1,
        max=8192,
    )
    target_modules: tuple[str, ...] = linear_targets()
    init_weights: str = option(
        "zero",
        "Where the rows start: at zero, so that the model starts unchanged, or at random in one of three ways.",
        choices=("zero", "gaussian", "kaiming_uniform", "xavier_uniform"),
        advanced=True,
    )
    bias: str = option(
        "none", "Which bias terms are trained as well.", choices=("none", "all", "c3a_only"), advanced=True
    )


def apply(model: nn.Module, options: C3aOptions, context: Context) -> nn.Module:
    from peft import C3AConfig

    targets = checked_targets(model, options.target_modules)
    sides = [side for pair in widths(model, targets).values() for side in pair]
    config = C3AConfig(
        task_type=context.peft_task,
        block_size=dividing("block_size", options.block_size, sides, 256),
        target_modules=targets,
        init_weights=cast(Any, True if options.init_weights == "zero" else options.init_weights),
        bias=options.bias,
    )
    return attach(model, config, context)


METHOD = Method(
    name="c3a",
    title="C³A",
    family="low_rank",
    options=C3aOptions,
    apply=apply,
    learning_rate=2e-2,
    rate_by_width=False,
    card=__doc__,
    paper="https://arxiv.org/abs/2407.19342",
    mergeable=True,
    peft_type="C3A",
)
