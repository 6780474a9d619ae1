"""Train only the bias terms: the small numbers that each layer adds at its end.

**Use it** when one model must serve many tasks and each may add only a tiny file, or as a strong cheap baseline.
**Costs** under 0.2 % of the weights; time per step stays near that of full fine-tuning, since gradients still run through every layer.
**Watch** hard tasks, where it falls behind LoRA, and models without bias terms (Llama has none), where it can't be used. Its learning rate is 10 to 100 times that of full fine-tuning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import bias_names, freeze_all_but_head
from workbench.method import Context, Method, Unsuitable
from workbench.options import Options

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class BitfitOptions(Options):
    pass


def apply(model: nn.Module, options: BitfitOptions, context: Context) -> nn.Module:
    biases = set(bias_names(model))
    if not biases:
        kind = getattr(model.config, "model_type", "such a")
        raise Unsuitable(
            f"this {kind} model has no bias terms to train: choose (IA)³ or LoRA, which add small ones"
        )
    freeze_all_but_head(model)
    for name, parameter in model.named_parameters():
        if name in biases:
            parameter.requires_grad_(True)
    return model


METHOD = Method(
    name="bitfit",
    title="BitFit",
    family="selected",
    options=BitfitOptions,
    apply=apply,
    learning_rate=5e-3,
    rate_by_width=False,
    card=__doc__,
    paper="https://arxiv.org/abs/2106.10199",
)
