"""The small network of all bottleneck adapters, and the two ways to hang it into a model: behind a layer, or beside a part."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.architecture import freeze_all_but_head
from workbench.method import Unsuitable
from workbench.options import Options, option

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class BottleneckOptions(Options):
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


def insert_behind(model: Any, places: Sequence[str], options: BottleneckOptions) -> None:
    """Freeze the model and put an adapter behind the output of each named module: it reads what that module gives."""
    for place in _free(model, places):
        add_child(model, place, options)
        model.get_submodule(place).register_forward_hook(_through_adapter)


def insert_beside(
    model: Any, sites: Sequence[tuple[str, str]], options: BottleneckOptions, scale: float
) -> None:
    """Freeze the model and put an adapter beside each part from its first module to its last: it reads what the first
    reads, and `scale` times what it gives is added to what the last gives."""
    places = _free(model, [last for _, last in sites])
    for (first, _), last in zip(sites, places):
        adapter = add_child(model, last, options)
        adapter.scale = scale
        # The adapter is the child of one module; the other knows it too, but not as a child, or it would be saved twice.
        model.get_submodule(first).__dict__["workbench_adapter"] = adapter
        model.get_submodule(first).register_forward_pre_hook(_keep_input)
        model.get_submodule(last).register_forward_hook(_add_adapter)


def add_child(model: Any, place: str, options: BottleneckOptions) -> Any:
    """The adapter as a child of the named module, so that the names of the pretrained weights stay as they are."""
    module = model.get_submodule(place)
    weight = next(module.parameters())
    adapter = bottleneck()(_width(module, model), options).to(weight.device)
    module.add_module("adapter", adapter.to(weight.dtype) if weight.is_floating_point() else adapter)
    return module.adapter


def _free(model: Any, places: Sequence[str]) -> Sequence[str]:
    if any(hasattr(model.get_submodule(place), "adapter") for place in places):
        raise Unsuitable("this model carries bottleneck adapters already: choose its base")
    freeze_all_but_head(model)
    return places


def _through_adapter(module: Any, inputs: Any, output: Any) -> Any:
    return _replaced(output, lambda hidden: hidden + module.adapter(hidden), module.adapter)


def _keep_input(module: Any, inputs: Any) -> None:
    module.workbench_adapter.__dict__["read"] = inputs[0]


def _add_adapter(module: Any, inputs: Any, output: Any) -> Any:
    read = module.adapter.__dict__.pop("read")  # kept any longer, it would hold a whole step's memory
    return _replaced(
        output, lambda hidden: hidden + module.adapter.scale * module.adapter(read), module.adapter
    )


def _replaced(output: Any, change: Any, adapter: Any) -> Any:
    """The output with its hidden states changed. Some mixtures give what their router said beside them."""
    if not adapter.workbench_enabled:
        return output
    return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)


def _width(module: Any, model: Any) -> int:
    """Outputs of a linear layer, which GPT-2's Conv1D calls nf; a whole part gives as many as the model is wide."""
    found = getattr(module, "out_features", None) or getattr(module, "nf", None)
    return int(found or model.config.get_text_config().hidden_size)


@functools.cache
def bottleneck() -> type[Any]:
    """The module's class, made on first use, so that listing the methods does not import torch."""
    from torch import nn

    activations = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}

    class Bottleneck(nn.Module):
        """up(activation(down(hidden))). `workbench_enabled` switches it off, as saving.without_method does."""

        def __init__(self, width: int, options: BottleneckOptions) -> None:
            super().__init__()
            narrow = max(1, width // options.reduction_factor)
            self.down = nn.Linear(width, narrow)
            self.up = nn.Linear(narrow, width)
            self.activation = activations[options.non_linearity]()
            self.dropout = nn.Dropout(options.dropout)
            self.scale = 1.0
            self.workbench_enabled = True
            nn.init.normal_(self.down.weight, std=0.02)
            nn.init.zeros_(self.down.bias)
            nn.init.normal_(self.up.weight, std=options.init_scale)
            nn.init.zeros_(self.up.bias)

        def forward(self, hidden: torch.Tensor) -> torch.Tensor:
            return self.up(self.dropout(self.activation(self.down(hidden))))

    return Bottleneck
