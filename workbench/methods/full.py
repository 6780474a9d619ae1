"""Train every weight of the model: the yardstick that the others are measured against.

**Use it** when memory and storage are no concern, the data are plenty, and one copy of the model per task is fine.
**Costs** a gradient and two optimiser values for every weight (about four times the model's own memory), and a file as large as the model.
**Watch** the learning rate: the default suits models of some ten million weights; take 1e-5 to 5e-5 for a hundred million or more, and stop early on small data, or the model forgets what it knew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.method import Context, Method
from workbench.options import Options

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class FullOptions(Options):
    pass


def apply(model: nn.Module, options: FullOptions, context: Context) -> nn.Module:
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model


METHOD = Method(
    name="full",
    title="Full fine-tuning",
    family="whole",
    options=FullOptions,
    apply=apply,
    learning_rate=5e-4,
    card=__doc__,
    paper="https://arxiv.org/abs/1801.06146",
)
