"""What is the same for every run, as a form: one sentence for each field, limits and defaults from Setting itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from workbench.optimizers import FACTS, refusal
from workbench.spec import BUDGET_KINDS, OPTIMIZERS, PRECISIONS, SCHEDULES, Budget
from workbench.ui.plan import MOST_SEEDS, Plan, budget_of, change_seeds, change_setting, setting_value


@dataclass(frozen=True)
class Field:
    """`kind` is whole, number or choice; `optional` admits an empty field."""

    name: str
    title: str
    help: str
    kind: str = "number"
    choices: tuple[str, ...] = ()
    optional: bool = False


FIRST = (Field("batch_size", "Batch size", "Rows per step.", "whole"),)
FOLDED = (
    Field("max_length", "Longest input", "Tokens of a row that are read; the rest is cut.", "whole"),
    Field("evaluations", "Evaluations", "How often a run is scored on the validation part; the best moment is kept.", "whole"),
    Field(
        "early_stopping", "Early stopping", "Stop after this many evaluations without a gain. Empty: never.", "whole", (), True
    ),
    Field(
        "search_trials", "Learning-rate trials", "Each run first tries so many learning rates for the whole budget and takes the"
        " best by validation, the same number for every method. Empty: each method takes its own default.", "whole", (), True
    ),
    Field(
        "forgetting_texts", "General texts", "Read so many ordinary texts before and after training, to see what the model has"
        " forgotten of them. Empty: none, which is quicker.", "whole", (), True
    ),
    Field("precision", "Precision", "Bits per number. Auto takes bfloat16 where the processor has it.", "choice", PRECISIONS),
    Field("schedule", "Schedule", "How the learning rate falls after the warm-up.", "choice", SCHEDULES),
    Field("warmup_share", "Warm-up share", "Part of the steps in which the learning rate rises from zero."),
    Field("weight_decay", "Weight decay", "Pulls trained weights towards zero at each step."),
    Field("optimizer", "Optimiser", "The rule that turns gradients into steps. AdamW is the usual choice; Lion, Adafactor, 8-bit"
        " and GaLore need less memory, and Lion a learning rate three to ten times lower.", "choice", OPTIMIZERS),
    Field("label_smoothing", "Label smoothing", "How much of the target is spread over the other labels."),
    Field("gradient_accumulation", "Gradient accumulation", "Batches gathered before each step.", "whole"),
    Field("gradient_clip", "Gradient clip", "Longest step direction allowed; 0 switches it off."),
)  # fmt: skip
FIELDS = (*FIRST, *FOLDED)
CAPS = (
    Field("cap_memory", "Most memory, MiB", "A run whose training takes more at its peak fails and says so. Empty: no limit.", "number", (), True),
    Field("cap_weights", "Most trained weights", "A method that trains more fails and says so; the head counts. Empty: no limit.", "whole", (), True),
)  # fmt: skip
ORDER = ("budget_kind", "budget_amount", "seeds", *(field.name for field in (*FIELDS, *CAPS)))
MIB = 2**20


def draw_setting(plan: Plan) -> dict[str, Any]:
    """Draw the form inside the current block; returns the components by name, in ORDER."""
    at: dict[str, Any] = {}
    budget = budget_of(plan)
    with gr.Row(elem_classes="wb-pair"):
        at["budget_kind"] = gr.Dropdown(
            list(BUDGET_KINDS), value=budget.kind, label="Budget in", min_width=80
        )
        at["budget_amount"] = gr.Number(budget.amount, label="Amount", minimum=0, min_width=80)
    gr.HTML(
        '<p class="wb-note">The same for every method. An epoch is one pass over all training rows, a step is one batch.</p>',
        apply_default_css=False,
        elem_classes="wb-html",
    )
    with gr.Row(elem_classes="wb-pair"):
        at["seeds"] = gr.Number(
            len(plan["seeds"]), label="Seeds", precision=0, minimum=1, maximum=MOST_SEEDS, min_width=80
        )
        for field in FIRST:
            at[field.name] = _draw(field, setting_value(plan, field.name), help=False)
    gr.HTML(
        '<p class="wb-note">Each seed trains every method once more, from other random numbers: three or more give error'
        " bars. The batch is the number of rows per step.</p>",
        apply_default_css=False,
        elem_classes="wb-html",
    )
    with gr.Accordion("More settings", open=False, elem_classes="wb-fold"):
        for field in FOLDED:
            at[field.name] = _draw(field, setting_value(plan, field.name))
        for field, value in zip(CAPS, _caps_of(budget)):
            at[field.name] = _draw(field, value)
    return {name: at[name] for name in ORDER}


def _draw(field: Field, value: Any, help: bool = True) -> Any:
    words: dict[str, Any] = {"label": field.title, "min_width": 80}
    if help:
        words["info"] = field.help
    if field.optional:
        words["placeholder"] = "none"  # without one an empty field shows a 0
    if field.name == "optimizer":
        return gr.Dropdown(_optimizers(), value=value, **words)
    if field.kind == "choice":
        return gr.Dropdown(list(field.choices), value=value, **words)
    return gr.Number(value, precision=0 if field.kind == "whole" else None, **words)


def _optimizers() -> list[tuple[str, str]]:
    """By title, those that can't be used here last and marked so; a setting that names one is refused with the reason."""
    known = [(fact.title, fact.name, refusal(fact.name, device=None)) for fact in FACTS]
    usable = [(title, name) for title, name, reason in known if reason is None]
    missing = [(f"{title} (not installed)", name) for title, name, reason in known if reason is not None]
    return [*usable, *missing]


def values_of(plan: Plan) -> list[Any]:
    """What the form shows for a plan, in ORDER."""
    budget = budget_of(plan)
    rest = [setting_value(plan, field.name) for field in FIELDS]
    return [budget.kind, budget.amount, len(plan["seeds"]), *rest, *_caps_of(budget)]


def _caps_of(budget: Budget) -> tuple[float | None, int | None]:
    memory = budget.peak_memory_bytes
    return (None if memory is None else round(memory / MIB, 1)), budget.trainable_parameters


def with_field(plan: Plan, name: str, value: Any) -> Plan:
    """The plan with what stands in one field. A field that is being typed, so empty, keeps what the plan says, or means none
    where it may be empty: some browsers send 0 for that."""
    field = next((one for one in (*FIELDS, *CAPS) if one.name == name), None)
    if field is not None and field.optional:
        value = value or None
    elif value is None:
        return plan
    if field is not None and field.kind == "whole" and value is not None:
        value = int(value)
    if name == "seeds":
        return plan if value == len(plan["seeds"]) else change_seeds(plan, value)
    if name in _OF_BUDGET:
        budget = replace(budget_of(plan), **_OF_BUDGET[name](value))
        return plan if budget == budget_of(plan) else change_setting(plan, "budget", budget)
    return plan if value == setting_value(plan, name) else change_setting(plan, name, value)


_OF_BUDGET: dict[str, Callable[[Any], dict[str, Any]]] = {
    "budget_kind": lambda value: {"kind": value},
    "budget_amount": lambda value: {"amount": value},
    "cap_memory": lambda value: {"peak_memory_bytes": value and round(value * MIB)},
    "cap_weights": lambda value: {"trainable_parameters": value},
}


def differing(plan: Plan, shown: Sequence[Any]) -> dict[str, Any]:
    """What the form is to show by field, where `shown`, in ORDER, is something else. What the page has already is not sent
    again: it would undo what a reader sets while it is under way."""
    pairs = zip(ORDER, values_of(plan), shown)
    return {name: value for name, value, on_page in pairs if value != on_page}
