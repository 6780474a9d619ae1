"""Train only the head on top of the frozen model (a linear probe): the new classifier, or in generation the output layer.

**Use it** to see how much the model already knows of your task before you spend anything more.
**Costs** almost nothing for a classifier: a few numbers per label, and no gradient through the model. An output layer has width × vocabulary weights.
**Watch** the learning rate: it may be ten or a hundred times that of full fine-tuning; a low score here says that the model's features, not the head, must change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.architecture import freeze_all_but_head, head_names
from workbench.method import Context, Method, Unsuitable
from workbench.options import Options

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class HeadOptions(Options):
    pass


def apply(model: nn.Module, options: HeadOptions, context: Context) -> nn.Module:
    output = None if head_names(model) else _output_layer(model)
    freeze_all_but_head(model)
    for parameter in output.parameters() if output is not None else ():
        parameter.requires_grad_(True)
    return model


def _output_layer(model: Any) -> Any:
    """The layer that scores the next word, where it is one of its own."""
    output = model.get_output_embeddings()
    if output is None:
        raise Unsuitable(
            "this model has no task head of its own to train: choose a method that changes its body"
        )
    if output.weight is model.get_input_embeddings().weight:
        raise Unsuitable(
            "this task adds no new head, and this model's output layer is the same weights as its word embeddings:"
            " training it would change what the model reads as well, so choose frozen layers or LoRA"
        )
    return output


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
