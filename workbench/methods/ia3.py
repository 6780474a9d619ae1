"""Learn one multiplier for each key, value and feed-forward channel, and nothing else.

**Use it** when there are few examples, or when the adapter must be as small as can be and fold into the model.
**Costs** one number per channel, often under 0.02 % of the weights; folded in, it costs nothing when answering.
**Watch** the learning rate, which must be high (1e-3 to 1e-2; the head learns at the same rate); it can only turn features up or down, so a task that needs new ones stays out of reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import (
    checked_targets,
    feed_forward_outputs,
    key_value_names,
    linear_modules,
    mixture_names,
)
from workbench.method import Context, Method
from workbench.methods._peft import attach
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Ia3Options(Options):
    target_modules: tuple[str, ...] = option(
        (), "Linear layers that are scaled, by name; none given means keys, values and the feed-forward part."
    )
    feedforward_modules: tuple[str, ...] = option(
        (),
        "Those of them whose inputs are scaled in place of their outputs; none given means each block's last layer.",
        advanced=True,
    )


def apply(model: nn.Module, options: Ia3Options, context: Context) -> nn.Module:
    from peft import IA3Config

    linear = linear_modules(model)
    # Fused experts are no linear layers: in a mixture, keys and values alone are scaled.
    feed_forward = [] if mixture_names(model) else feed_forward_outputs(model)
    wanted: list[str] | str = (
        [*key_value_names(model), *feed_forward]
        if not options.target_modules
        else checked_targets(model, options.target_modules)
    )
    targets = [name for name in linear if wanted == "all-linear" or any(_is(name, t) for t in wanted)]
    # In the feed-forward part the paper scales what goes into the last projection, elsewhere what comes out.
    inputs = options.feedforward_modules or feed_forward
    if wrong := [f for f in inputs if options.feedforward_modules and not any(_is(t, f) for t in targets)]:
        raise ValueError(f"feedforward_modules are some of target_modules, not {', '.join(wrong)}")
    config = IA3Config(
        task_type=context.peft_task,
        target_modules=targets,
        feedforward_modules=[name for name in targets if any(_is(name, f) for f in inputs)],
    )
    return attach(model, config, context)


def _is(name: str, short: str) -> bool:
    return name == short or name.endswith("." + short)


METHOD = Method(
    name="ia3",
    title="(IA)³",
    family="added",
    options=Ia3Options,
    apply=apply,
    learning_rate=5e-2,
    rate_by_width=False,
    card=__doc__,
    paper="https://arxiv.org/abs/2205.05638",
    mergeable=True,
    peft_type="IA3",
)
