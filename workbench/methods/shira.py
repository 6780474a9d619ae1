"""Train a few randomly chosen weights of each matrix, spread all over it, and leave the others as they are.

**Use it** when several adapters shall be added together or switched fast: sparse changes of different places hardly meet.
**Costs** r × (inputs + outputs) weights for each adapted matrix, as LoRA of the same r, and their places; folded in, it costs nothing when answering.
**Watch** the name of r: it sets how many weights are trained, and the update may have any rank.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.architecture import checked_targets
from workbench.method import Context, Method
from workbench.methods._low_rank import linear_targets
from workbench.methods._peft import attach
from workbench.methods._peft_shapes import shapes_only
from workbench.methods._peft_sizes import at_most, widths
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ShiraOptions(Options):
    r: int | None = option(
        None,
        "r × (inputs + outputs) weights of each matrix are trained; none given means 32, or what leaves half of the smallest"
        " adapted matrix untouched.",
        min=1,
        max=4096,
    )
    random_seed: int | None = option(
        None,
        "Seed of the choice of weights; none given means the run's own seed.",
        min=0,
        max=2**31 - 1,
        advanced=True,
    )
    target_modules: tuple[str, ...] = linear_targets()


def apply(model: nn.Module, options: ShiraOptions, context: Context) -> nn.Module:
    from peft import ShiraConfig

    targets = checked_targets(model, options.target_modules)
    room = min(inputs * outputs // (inputs + outputs) for inputs, outputs in widths(model, targets).values())
    what = "where the smallest adapted matrix would be trained whole"
    seed = options.random_seed
    with shapes_only() if context.on_meta else contextlib.nullcontext():
        config = ShiraConfig(
            task_type=context.peft_task,
            r=at_most("r", options.r, room if options.r else room // 2, 32, what),
            random_seed=context.seed if seed is None else seed,
            target_modules=targets,
        )
        return attach(model, config, context)


METHOD = Method(
    name="shira",
    title="SHiRA",
    family="selected",
    options=ShiraOptions,
    apply=apply,
    learning_rate=2e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2406.13175",
    mergeable=True,
    peft_type="SHIRA",
)
