"""Turn each weight matrix by several sparse rotations in a row, laid out like the butterflies of a fast Fourier transform.

**Use it** to reach far rotations with fewer weights than OFT: each factor mixes blocks that the one before left apart.
**Costs** factors × block size - 1 over 2 weights for each input and one for each output of an adapted matrix; training is clearly slower than LoRA and OFT. Folded in, it costs nothing when answering.
**Watch** the time column. Without PEFT's CUDA extension there is one factor only, which makes it OFT with a learned length for each output.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.architecture import checked_targets
from workbench.method import Context, Method, Unsuitable
from workbench.methods._low_rank import linear_targets
from workbench.methods._peft import attach
from workbench.methods._peft_sizes import dividing, widths
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class BoftOptions(Options):
    boft_block_size: int | None = option(
        None,
        "Inputs rotated together in each factor; none given means the largest size up to 4 that fits every adapted width.",
        min=2,
        max=4096,
    )
    boft_block_num: int = option(
        0,
        "Number of blocks instead of their size; 0 leaves it to boft_block_size.",
        min=0,
        max=4096,
        advanced=True,
    )
    boft_n_butterfly_factor: int = option(
        1,
        "How many rotations follow each other, each mixing twice as far; more than one needs PEFT's CUDA extension.",
        min=1,
        max=12,
    )
    boft_dropout: float = option(
        0.0, "Share of the blocks left as they are at random in training.", min=0, max=0.9
    )
    target_modules: tuple[str, ...] = linear_targets()
    bias: str = option(
        "none", "Which bias terms are trained as well.", choices=("none", "all", "boft_only"), advanced=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.boft_block_num and self.boft_block_size:
            raise ValueError(
                "boft_block_num and boft_block_size say the same thing twice (their product is the inputs):"
                f" give one, not {self.boft_block_num} and {self.boft_block_size}"
            )


def apply(model: nn.Module, options: BoftOptions, context: Context) -> nn.Module:
    from peft import BOFTConfig
    from peft.tuners.boft.layer import get_fbd_cuda

    if options.boft_n_butterfly_factor > 1 and not get_fbd_cuda():
        raise Unsuitable(
            f"boft_n_butterfly_factor={options.boft_n_butterfly_factor} needs PEFT's CUDA extension, which can't be built here,"
            " and PEFT would use 1 without a word: choose 1"
        )
    targets = checked_targets(model, options.target_modules)
    inputs = [size for size, _ in widths(model, targets).values()]
    size, number = _blocks(options, inputs)
    config = BOFTConfig(
        task_type=context.peft_task,
        boft_block_size=size,
        boft_block_num=number,
        boft_n_butterfly_factor=options.boft_n_butterfly_factor,
        boft_dropout=options.boft_dropout,
        target_modules=targets,
        bias=options.bias,
    )
    with _shapes_of_permutations() if context.on_meta else contextlib.nullcontext():
        return attach(model, config, context)


@contextlib.contextmanager
def _shapes_of_permutations() -> Iterator[None]:
    """PEFT fills a square matrix for each layer in a loop over its rows: seconds for each large model, for no count."""
    from unittest import mock

    import torch
    from peft.tuners.boft.layer import BOFTLayer

    stand_ins: dict[str, Any] = {
        "block_butterfly_perm": lambda layer, n, *_: torch.arange(n),
        "perm2mat": lambda layer, places: torch.empty((len(places), len(places))),
    }
    with mock.patch.multiple(BOFTLayer, **stand_ins), torch.device("meta"):
        yield


def _blocks(options: BoftOptions, inputs: list[int]) -> tuple[int, int]:
    """(size, number) as PEFT wants them, one of them 0: the further factors need 2, 4, 8 ... blocks side by side."""
    spread: int = 2 ** (options.boft_n_butterfly_factor - 1)
    if options.boft_block_num:
        number = dividing("boft_block_num", options.boft_block_num, inputs, options.boft_block_num)
        if number % spread or number < spread * 2 > 2:
            raise Unsuitable(
                f"boft_n_butterfly_factor={options.boft_n_butterfly_factor} needs a multiple of {spread} blocks,"
                f" {2 * spread} at least, not {number}"
            )
        return 0, number
    if any(size % (2 * spread) for size in inputs):
        raise Unsuitable(
            f"boft_n_butterfly_factor={options.boft_n_butterfly_factor} needs adapted widths that divide by"
            f" {2 * spread}: choose a smaller factor"
        )
    return dividing(
        "boft_block_size", options.boft_block_size, [size // spread for size in inputs], 4, even=spread > 1
    ), 0


METHOD = Method(
    name="boft",
    title="BOFT",
    family="rotation",
    options=BoftOptions,
    apply=apply,
    learning_rate=1e-2,
    card=__doc__,
    paper="https://arxiv.org/abs/2311.06243",
    mergeable=True,
    peft_type="BOFT",
)
