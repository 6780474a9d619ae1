"""Train the scales and shifts of the normalisation layers and nothing else.

**Use it** when memory is short and the task is near to what the model can do already; it is the smallest change that reaches every layer.
**Costs** one or two numbers for each channel of a normalisation layer, often under 0.1 % of the weights; folded in, it costs nothing when answering.
**Watch** hard tasks, on which it stays behind LoRA, and the learning rate, which must be high.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.architecture import head_names, is_head, plain_base
from workbench.method import Context, Method, Unsuitable
from workbench.methods._peft import attach
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LnTuningOptions(Options):
    target_modules: tuple[str, ...] = option(
        (), "Normalisation layers that are trained, by name; none given means all of them."
    )


def apply(model: nn.Module, options: LnTuningOptions, context: Context) -> nn.Module:
    from peft import LNTuningConfig

    config = LNTuningConfig(task_type=context.peft_task, target_modules=_norms(model, options.target_modules))
    return attach(model, config, context)


def _norms(model: Any, wanted: tuple[str, ...]) -> list[str]:
    """Full names of the normalisation layers, by their class as transformers names them: LayerNorm, RMSNorm, ..."""
    heads = head_names(model)
    found = [
        name
        for name, module in plain_base(model).named_modules()
        if "norm" in type(module).__name__.lower()
        and getattr(module, "weight", None) is not None
        and not is_head(name, heads)
    ]
    if not found:
        raise Unsuitable(
            f"a {plain_base(model).config.model_type} model has no normalisation layer with weights to train:"
            " choose LoRA or BitFit"
        )
    if not wanted:
        return found
    wrong = [w for w in wanted if not any(name == w or name.endswith("." + w) for name in found)]
    if wrong:
        known = dict.fromkeys(name.split(".")[-1] for name in found)
        raise ValueError(
            f"target_modules are names of this model's normalisation layers, not {', '.join(wrong)};"
            f" known: {', '.join(known)}"
        )
    return [name for name in found if any(name == w or name.endswith("." + w) for w in wanted)]


METHOD = Method(
    name="ln_tuning",
    title="LN tuning",
    family="selected",
    options=LnTuningOptions,
    apply=apply,
    learning_rate=5e-2,
    rate_by_width=False,
    card=__doc__,
    paper="https://arxiv.org/abs/2312.11420",
    mergeable=True,
    peft_type="LN_TUNING",
)
