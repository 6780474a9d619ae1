"""Learn from single answers that were found good or bad, by how people weigh gains against losses.

**Use it** when answers were rated one by one (thumbs up, thumbs down) and not in pairs: rows of prompt, completion and label (true or false). Of data in pairs each is taken apart into two ratings.
**Costs** three readings of each answer, one of them of a mismatched answer that tells how far the model has gone, by the model and by its frozen start.
**Watch** the balance of good and bad ratings: weigh the rarer kind more. Batches must not be small, since the distance is estimated in each.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.method import Context, Method
from workbench.methods._preference import PREFERENCE, StartedOptions, supervised, trained_by
from workbench.methods._wrapped import apply, optimizer
from workbench.options import option
from workbench.stages import Stage


@dataclass(frozen=True)
class KtoOptions(StartedOptions):
    beta: float = option(
        0.1,
        "How dear it is to move away from the start: smaller lets the model move farther.",
        min=0.001,
        max=100,
    )
    loss_type: str = option(
        "kto",
        "kto measures gains and losses from an estimate of how far the model has gone; apo_zero_unpaired from nought.",
        choices=("kto", "apo_zero_unpaired"),
        advanced=True,
    )
    desirable_weight: float = option(1.0, "Weight of answers that were found good.", min=0.01, max=100)
    undesirable_weight: float = option(1.0, "Weight of answers that were found bad.", min=0.01, max=100)


def stages(options: KtoOptions, context: Context) -> tuple[Stage, ...]:
    return (
        *supervised(options, options.supervised_share),
        Stage(
            PREFERENCE,
            "Preference (KTO)",
            "Learns to find good answers likelier and bad ones less likely than at the stage's start.",
            1 - options.supervised_share,
            trainer=trained_by("preference_trainers", "kto"),
        ),
    )


METHOD = Method(
    name="kto",
    title="KTO",
    family="feedback",
    options=KtoOptions,
    apply=apply,
    optimizer=optimizer,
    stages=stages,
    learning_rate=5e-5,
    card=__doc__,
    paper="https://arxiv.org/abs/2402.01306",
    tasks=("preference",),
)
