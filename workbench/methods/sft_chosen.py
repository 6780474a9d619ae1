"""Learn to say the chosen answers, as if there were no rejected ones: the row that preference methods must beat.

**Use it** beside DPO and its kin, always: often most of what they gain comes from having seen good answers.
**Costs** what full fine-tuning costs, or LoRA with that parameterisation; half of the data, the rejected answers, is not used.
**Watch** what it copies: the manner of the chosen answers with their faults, since nothing tells it what to avoid.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.method import Method
from workbench.methods._preference import TunedOptions
from workbench.methods._wrapped import apply, optimizer


@dataclass(frozen=True)
class SftChosenOptions(TunedOptions):
    pass


METHOD = Method(
    name="sft_chosen",
    title="SFT on chosen",
    family="feedback",
    options=SftChosenOptions,
    apply=apply,
    optimizer=optimizer,
    learning_rate=5e-4,
    card=__doc__,
    paper="https://arxiv.org/abs/2203.02155",
    tasks=("preference",),
)
