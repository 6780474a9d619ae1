"""Train the experts of a mixture-of-experts model, and leave attention, embeddings and the router as they are.

**Use it** where knowledge must change but not who is asked: which expert reads which word stays as pretraining balanced it.
**Costs** most of the model's weights in gradients and optimiser values: experts are 80 to 95 % of a mixture.
**Watch** memory, and experts that your data seldom reaches: they hardly learn. All methods here train on the task's loss alone; the load-balancing loss of pretraining is not added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import freeze_all_but_head
from workbench.experts import expert_parameters
from workbench.method import Context, Method
from workbench.options import Options

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class MoeExpertsOptions(Options):
    pass


def apply(model: nn.Module, options: MoeExpertsOptions, context: Context) -> nn.Module:
    names = expert_parameters(model)
    freeze_all_but_head(model)
    for name in names:
        model.get_parameter(name).requires_grad_(True)
    return model


METHOD = Method(
    name="moe_experts",
    title="Experts only",
    family="experts",
    options=MoeExpertsOptions,
    apply=apply,
    learning_rate=5e-4,
    card=__doc__,
    paper="https://arxiv.org/abs/2407.01906",
)
