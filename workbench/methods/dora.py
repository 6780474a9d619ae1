"""LoRA that learns the length of each weight vector apart from its direction.

**Use it** when LoRA at a small rank falls short of full fine-tuning.
**Costs** LoRA's weights and one number per output of each adapted matrix; training is clearly slower than LoRA, and folded in it costs nothing when answering.
**Watch** the time column: the gain over LoRA is often smaller than the difference between two seeds. Learning rates are LoRA's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import checked_targets
from workbench.method import Context, Method
from workbench.methods._peft import attach
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class DoraOptions(Options):
    r: int = option(8, "Rank: how many directions the update may use.", min=1, max=1024)
    lora_alpha: int = option(16, "Scale: the update is multiplied by lora_alpha / r.", min=1, max=4096)
    lora_dropout: float = option(
        0.0, "Share of the update's inputs dropped at random in training.", min=0, max=0.9
    )
    target_modules: tuple[str, ...] = option(
        ("all-linear",), "Linear layers that get an update, by name; all-linear means every one but the head."
    )


def apply(model: nn.Module, options: DoraOptions, context: Context) -> nn.Module:
    from peft import LoraConfig

    config = LoraConfig(
        task_type=context.peft_task,
        r=options.r,
        lora_alpha=options.lora_alpha,
        lora_dropout=options.lora_dropout,
        target_modules=checked_targets(model, options.target_modules),
        use_dora=True,
    )
    return attach(model, config, context)


METHOD = Method(
    name="dora",
    title="DoRA",
    family="low_rank",
    options=DoraOptions,
    apply=apply,
    learning_rate=2e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2402.09353",
    mergeable=True,
)
