"""Train the last few blocks and the head, and leave the lower part of the model as it is.

**Use it** when the text is ordinary (so that the lower layers serve as they are) and memory or time is short.
**Costs** gradients and optimiser values for the trained blocks alone; nothing is computed backwards below them.
**Watch** how many blocks you train: too few and the model can't adapt, all of them is nearly full fine-tuning. For models of a hundred million weights or more take a learning rate near 5e-5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import freeze_all_but_head, named_blocks
from workbench.method import Context, Method
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class FreezeOptions(Options):
    layers: int = option(2, "How many blocks are trained, counted from the last one.", min=1, max=1000)


def apply(model: nn.Module, options: FreezeOptions, context: Context) -> nn.Module:
    blocks = named_blocks(model)
    if options.layers > len(blocks):
        raise ValueError(
            f"layers is at most {len(blocks)}, the number of this model's blocks, not {options.layers}"
        )
    freeze_all_but_head(model)
    for _, block in blocks[-options.layers :]:
        for parameter in block.parameters():
            parameter.requires_grad_(True)
    _train_what_stands_above(model, blocks[-1][0])
    return model


def _train_what_stands_above(model: nn.Module, last_block: str) -> None:
    """The final norm or pooler belongs to the trained top: frozen, it would stand between block and head."""
    names = [name for name, _ in model.named_parameters()]
    top = max(i for i, name in enumerate(names) if name.startswith(f"{last_block}."))
    for name, parameter in model.named_parameters():
        if name in names[top + 1 :]:
            parameter.requires_grad_(True)


METHOD = Method(
    name="freeze",
    title="Frozen layers",
    family="selected",
    options=FreezeOptions,
    apply=apply,
    learning_rate=1e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/1911.03090",
)
