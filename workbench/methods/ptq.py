"""Train every weight at full width, and round the matrices to few bits once, when training is over.

**Use it** as the yardstick for quantisation-aware fine-tuning: same training as full fine-tuning, rounded afterwards.
**Costs** what full fine-tuning costs to train; the result takes 8, 4 or 2 bits for each weight of the matrices, and its scales. torchao keeps 4- and 2-bit weights one to a byte in memory and unpacks them for each answer, which is slower; in the file they are packed.
**Watch** the number of bits and what is asked of the model: 8 bits cost next to nothing, 4 little; at 2, labels may still be right while written text clearly gets worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.method import Context, Method
from workbench.methods import _torchao
from workbench.methods._torchao import FewBitsOptions

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PtqOptions(FewBitsOptions):
    pass


def apply(model: nn.Module, options: PtqOptions, context: Context) -> nn.Module:
    _torchao.groups(model, options)  # a model that can't be rounded is not trained first
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model


def after_training(model: nn.Module, options: PtqOptions, context: Context) -> nn.Module:
    return _torchao.convert(model, options)


METHOD = Method(
    name="ptq",
    title="Full, rounded afterwards",
    family="quantised",
    options=PtqOptions,
    apply=apply,
    after_training=after_training,
    notes=_torchao.notes,
    learning_rate=5e-4,
    card=__doc__,
    paper="https://arxiv.org/abs/2106.08295",
)
