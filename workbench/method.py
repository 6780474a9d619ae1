"""Method: the record that a file in methods/ exports. It holds functions, so a method file has no base class to study."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.options import Options

if TYPE_CHECKING:
    from torch import nn

    from workbench.stages import Stage

FAMILIES = (
    "whole",
    "selected",
    "low_rank",
    "rotation",
    "prompt",
    "added",
    "quantised",
    "experts",
    "feedback",
)


class Unsuitable(ValueError):
    """Raised by `apply` when this method can't serve this model or task: one sentence that says why and what would."""


@dataclass(frozen=True)
class Context:
    """What a method may know of the run besides the model. `steps` is the number of training steps, where known;
    `on_meta` says that the model has no weights (counting only); `device` is where it is trained; `rated_singly` that
    answers were rated one by one, so that there are no pairs to compare."""

    task: str = "classification"
    labels: int = 2
    steps: int | None = None
    seed: int = 0
    on_meta: bool = False
    device: str = "cpu"
    rated_singly: bool = False

    @property
    def peft_task(self) -> str:
        """PEFT's TaskType for this task."""
        return {"classification": "SEQ_CLS"}.get(self.task, "CAUSAL_LM")


@dataclass(frozen=True)
class Card:
    """The parts of a method's docstring: `summary` is its first paragraph, the others the bold-labelled lines."""

    summary: str
    use_it: str
    costs: str
    watch: str


@dataclass(frozen=True)
class Method:
    """One fine-tuning method.

    `apply(model, options, context)` takes a built model and returns a changed one, with `requires_grad` set on
    exactly what is trained (the new head included); it raises `Unsuitable` when the model can't take it.
    `learning_rate` is the method's own default on a small model; `rate_by_width` says that wider models want less (see
    workbench.rates), as matrices do and vectors, coefficients and prompts don't. `mergeable` claims that its weights fold into the base exactly.
    `stackable` claims that several of its results can sit on one loaded base, where it rides on PEFT.
    `own_save` / `own_load` are not needed: workbench.saving handles PEFT models and plain ones alike.
    `optimizer(model, options, learning_rate, weight_decay)` replaces the setting's optimiser where the method has one;
    it may return None where its options ask for none.
    `objective(model, batch, outputs, options)` replaces the task's loss: a mean over the rows of `batch` (tensors with
    input_ids, attention_mask and labels, -100 where nothing is learnt); it may run the model again.
    `make_rows(live, rows, options, context, told)` gives the rows to train on in place of `rows`, the training part: it
    is called once, with the base model as a task's Live, and says how far it is by `told(counts)`: done, of, and its own,
    such as sampled_tokens. Unless `reads_answers`, all that answers a row is taken off `rows` before, and no checkpoint is
    picked by answers: the last state is kept. `before_and_after(live, rows, options, context)` gives numbers on the
    validation prompts without their answers, taken of the base as NAME_start and of the trained model as NAME.
    `prepare_model(model, options, context)` changes the base right after it was loaded: how its weights are stored. What
    it gives is the base that the method is switched off to. `after_training(model, options, context)` turns the trained
    model into the one that answers, in place: test scores, latency and size are that one's.
    `notes(model, options)` are sentences that the reader must know of this method on this model.
    `refuses(options, context)` says in a sentence why the method can't serve these data, or is empty: asked before any
    model is there. `stages(options, context)` names what is trained one after the other where that is more than one thing (see
    workbench.stages); the run's budget is divided among them.
    """

    name: str
    title: str
    family: str
    options: type[Options]
    apply: Callable[[nn.Module, Any, Context], nn.Module]
    learning_rate: float
    card: str
    paper: str
    tasks: tuple[str, ...] = ("classification", "generation", "language_modelling", "preference")
    needs: str = ""
    mergeable: bool = False
    stackable: bool = True
    peft_type: str | None = None
    claims: tuple[str, ...] = ()
    optimizer: Callable[[nn.Module, Any, float, float], Any] | None = None
    objective: Callable[[nn.Module, Any, Any, Any], Any] | None = None
    make_rows: Callable[..., list[dict[str, Any]]] | None = None
    reads_answers: bool = False
    before_and_after: Callable[..., dict[str, float]] | None = None
    prepare_model: Callable[[nn.Module, Any, Context], nn.Module] | None = None
    after_training: Callable[[nn.Module, Any, Context], nn.Module] | None = None
    notes: Callable[[nn.Module, Any], tuple[str, ...]] | None = None
    stages: Callable[[Any, Context], tuple[Stage, ...]] | None = None
    refuses: Callable[[Any, Context], str] | None = None
    rate_by_width: bool = True

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(
                f"method {self.name}: family is one of {', '.join(FAMILIES)}, not {self.family!r}"
            )
        card_parts(self.card)

    def put_on(self, model: nn.Module, options: Any, context: Context) -> nn.Module:
        """The method on a base as it was loaded."""
        if self.prepare_model is not None:
            model = self.prepare_model(model, options, context)
        return self.apply(model, options, context)

    def refusal(self, options: Any, context: Context) -> str:
        """Why these data don't serve; empty where they do."""
        return self.refuses(options, context) if self.refuses is not None else ""

    @property
    def sentence(self) -> str:
        """One sentence for the tick box."""
        return card_parts(self.card).summary


def card_parts(card: str) -> Card:
    """Read a method's docstring: a summary, then `**Use it** ...`, `**Costs** ...`, `**Watch** ...`."""
    text = inspect.cleandoc(card)
    summary, *rest = re.split(r"\n\s*\n", text, maxsplit=1)
    found = dict(
        re.findall(r"\*\*(Use it|Costs|Watch)\*\*\s*(.+?)(?=\n\*\*|\Z)", rest[0] if rest else "", re.S)
    )
    missing = [part for part in ("Use it", "Costs", "Watch") if not found.get(part)]
    if not summary or missing:
        raise ValueError(
            f"a method card has a summary and **Use it**, **Costs**, **Watch**; missing: {', '.join(missing)}"
        )
    flat = {k: " ".join(v.split()) for k, v in found.items()}
    return Card(" ".join(summary.split()), flat["Use it"], flat["Costs"], flat["Watch"])
