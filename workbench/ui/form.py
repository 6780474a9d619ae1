"""A method's options as a form, drawn from its options class alone: nothing about an option is said here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.method import Method
from workbench.options import OptionFact
from workbench.ui.theme import page_file

RATE = OptionFact(
    "learning_rate",
    "float",
    False,
    None,
    "How far each step moves the weights. Each method starts with its own: one rate for all would not be fair.",
    1e-6,
    1.0,
    None,
    None,
    False,
)
_WIDE = 100
"""A range this many times as wide as its lower end gets a slider whose steps grow with the value."""


def draw_form(
    method: Method, options: Mapping[str, Any], learning_rate: float | None, modules: Sequence[str] = ()
) -> list[tuple[str, Any]]:
    """Draw every option inside the current block; returns (name, component) in the order of the class, the learning
    rate last. `modules` are the model's layers that a list of names may choose from."""
    facts = method.options.facts()
    values = method.options.from_dict(options).to_dict()
    plain = [fact for fact in facts if not fact.advanced]
    folded = [fact for fact in facts if fact.advanced]
    drawn = {fact.name: draw_option(fact, values[fact.name], modules) for fact in plain}
    rate = draw_option(RATE, method.learning_rate if learning_rate is None else learning_rate)
    if folded:
        with gr.Accordion("More options", open=False, elem_classes="wb-fold"):
            drawn |= {fact.name: draw_option(fact, values[fact.name], modules) for fact in folded}
    return [*((fact.name, drawn[fact.name]) for fact in facts), (RATE.name, rate)]


def draw_option(fact: OptionFact, value: Any, modules: Sequence[str] = ()) -> Any:
    """The component for one option; `read_option` turns what it holds back into a value."""
    words: dict[str, Any] = {"label": fact.name, "info": fact.help, "elem_classes": "wb-option"}
    kind = component_kind(fact)
    if kind == "checkbox":
        return gr.Checkbox(bool(value), **words)
    if kind == "slider":
        return number_field(fact, value)
    if kind == "number":
        precision = 0 if fact.kind == "int" else None
        return gr.Number(value, precision=precision, minimum=fact.min, maximum=fact.max, **words)
    if kind == "dropdown":
        choices: list[Any] = [(str(choice), choice) for choice in fact.choices or ()]
        if fact.optional:
            choices = [("none", None), *choices]
        return gr.Dropdown(choices, value=value, **words)
    if kind == "list":
        known = [str(choice) for choice in fact.choices or ()] or list(modules)
        known += [name for name in (*_names(fact.default), *(value or ())) if name not in known]
        return gr.Dropdown(
            known, value=list(value or ()), multiselect=True, allow_custom_value=not fact.choices, **words
        )
    return gr.Textbox("" if value is None else value, max_lines=1, max_length=2000, **words)


def component_kind(fact: OptionFact) -> str:
    """checkbox, slider, number, dropdown, list or text."""
    if fact.kind == "bool":
        return "checkbox"
    if fact.kind == "list":
        return "list"
    if fact.choices:
        return "dropdown"
    if fact.kind in ("int", "float"):
        bounded = fact.min is not None and fact.max is not None and not fact.optional
        return "slider" if bounded else "number"
    return "text"


def read_option(fact: OptionFact, given: Any) -> Any:
    """What a component holds as the option's value: an emptied field is the default, or None where that is allowed."""
    if given is None or (given == "" and fact.kind != "str"):
        return None if fact.optional else fact.default
    if fact.kind == "str" and given == "" and fact.optional:
        return None
    if fact.kind == "list":
        return [str(name).strip() for name in given if str(name).strip()]
    return given


def read_form(method: Method, given: Sequence[Any]) -> tuple[dict[str, Any], float | None]:
    """Options and learning rate from what the form's components hold, in the order of `draw_form`."""
    facts = method.options.facts()
    options = {fact.name: read_option(fact, value) for fact, value in zip(facts, given)}
    rate = given[len(facts)]
    return options, None if rate in (None, "") else float(rate)


def number_field(fact: OptionFact, value: Any) -> gr.HTML:
    """Name, number, slider and help as one component; `input` fires once the reader lets go of it."""
    scale = scale_of(fact)
    template = Markup(
        '<div class="wb-number-field"><span hidden data-scale="{scale}"></span><div class="wb-number-head">'
        '<label class="wb-mono" for="n-{name}">{name}</label>'
        '<input type="number" id="n-{name}" aria-describedby="h-{name}" min="{low}" max="{high}" step="{step}"></div>'
        '<input type="range" min="0" max="1000" step="1" aria-label="{name}" tabindex="-1">'
        '<div class="wb-note" id="h-{name}">{help}</div></div>'
    ).format(
        scale=json.dumps(scale),
        name=fact.name,
        low=f"{fact.min:g}",
        high=f"{fact.max:g}",
        step=1 if fact.kind == "int" else "any",
        help=fact.help,
    )
    return gr.HTML(
        value,
        html_template=str(template),
        js_on_load=page_file("number.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_classes="wb-html",
    )


def scale_of(fact: OptionFact) -> dict[str, Any]:
    """The slider's ends and steps; `log` where a straight one would crowd all usual values into its first tenth."""
    assert fact.min is not None
    assert fact.max is not None
    step = 1 if fact.kind == "int" else fact.step
    log = fact.min > 0 and fact.max / fact.min >= _WIDE
    if step is None and not log:
        step = (fact.max - fact.min) / 100
    return {"low": fact.min, "high": fact.max, "step": step, "log": log}


def _names(default: Any) -> tuple[str, ...]:
    return tuple(default or ())
