"""Learned vectors in front of the text, written by a small network that is trained in their stead.

**Use it** where prompt tuning learns too slowly: the small network makes the vectors depend on each other and eases the search.
**Costs** the small network while training; afterwards only its vectors are kept, and every answer reads that many more tokens.
**Watch** the learning rate (1e-4 to 1e-3 for models of a hundred million weights or more), and small models, on which it stays behind LoRA. It can't be folded into the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.method import Context, Method
from workbench.methods._peft import attach_prompt
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PTuningOptions(Options):
    num_virtual_tokens: int = option(
        16, "How many learned vectors stand in front of the text.", min=1, max=512
    )
    encoder_hidden_size: int = option(
        128, "Width of the small network that writes the vectors.", min=1, max=8192
    )
    encoder_reparameterization_type: str = option(
        "MLP", "Kind of small network.", choices=("MLP", "LSTM"), advanced=True
    )
    encoder_num_layers: int = option(
        2, "Layers of the small network, where it is an LSTM.", min=1, max=8, advanced=True
    )
    encoder_dropout: float = option(
        0.0, "Dropout in the small network, where it is an LSTM.", min=0, max=0.9, advanced=True
    )


def apply(model: nn.Module, options: PTuningOptions, context: Context) -> nn.Module:
    from peft import PromptEncoderConfig

    config = PromptEncoderConfig(
        task_type=context.peft_task,
        num_virtual_tokens=options.num_virtual_tokens,
        encoder_hidden_size=options.encoder_hidden_size,
        encoder_reparameterization_type=options.encoder_reparameterization_type,
        encoder_num_layers=options.encoder_num_layers,
        encoder_dropout=options.encoder_dropout,
    )
    return attach_prompt(model, config, context)


METHOD = Method(
    name="p_tuning",
    title="P-tuning",
    family="prompt",
    options=PTuningOptions,
    apply=apply,
    learning_rate=9.5e-3,
    rate_by_width=False,
    card=__doc__,
    paper="https://arxiv.org/abs/2103.10385",
    peft_type="P_TUNING",
)
