"""Deep prompts for classification: learned keys and values in every layer, trained directly, with a new classification head.

**Use it** to label texts with a frozen model when prompt tuning, which steers the input alone, is too weak.
**Costs** tokens × layers × 2 × key width weights, and a little more attention for every answer.
**Watch** how it differs from prefix tuning, which is the same idea made for generation: there a small network may write the keys and values while training (prefix_projection), here they are always learned as they are, there are more of them, and answers come from the head. It can't be folded into the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.method import Context, Method
from workbench.methods.prefix import PrefixOptions
from workbench.methods.prefix import apply as apply_prefix
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PTuningV2Options(Options):
    num_virtual_tokens: int = option(
        32, "How many learned keys and values each layer gets; the paper has up to 100.", min=1, max=512
    )
    init_weights: str = option(
        "small",
        "Where they start: at random values of spread 0.1, which disturb the model little, or of spread 1.",
        choices=("small", "random"),
        advanced=True,
    )


def apply(model: nn.Module, options: PTuningV2Options, context: Context) -> nn.Module:
    prefix = PrefixOptions(num_virtual_tokens=options.num_virtual_tokens, init_weights=options.init_weights)
    return apply_prefix(model, prefix, context)


METHOD = Method(
    name="p_tuning_v2",
    title="P-tuning v2",
    family="prompt",
    options=PTuningV2Options,
    apply=apply,
    learning_rate=1e-2,
    rate_by_width=False,
    card=__doc__,
    paper="https://arxiv.org/abs/2110.07602",
    tasks=("classification",),
)
