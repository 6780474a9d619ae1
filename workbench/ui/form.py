"""The options of a method or a task as a form, drawn from the options class alone: nothing about an option is said here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.method import Method
from workbench.options import OptionFact, Options
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
OWN = ""
"""Chosen in place of a name: the reader writes a text."""
_WIDE = 100
"""A range this many times as wide as its lower end gets a slider whose steps grow with the value."""


def draw_form(
    method: Method, options: Mapping[str, Any], learning_rate: float | None, modules: Sequence[str] = ()
) -> list[tuple[str, Any]]:
    """Draw every option inside the current block; returns (name, component) in the order of the class, the learning
    rate last. `modules` are the model's layers that a list of names may choose from."""
    rate = method.learning_rate if learning_rate is None else learning_rate
    drawn, more = draw_options(method.options, options, modules, between=(RATE, rate))
    return [*drawn, (RATE.name, more)]


def draw_options(
    known: type[Options],
    values: Mapping[str, Any],
    modules: Sequence[str] = (),
    *,
    between: tuple[OptionFact, Any] | None = None,
) -> tuple[list[tuple[str, Any]], Any]:
    """Draw what is asked of an options class, the rare ones folded; returns (name, component) in the order of the class.
    `between` is one more field before the fold, returned apart. An option with names has a second component for a text
    of the reader's own."""
    facts = asked_of(known)
    given = known.from_dict(values).to_dict()
    drawn: dict[str, list[Any]] = {}
    for fact in facts:
        if not fact.advanced:
            drawn[fact.name] = _draw(fact, given[fact.name], modules)
    more = draw_option(*between) if between else None
    folded = [fact for fact in facts if fact.advanced]
    if folded:
        with gr.Accordion("More options", open=False, elem_classes="wb-fold"):
            drawn |= {fact.name: _draw(fact, given[fact.name], modules) for fact in folded}
    return [(fact.name, component) for fact in facts for component in drawn[fact.name]], more


def asked_of(known: type[Options]) -> tuple[OptionFact, ...]:
    """The options that a form asks for."""
    return tuple(fact for fact in known.facts() if not fact.derived)


def _draw(fact: OptionFact, value: Any, modules: Sequence[str]) -> list[Any]:
    if not fact.names:
        return [draw_option(fact, value, modules)]
    name, own = named_and_own(fact, value)
    choices = [*((one, one) for one in fact.names), ("a text of my own", OWN)]
    names = gr.Dropdown(choices, value=name, label=fact.name, info=fact.help, elem_classes="wb-option")
    text = gr.Textbox(
        own, label=f"{fact.name}: your own text", lines=2, max_lines=10, max_length=4000, visible=name == OWN, elem_classes="wb-own-text"
    )  # fmt: skip
    names.change(show_own, names, text, queue=False, show_progress="hidden", api_visibility="private")
    return [names, text]


def show_own(name: str) -> Any:
    """The field for a text of one's own, where that is chosen."""
    return gr.Textbox(visible=name == OWN)


def named_and_own(fact: OptionFact, value: Any) -> tuple[str, str]:
    """What the two components of an option with names hold."""
    return (value, "") if value in fact.names else (OWN, str(value))


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
    *options, rate = given
    return read_options(method.options, options), None if rate in (None, "") else float(rate)


def read_options(known: type[Options], given: Sequence[Any]) -> dict[str, Any]:
    """Options from what the components of `draw_options` hold. A text of one's own that is still empty is the default."""
    held = iter(given)
    options: dict[str, Any] = {}
    for fact in asked_of(known):
        value = next(held)
        if fact.names:
            own = next(held)
            value = (own or fact.default) if value == OWN else value
        options[fact.name] = read_option(fact, value)
    return options


def held_by(known: type[Options], values: Mapping[str, Any]) -> list[Any]:
    """What the components of `draw_options` hold for these values, in their order."""
    given = known.from_dict(values).to_dict()
    held: list[Any] = []
    for fact in asked_of(known):
        held += named_and_own(fact, given[fact.name]) if fact.names else [given[fact.name]]
    return held


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
