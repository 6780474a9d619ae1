"""Learn a small low-rank update beside each chosen weight matrix and leave the matrix itself alone.

**Use it** as the first thing to try: near full fine-tuning in quality, with one small file per task that can be folded into the model.
**Costs** r × (inputs + outputs) weights for each adapted matrix; folded in, it costs nothing when answering.
**Watch** the learning rate, often ten times that of full fine-tuning; for models of a hundred million weights or more start near 2e-4. More rank rarely helps small data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from workbench.architecture import checked_targets
from workbench.method import Context, Method
from workbench.methods._peft import attach
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LoraOptions(Options):
    r: int = option(8, "Rank: how many directions the update may use.", min=1, max=1024)
    lora_alpha: int = option(16, "Scale: the update is multiplied by lora_alpha / r.", min=1, max=4096)
    lora_dropout: float = option(
        0.0, "Share of the update's inputs dropped at random in training.", min=0, max=0.9
    )
    target_modules: tuple[str, ...] = option(
        ("all-linear",), "Linear layers that get an update, by name; all-linear means every one but the head."
    )
    use_rslora: bool = option(
        False, "Divide by the square root of r instead of r: steadier at large ranks.", advanced=True
    )
    bias: str = option(
        "none", "Which bias terms are trained as well.", choices=("none", "all", "lora_only"), advanced=True
    )
    init_lora_weights: str = option(
        "default",
        "Random start of the first factor; the second starts at zero, so the model starts unchanged.",
        choices=("default", "gaussian"),
        advanced=True,
    )


def apply(model: nn.Module, options: LoraOptions, context: Context) -> nn.Module:
    from peft import LoraConfig

    config = LoraConfig(
        task_type=context.peft_task,
        r=options.r,
        lora_alpha=options.lora_alpha,
        lora_dropout=options.lora_dropout,
        target_modules=checked_targets(model, options.target_modules),
        use_rslora=options.use_rslora,
        bias=cast(Any, options.bias),
        init_lora_weights=True if options.init_lora_weights == "default" else "gaussian",
    )
    return attach(model, config, context)


METHOD = Method(
    name="lora",
    title="LoRA",
    family="low_rank",
    options=LoraOptions,
    apply=apply,
    learning_rate=2e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2106.09685",
    mergeable=True,
    peft_type="LORA",
)
