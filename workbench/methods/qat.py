"""Train with weights that are rounded to few bits in every forward pass, so that the model learns to live with it, and keep the rounded ones.

**Use it** when the result must answer from few bits, at 4 bits and below, where rounding afterwards would cost too much.
**Costs** full fine-tuning's memory and some time for the rounding in every step; with train=lora only low-rank factors are trained, and folded in before rounding. torchao keeps 4- and 2-bit weights one to a byte in memory and unpacks them for each answer, which is slower; in the file they are packed.
**Watch** the learning rate: train=lora wants about four times the default. Embeddings, norms and the head stay wide. Test scores, latency and size are those of the rounded model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.architecture import freeze_all_but_head, linear_modules
from workbench.method import Context, Method
from workbench.methods import _torchao
from workbench.methods._torchao import FewBitsOptions
from workbench.options import option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class QatOptions(FewBitsOptions):
    train: str = option(
        "full",
        "What is trained: full is every weight; lora is low-rank updates, which are rounded together with the matrices they"
        " change.",
        choices=("full", "lora"),
    )
    r: int = option(8, "Rank of the updates with train=lora.", min=1, max=1024, advanced=True)
    lora_alpha: int = option(
        16, "Scale of the updates with train=lora: lora_alpha / r.", min=1, max=4096, advanced=True
    )


def apply(model: nn.Module, options: QatOptions, context: Context) -> nn.Module:
    _torchao.imitate(model, options)
    if options.train == "full":
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        return model
    freeze_all_but_head(model)
    for layer in linear_modules(model).values():
        _update(layer, options)
    return model


def _update(layer: Any, options: QatOptions) -> None:
    """Make the layer's weight the sum of itself and a low-rank product, before it is rounded."""
    import torch
    from torch import nn
    from torch.nn.utils import parametrize

    class LowRankUpdate(nn.Module):
        def __init__(self, weight: Any) -> None:
            super().__init__()
            made = {"dtype": weight.dtype, "device": weight.device}
            self.lora_A = nn.Parameter(torch.empty(options.r, weight.shape[1], **made))
            self.lora_B = nn.Parameter(torch.zeros(weight.shape[0], options.r, **made))
            nn.init.kaiming_uniform_(self.lora_A, a=5**0.5)

        def forward(self, weight: Any) -> Any:
            return weight + (options.lora_alpha / options.r) * (self.lora_B @ self.lora_A)

    parametrize.register_parametrization(layer, "weight", LowRankUpdate(layer.weight))


def after_training(model: nn.Module, options: QatOptions, context: Context) -> nn.Module:
    return _torchao.convert(model, options)


METHOD = Method(
    name="qat",
    title="Quantisation-aware",
    family="quantised",
    options=QatOptions,
    apply=apply,
    after_training=after_training,
    notes=_torchao.notes,
    learning_rate=5e-4,
    card=__doc__,
    paper="https://arxiv.org/abs/2305.17888",
)
