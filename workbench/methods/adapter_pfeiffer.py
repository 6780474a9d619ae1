"""Insert one bottleneck network after the feed-forward part of every block: half of Houlsby's adapters.

**Use it** where adapters suit but weights or time are short: in the paper one place per block does about as well as two.
**Costs** 2 × width × bottleneck + width + bottleneck weights per block, and some time for every answer, about half of what adapters at both places take: it can't be folded in.
**Watch** the bottleneck, which alone has to carry what two carry otherwise; a smaller reduction_factor makes up for it. The adapter stands before the residual is added, so that all models take it; Pfeiffer et al. put theirs behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.architecture import feed_forward_sites
from workbench.method import Context, Method
from workbench.methods._bottleneck import BottleneckOptions, insert_behind

if TYPE_CHECKING:
    from torch import nn


def apply(model: nn.Module, options: BottleneckOptions, context: Context) -> nn.Module:
    insert_behind(model, [last for _, last in feed_forward_sites(model)], options)
    return model


METHOD = Method(
    name="adapter_pfeiffer",
    title="Adapter, feed-forward only",
    family="added",
    options=BottleneckOptions,
    apply=apply,
    learning_rate=1.6e-2,
    card=__doc__,
    paper="https://arxiv.org/abs/2005.00247",
)
