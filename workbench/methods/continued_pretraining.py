"""Go on with pretraining on plain text of a field, before the model is taught anything else.

**Use it** where the words of your field are rare in ordinary text and plain text of it is at hand: legal, medical, a trade of its own. A finished run is the base of the next (run:ID), so teach the task after that.
**Costs** what the chosen parameterisation costs, and tokens: the more text, the more it learns. It is next-token training on packed windows, the same as that method alone on this task; what is new is one row for each way to do it.
**Watch** the forgetting column: general text is told worse afterwards, most so with full and a high learning rate. For models of a hundred million weights or more take 1e-5 to 5e-5 with full, and about ten times that with lora.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.method import Method
from workbench.methods._wrapped import WrappedOptions, apply, optimizer


@dataclass(frozen=True)
class ContinuedPretrainingOptions(WrappedOptions):
    pass


METHOD = Method(
    name="continued_pretraining",
    title="Continued pre-training",
    family="whole",
    options=ContinuedPretrainingOptions,
    apply=apply,
    learning_rate=5e-4,
    card=__doc__,
    paper="https://arxiv.org/abs/2004.10964",
    tasks=("language_modelling",),
    optimizer=optimizer,
)
