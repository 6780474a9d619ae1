"""Raise the probability of the chosen answer against the rejected one, measured from where the model stood at first.

**Use it** when pairs of a better and a worse answer are at hand and a reward model with sampling is too much: one loss, no sampling.
**Costs** two answers for each prompt, read by the model and by a frozen copy of it (with LoRA the copy is only an adapter): about four times the reading of supervised training.
**Watch** beta and the learning rate, ten times below that of supervised training: too bold, and both answers become unlikely while their distance grows. Answers often become longer.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.method import Context, Method
from workbench.methods._preference import PREFERENCE, StartedOptions, pairs_only, supervised, trained_by
from workbench.methods._wrapped import apply, optimizer
from workbench.options import option
from workbench.stages import Stage


@dataclass(frozen=True)
class DpoOptions(StartedOptions):
    beta: float = option(
        0.1,
        "How dear it is to move away from the start: smaller lets the model move farther.",
        min=0.001,
        max=100,
    )
    loss_type: str = option(
        "sigmoid",
        "sigmoid is DPO; ipo asks for a fixed distance and overfits less; hinge stops at a margin; robust allows for"
        " wrong labels; apo_zero raises the chosen answer and lowers the other.",
        choices=("sigmoid", "ipo", "hinge", "robust", "apo_zero", "sigmoid_norm"),
    )
    label_smoothing: float = option(
        0.0,
        "Share of pairs that may be the wrong way round; for sigmoid and robust.",
        min=0,
        max=0.49,
        advanced=True,
    )
    reference_free: bool = option(
        False,
        "Measure from nothing instead of from the start: less memory, and nothing holds the model back.",
        advanced=True,
    )


def stages(options: DpoOptions, context: Context) -> tuple[Stage, ...]:
    return (
        *supervised(options, options.supervised_share),
        Stage(
            PREFERENCE,
            "Preference (DPO)",
            "Learns to find the chosen answer likelier than the rejected one, from where it stood at the stage's start.",
            1 - options.supervised_share,
            trainer=trained_by("preference_trainers", "dpo"),
        ),
    )


METHOD = Method(
    name="dpo",
    title="DPO",
    family="feedback",
    options=DpoOptions,
    apply=apply,
    optimizer=optimizer,
    stages=stages,
    refuses=pairs_only,
    learning_rate=5e-5,
    card=__doc__,
    paper="https://arxiv.org/abs/2305.18290",
    tasks=("preference",),
)
