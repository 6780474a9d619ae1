"""Learn to say the chosen answer and, with the same step, find it likelier than the rejected one: no reference, one stage.

**Use it** to go from a base model to preferred answers at once, where memory has no room for a reference model.
**Costs** both answers of each pair, read once: half of what DPO reads.
**Watch** that the supervised part does most of the work: with a small beta the row comes close to supervised training on the chosen answers. It reads the prompt as text to learn, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.method import Context, Method
from workbench.methods._preference import PREFERENCE, TunedOptions, pairs_only, trained_by
from workbench.methods._wrapped import apply, optimizer
from workbench.options import option
from workbench.stages import Stage


@dataclass(frozen=True)
class OrpoOptions(TunedOptions):
    beta: float = option(
        0.5,
        "Weight of the comparison beside learning the chosen answer (lambda in the paper, which takes 0.1 for large"
        " models).",
        min=0.001,
        max=100,
    )


def stages(options: OrpoOptions, context: Context) -> tuple[Stage, ...]:
    return (
        Stage(
            PREFERENCE,
            "Preference (ORPO)",
            "Learns to say the chosen answer, and that its odds are better than those of the rejected one.",
            1.0,
            trainer=trained_by("preference_trainers", "orpo"),
        ),
    )


METHOD = Method(
    name="orpo",
    title="ORPO",
    family="feedback",
    options=OrpoOptions,
    apply=apply,
    optimizer=optimizer,
    stages=stages,
    refuses=pairs_only,
    learning_rate=3e-4,
    card=__doc__,
    paper="https://arxiv.org/abs/2403.07691",
    tasks=("preference",),
)
