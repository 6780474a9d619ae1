"""Insert a small bottleneck network after attention and after the feed-forward part of every block, and train only these.

**Use it** when new behaviour must be added rather than old weights bent, or to compare with the first method of this kind.
**Costs** about 2 × width × bottleneck weights per place, two places in each block, and some time for every answer: it can't be folded in.
**Watch** the bottleneck: reduction_factor 8 on width 256 leaves 32 channels. The learning rate is some ten times that of full fine-tuning; near 1e-4 to 1e-3 for large models.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.architecture import attention_outputs, feed_forward_outputs, freeze_all_but_head
from workbench.method import Context, Method, Unsuitable
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class AdapterOptions(Options):
    reduction_factor: int = option(
        8, "How many times narrower than the model the bottleneck is.", min=1, max=1024
    )
    non_linearity: str = option(
        "gelu", "Activation between the two projections.", choices=("gelu", "relu", "silu", "tanh")
    )
    dropout: float = option(0.0, "Share of the bottleneck dropped at random in training.", min=0, max=0.9)
    init_scale: float = option(
        0.0,
        "Spread of the up-projection's random start; at 0 the model starts exactly unchanged.",
        min=0,
        max=1,
        advanced=True,
    )


def apply(model: nn.Module, options: AdapterOptions, context: Context) -> nn.Module:
    places = [*attention_outputs(model), *feed_forward_outputs(model)]
    if any(hasattr(model.get_submodule(place), "adapter") for place in places):
        raise Unsuitable("this model carries bottleneck adapters already: choose its base")
    freeze_all_but_head(model)
    for place in places:
        projection: Any = model.get_submodule(place)
        weight = projection.weight
        bottleneck = _bottleneck()(_width(projection), options).to(weight.device)
        if weight.is_floating_point():
            bottleneck = bottleneck.to(weight.dtype)
        # As a child of the projection the adapter leaves the names of the pretrained weights as they are; the hook
        # puts it before dropout, residual and layer norm.
        projection.add_module("adapter", bottleneck)
        projection.register_forward_hook(_through_adapter)
    return model


def _through_adapter(projection: Any, inputs: Any, output: Any) -> Any:
    return projection.adapter(output)


def _width(projection: Any) -> int:
    """Outputs of a linear layer; GPT-2's Conv1D calls them nf."""
    return int(getattr(projection, "out_features", None) or projection.nf)


@functools.cache
def _bottleneck() -> type[Any]:
    """The module's class, made on first use, so that listing the methods does not import torch."""
    import torch
    from torch import nn

    activations = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}

    class Bottleneck(nn.Module):
        """hidden + up(activation(down(hidden))). `workbench_enabled` switches it off, as saving.without_method does."""

        def __init__(self, width: int, options: AdapterOptions) -> None:
            super().__init__()
            narrow = max(1, width // options.reduction_factor)
            self.down = nn.Linear(width, narrow)
            self.up = nn.Linear(narrow, width)
            self.activation = activations[options.non_linearity]()
            self.dropout = nn.Dropout(options.dropout)
            self.workbench_enabled = True
            nn.init.normal_(self.down.weight, std=0.02)
            nn.init.zeros_(self.down.bias)
            nn.init.normal_(self.up.weight, std=options.init_scale)
            nn.init.zeros_(self.up.bias)

        def forward(self, hidden: torch.Tensor) -> torch.Tensor:
            if not self.workbench_enabled:
                return hidden
            return hidden + self.up(self.dropout(self.activation(self.down(hidden))))

    return Bottleneck


METHOD = Method(
    name="adapter",
    title="Bottleneck adapter",
    family="added",
    options=AdapterOptions,
    apply=apply,
    learning_rate=5e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/1902.00751",
)
