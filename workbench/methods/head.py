"""Train only the new classification head on top of the frozen model (a linear probe).

**Use it** to see how much the model already knows of your task before you spend anything more.
**Costs** almost nothing: a few numbers per label, and no gradient through the model.
**Watch** the learning rate: it may be ten or a hundred times that of full fine-tuning; a low score here says that the model's features, not the head, must change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import freeze_all_but_head, head_names
from workbench.method import Context, Method, Unsuitable
from workbench.options import Options

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class HeadOptions(Options):
    pass


def apply(model: nn.Module, options: HeadOptions, context: Context) -> nn.Module:
    if not head_names(model):
        raise Unsuitable(
            "this model has no task head of its own to train: choose a method that changes its body"
        )
    freeze_all_but_head(model)
    return model


METHOD = Method(
    name="head",
    title="Linear probe",
    family="selected",
    options=HeadOptions,
    apply=apply,
    learning_rate=2e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/1610.01644",
)
