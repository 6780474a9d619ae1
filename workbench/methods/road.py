"""Turn and stretch the outputs of each adapted layer in pairs, by one learned angle and length for each pair.

**Use it** when the adapter must be tiny, or when one batch must serve many adapters at once.
**Costs** one to four numbers for each output of an adapted layer, by variant; folded in, it costs nothing when answering.
**Watch** the learning rate, which is high, and hard tasks: it can turn what a layer says, not add to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import checked_targets
from workbench.method import Context, Method
from workbench.methods._low_rank import linear_targets
from workbench.methods._peft import attach
from workbench.methods._peft_sizes import dividing, widths
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class RoadOptions(Options):
    variant: str = option(
        "road_1",
        "Numbers learned for each pair of outputs: road_1 one angle and length, road_2 one for each of the two, road_4 two.",
        choices=("road_1", "road_2", "road_4"),
    )
    group_size: int | None = option(
        None,
        "Outputs among which pairs are formed, no matter for quality; none given means the largest even number up to 64 that"
        " divides every adapted width.",
        min=2,
        max=8192,
        advanced=True,
    )
    target_modules: tuple[str, ...] = linear_targets()


def apply(model: nn.Module, options: RoadOptions, context: Context) -> nn.Module:
    from peft import RoadConfig

    targets = checked_targets(model, options.target_modules)
    outputs = [pair[1] for pair in widths(model, targets).values()]
    config = RoadConfig(
        task_type=context.peft_task,
        variant=options.variant,
        group_size=dividing("group_size", options.group_size, outputs, 64, even=True),
        target_modules=targets,
    )
    return attach(model, config, context)


METHOD = Method(
    name="road",
    title="RoAd",
    family="rotation",
    options=RoadOptions,
    apply=apply,
    learning_rate=1.6e-2,
    rate_by_width=False,
    card=__doc__,
    paper="https://arxiv.org/abs/2409.00119",
    mergeable=True,
    peft_type="ROAD",
)
