"""Insert a small bottleneck network after attention and after the feed-forward part of every block, and train only these.

**Use it** when new behaviour must be added rather than old weights bent, or to compare with the first method of this kind.
**Costs** 2 × width × bottleneck + width + bottleneck weights per place, two places in each block, and some time for every answer: it can't be folded in.
**Watch** the bottleneck: reduction_factor 8 on width 256 leaves 32 channels. The learning rate is some ten times that of full fine-tuning; near 1e-4 to 1e-3 for large models. Houlsby et al. also train the layer norms: tick layer_norms for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import attention_outputs, feed_forward_sites, norm_names
from workbench.method import Context, Method
from workbench.methods._bottleneck import BottleneckOptions, insert_behind
from workbench.options import option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class AdapterOptions(BottleneckOptions):
    layer_norms: bool = option(
        False, "Train the layer norms of the blocks as well, as the paper does.", advanced=True
    )


def apply(model: nn.Module, options: AdapterOptions, context: Context) -> nn.Module:
    places = [*attention_outputs(model), *(last for _, last in feed_forward_sites(model))]
    insert_behind(model, places, options)
    for name in norm_names(model) if options.layer_norms else ():
        model.get_parameter(name).requires_grad_(True)
    return model


METHOD = Method(
    name="adapter",
    title="Bottleneck adapter",
    family="added",
    options=AdapterOptions,
    apply=apply,
    learning_rate=1.6e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/1902.00751",
)
