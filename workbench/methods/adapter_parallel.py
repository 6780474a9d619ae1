"""Put a bottleneck network beside the feed-forward part of every block: it reads the same input and adds to the output.

**Use it** where adapters suit: in the paper's comparison a parallel adapter does better than one behind, and the feed-forward part is the better place.
**Costs** 2 × width × bottleneck + width + bottleneck weights per block, and some time for every answer: it can't be folded in.
**Watch** the scale, which acts like a second learning rate: 4 in the paper, less where training is unsteady.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import feed_forward_sites
from workbench.method import Context, Method
from workbench.methods._bottleneck import BottleneckOptions, insert_beside
from workbench.options import option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class AdapterParallelOptions(BottleneckOptions):
    non_linearity: str = option(
        "relu", "Activation between the two projections.", choices=("gelu", "relu", "silu", "tanh")
    )
    scale: float = option(
        4.0, "By how much the adapter's output is multiplied before it is added.", min=0.001, max=100
    )


def apply(model: nn.Module, options: AdapterParallelOptions, context: Context) -> nn.Module:
    insert_beside(model, feed_forward_sites(model), options, options.scale)
    return model


METHOD = Method(
    name="adapter_parallel",
    title="Parallel adapter",
    family="added",
    options=AdapterParallelOptions,
    apply=apply,
    learning_rate=2e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2110.04366",
)
