"""Give every layer a few learned keys and values to attend to, as if a text stood before yours.

**Use it** when one frozen model must serve many tasks, and prompt tuning is too weak: every layer is steered, not the input alone.
**Costs** tokens × layers × 2 × key width weights, and a little more attention for every answer.
**Watch** the learning rate (1e-2 or so for small models, 1e-3 for large ones) and the start: from large random keys small models recover slowly. It can't be folded into the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import plain_base
from workbench.method import Context, Method, Unsuitable
from workbench.methods._peft import attach_prompt, takes_past_keys
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PrefixOptions(Options):
    num_virtual_tokens: int = option(16, "How many learned keys and values each layer gets.", min=1, max=512)
    prefix_projection: bool = option(
        False, "Let a small network write the keys and values while training.", advanced=True
    )
    encoder_hidden_size: int = option(
        128, "Width of that network, where prefix_projection is on.", min=1, max=8192, advanced=True
    )
    init_weights: str = option(
        "zero",
        "Where they start: at zero, which disturbs the model least, or at random.",
        choices=("zero", "random"),
        advanced=True,
    )


def apply(model: nn.Module, options: PrefixOptions, context: Context) -> nn.Module:
    from peft import PrefixTuningConfig

    if not takes_past_keys(model):
        raise Unsuitable(
            f"a {plain_base(model).config.model_type} model takes no keys and values from outside, which a prefix is made of:"
            " choose prompt tuning, or a model of BERT, RoBERTa or decoder type"
        )
    config = PrefixTuningConfig(
        task_type=context.peft_task,
        num_virtual_tokens=options.num_virtual_tokens,
        prefix_projection=options.prefix_projection,
        encoder_hidden_size=options.encoder_hidden_size,
        init_weights="zero" if options.init_weights == "zero" else None,
    )
    return attach_prompt(model, config, context)


METHOD = Method(
    name="prefix",
    title="Prefix tuning",
    family="prompt",
    options=PrefixOptions,
    apply=apply,
    learning_rate=1e-2,
    card=__doc__,
    paper="https://arxiv.org/abs/2101.00190",
    peft_type="PREFIX_TUNING",
)
