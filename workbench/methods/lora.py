"""Learn a small low-rank update beside each chosen weight matrix and leave the matrix itself alone.

**Use it** as the first thing to try: near full fine-tuning in quality, with one small file per task that can be folded into the model.
**Costs** r × (inputs + outputs) weights for each adapted matrix; folded in, it costs nothing when answering.
**Watch** the learning rate, often ten times that of full fine-tuning; for models of a hundred million weights or more start near 2e-4. More rank rarely helps small data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.method import Context, Method
from workbench.methods._low_rank import LowRankOptions, attach_lora
from workbench.options import option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LoraOptions(LowRankOptions):
    use_rslora: bool = option(
        False, "Divide by the square root of r instead of r: steadier at large ranks.", advanced=True
    )
    bias: str = option(
        "none", "Which bias terms are trained as well.", choices=("none", "all", "lora_only"), advanced=True
    )
    init_lora_weights: str = option(
        "default",
        "Random start of the factors; their product starts at zero, so the model starts unchanged. With orthogonal"
        " neither factor is zero and r is even.",
        choices=("default", "gaussian", "orthogonal"),
        advanced=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.init_lora_weights == "orthogonal" and self.r % 2:
            raise ValueError(f"r is an even number where init_lora_weights is orthogonal, not {self.r}")


def apply(model: nn.Module, options: LoraOptions, context: Context) -> nn.Module:
    # Without weights the start makes no difference, and PEFT draws the orthogonal one off the meta device.
    drawn = options.init_lora_weights != "default" and not context.on_meta
    return attach_lora(
        model,
        options,
        context,
        use_rslora=options.use_rslora,
        bias=options.bias,
        init_lora_weights=options.init_lora_weights if drawn else True,
    )


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
