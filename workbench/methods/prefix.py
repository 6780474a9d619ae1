"""Give every layer a few learned keys and values to attend to, as if a text stood before yours.

**Use it** when one frozen model must serve many tasks, and prompt tuning is too weak: every layer is steered, not the input alone.
**Costs** tokens × layers × 2 × key width weights, and a little more attention for every answer.
**Watch** the learning rate (near 1e-2 on small models, 1e-3 to 1e-2 on large ones; the head learns at the same rate) and small models, on which it stays behind LoRA. It can't be folded into the model. P-tuning v2 is the same idea for classification, without the network of prefix_projection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

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
        False, "Let a small network write the keys and values while training, as in the paper.", advanced=True
    )
    encoder_hidden_size: int = option(
        128, "Width of that network, where prefix_projection is on.", min=1, max=8192, advanced=True
    )
    init_weights: str = option(
        "small",
        "Where they start: at random values of spread 0.1, which disturb the model little, or of spread 1.",
        choices=("small", "random"),
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
    )
    changed: Any = attach_prompt(model, config, context)
    if options.init_weights == "small" and not options.prefix_projection:
        # PEFT's "zero" is no way out: equal keys and values get equal gradients and stay one token for ever.
        for encoder in changed.prompt_encoder.values():
            encoder.embedding.weight.data.mul_(0.1)
    return cast("nn.Module", changed)


METHOD = Method(
    name="prefix",
    title="Prefix tuning",
    family="prompt",
    options=PrefixOptions,
    apply=apply,
    learning_rate=3.2e-2,
    rate_by_width=False,
    card=__doc__,
    paper="https://arxiv.org/abs/2101.00190",
    peft_type="PREFIX_TUNING",
)
