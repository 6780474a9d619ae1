"""Turn each weight matrix by learned rotations: the inputs are cut into blocks, and each block is rotated in itself.

**Use it** when what the model knows should be kept: rotations change neither lengths nor angles between the weights.
**Costs** block size - 1 over 2 weights for each input of an adapted matrix; training is slower than LoRA, and folded in it costs nothing when answering.
**Watch** the block size, which trades reach for weights, and merging in short number formats, where a product rounds more than a sum.
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
class OftOptions(Options):
    oft_block_size: int | None = option(
        None,
        "Inputs rotated together; none given means the largest size up to 32 that divides every adapted width.",
        min=2,
        max=4096,
    )
    r: int = option(
        0,
        "Number of blocks instead of their size; 0 leaves it to oft_block_size.",
        min=0,
        max=4096,
        advanced=True,
    )
    module_dropout: float = option(
        0.0, "Share of the blocks left as they are at random in training.", min=0, max=0.9
    )
    target_modules: tuple[str, ...] = linear_targets()
    use_cayley_neumann: bool = option(
        True, "Compute the rotation by a short sum: much faster, and a rotation only nearly.", advanced=True
    )
    num_cayley_neumann_terms: int = option(
        5, "Terms of that sum: more are more exact.", min=1, max=50, advanced=True
    )
    block_share: bool = option(
        False, "One rotation for all blocks of a matrix: far fewer weights.", advanced=True
    )
    coft: bool = option(False, "Keep each rotation small, at most eps away from none.", advanced=True)
    eps: float = option(6e-5, "How far, where coft is on.", min=0, max=1, advanced=True)
    bias: str = option(
        "none", "Which bias terms are trained as well.", choices=("none", "all", "oft_only"), advanced=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.r and self.oft_block_size:
            raise ValueError(
                f"r and oft_block_size say the same thing twice (r × oft_block_size = inputs): give one, not r={self.r}"
                f" and oft_block_size={self.oft_block_size}"
            )


def apply(model: nn.Module, options: OftOptions, context: Context) -> nn.Module:
    from peft import OFTConfig

    targets = checked_targets(model, options.target_modules)
    inputs = [size for size, _ in widths(model, targets).values()]
    if options.r:
        dividing("r", options.r, inputs, options.r)
    config = OFTConfig(
        task_type=context.peft_task,
        r=options.r,
        oft_block_size=0 if options.r else dividing("oft_block_size", options.oft_block_size, inputs, 32),
        module_dropout=options.module_dropout,
        target_modules=targets,
        use_cayley_neumann=options.use_cayley_neumann,
        num_cayley_neumann_terms=options.num_cayley_neumann_terms,
        block_share=options.block_share,
        coft=options.coft,
        eps=options.eps,
        bias=cast(Any, options.bias),
    )
    return attach(model, config, context)


METHOD = Method(
    name="oft",
    title="OFT",
    family="rotation",
    options=OftOptions,
    apply=apply,
    learning_rate=3.2e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2306.07280",
    mergeable=True,
    peft_type="OFT",
)
