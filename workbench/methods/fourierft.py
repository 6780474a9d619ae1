"""Learn a few frequencies of each weight matrix's update; the update is what they draw, as a sound is drawn by its tones.

**Use it** when the adapter must be very small and its size freely chosen: n_frequency numbers for a matrix of any size.
**Costs** n_frequency weights for each adapted matrix; the whole update is put together at every step. Folded in, it costs nothing when answering.
**Watch** scaling and the learning rate, which act together; larger matrices need more of both. It starts from no change, unless init_weights is random as in the paper.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import checked_targets
from workbench.method import Context, Method
from workbench.methods._low_rank import linear_targets
from workbench.methods._peft import attach
from workbench.methods._peft_shapes import shapes_only
from workbench.methods._peft_sizes import at_most, widths
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class FourierftOptions(Options):
    n_frequency: int | None = option(
        None,
        "Learned frequencies of each matrix; none given means 1000, or a quarter of the smallest adapted matrix.",
        min=1,
        max=10_000_000,
    )
    scaling: float = option(150.0, "The update is multiplied by this.", min=0.001, max=100_000)
    target_modules: tuple[str, ...] = linear_targets()
    random_loc_seed: int = option(
        777, "Which frequencies are learned is drawn from this seed.", min=0, max=2**31 - 1, advanced=True
    )
    init_weights: str = option(
        "zero",
        "Where the frequencies start: at zero, so that the model starts unchanged, or at random as in the paper.",
        choices=("zero", "random"),
        advanced=True,
    )
    bias: str = option(
        "none",
        "Which bias terms are trained as well.",
        choices=("none", "all", "fourier_only"),
        advanced=True,
    )


def apply(model: nn.Module, options: FourierftOptions, context: Context) -> nn.Module:
    from peft import FourierFTConfig

    targets = checked_targets(model, options.target_modules)
    smallest = min(inputs * outputs for inputs, outputs in widths(model, targets).values())
    most = smallest if options.n_frequency else smallest // 4
    config = FourierFTConfig(
        task_type=context.peft_task,
        n_frequency=at_most(
            "n_frequency", options.n_frequency, most, 1000, "the entries of the smallest adapted matrix"
        ),
        scaling=options.scaling,
        target_modules=targets,
        random_loc_seed=options.random_loc_seed,
        init_weights=options.init_weights == "zero",
        bias=options.bias,
    )
    with shapes_only() if context.on_meta else contextlib.nullcontext():
        return attach(model, config, context)


METHOD = Method(
    name="fourierft",
    title="FourierFT",
    family="low_rank",
    options=FourierftOptions,
    apply=apply,
    learning_rate=3.2e-2,
    rate_by_width=False,
    card=__doc__,
    paper="https://arxiv.org/abs/2405.03003",
    mergeable=True,
    peft_type="FOURIERFT",
)
