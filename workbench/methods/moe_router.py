"""Train only the router of a mixture-of-experts model: which expert reads which word, not what the experts know.

**Use it** to see how much of your task the model can already do if other experts are asked.
**Costs** experts × width weights per block, often under 0.1 % of the model; a step still runs through every block.
**Watch** the balance: nothing here keeps all experts in use (the load-balancing loss of pretraining is not added, so that all methods train on the same loss), and a high learning rate can send every word to the same few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import freeze_all_but_head
from workbench.experts import router_parameters
from workbench.method import Context, Method
from workbench.options import Options

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class MoeRouterOptions(Options):
    pass


def apply(model: nn.Module, options: MoeRouterOptions, context: Context) -> nn.Module:
    names = router_parameters(model)
    freeze_all_but_head(model)
    for name in names:
        model.get_parameter(name).requires_grad_(True)
    return model


METHOD = Method(
    name="moe_router",
    title="Router only",
    family="experts",
    options=MoeRouterOptions,
    apply=apply,
    learning_rate=6.3e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2101.03961",
)
