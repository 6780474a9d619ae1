"""The options of a method or a task as a form, drawn from the options class alone: nothing about an option is said here.

One component holds a whole form, and tells each field that a reader has set: what is redrawn meanwhile loses none of it.
"""

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


def option_form() -> gr.HTML:
    """The component, empty until `redraw`. Its event `fill` fires once for each field that a reader sets: a `gr.EventData`
    parameter has `key` (of `form_html`), `name` and `value` (for `read_option`)."""
    return gr.HTML(
        "",
        js_on_load=page_file("form.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_classes="wb-html",
        layers=[],
    )


def redraw(form: Markup) -> dict[str, Any]:
    """What a handler returns for an `option_form`. A field whose value is the one drawn before keeps what it holds now."""
    return gr.update(value=str(form))


def redraw_layers(names: Sequence[str]) -> dict[str, Any]:
    """The same for the names of the model's layers, which every list of any names offers; they may come later."""
    return gr.update(layers=list(names))


def method_form(key: str, method: Method, options: Mapping[str, Any], rate: float) -> Markup:
    """Every option of a choice, its learning rate before the rare ones."""
    return form_html(key, method.options, options, between=(RATE, rate))


def form_html(
    key: str,
    known: type[Options],
    values: Mapping[str, Any],
    *,
    between: tuple[OptionFact, Any] | None = None,
) -> Markup:
    """What is asked of an options class, the rare ones folded, with one more field before the fold."""
    given = known.from_dict(values).to_dict()
    fields = [(fact, _field(key, fact, given[fact.name])) for fact in asked_of(known)]
    body = [field for fact, field in fields if not fact.advanced]
    if between:
        body.append(_field(key, *between))
    rare = [field for fact, field in fields if fact.advanced]
    if rare:
        body.append(
            Markup(
                '<details class="wb-more-options"><summary>More options</summary><div class="wb-fields">{}</div></details>'
            ).format(Markup("").join(rare))
        )
    return Markup('<div class="wb-fields" data-form="{}">{}</div>').format(key, Markup("").join(body))


def asked_of(known: type[Options]) -> tuple[OptionFact, ...]:
    """The options that a form asks for."""
    return tuple(fact for fact in known.facts() if not fact.derived)


def control_of(fact: OptionFact) -> str:
    """names, checkbox, slider, number, dropdown, list or text."""
    if fact.names:
        return "names"
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


def fact_of(known: type[Options], name: str) -> OptionFact:
    """The option of that name, the learning rate among them; ValueError where a form asks for no such thing."""
    for fact in (*asked_of(known), RATE):
        if fact.name == name:
            return fact
    raise ValueError(
        f"This form has no field {name!r:.60}: {', '.join(fact.name for fact in asked_of(known))}."
    )


def read_field(known: type[Options], name: str, given: Any) -> Any:
    """What the field of that name holds as its value; ValueError where a form asks for no such thing."""
    return read_option(fact_of(known, name), given)


def read_option(fact: OptionFact, given: Any) -> Any:
    """What a field holds as the option's value: an emptied one is the default, or None where that is allowed."""
    if given is None or (given == "" and (fact.kind != "str" or fact.names)):
        return None if fact.optional else fact.default
    if fact.kind == "str" and given == "" and fact.optional:
        return None
    if fact.kind == "list":
        return [str(name).strip() for name in given if str(name).strip()]
    return given


def scale_of(fact: OptionFact) -> dict[str, Any]:
    """The slider's ends and steps; `log` where a straight one would crowd all usual values into its first tenth."""
    assert fact.min is not None
    assert fact.max is not None
    step = 1 if fact.kind == "int" else fact.step
    log = fact.min > 0 and fact.max / fact.min >= _WIDE
    if step is None and not log:
        step = (fact.max - fact.min) / 100
    return {"low": fact.min, "high": fact.max, "step": step, "log": log}


def _field(key: str, fact: OptionFact, value: Any) -> Markup:
    control = control_of(fact)
    name = Markup('id="{key}--{name}" name="{name}" aria-describedby="{key}--{name}-help"').format(
        key=key, name=fact.name
    )
    draw = {
        "checkbox": _checkbox,
        "slider": _slider,
        "number": _number,
        "dropdown": _dropdown,
        "names": _names,
        "list": _list,
        "text": _text,
    }
    title = (
        Markup('<span class="wb-field-name" id="{0}--{1}-name">{1}</span>').format(key, fact.name)
        if control == "list"
        else Markup('<label class="wb-field-name" for="{0}--{1}">{1}</label>').format(key, fact.name)
    )
    return Markup(
        '<div class="wb-field wb-field-{control}" data-name="{name}" data-control="{control}"{group}>{title}{inner}'
        '<div class="wb-note" id="{key}--{name}-help">{help}</div></div>'
    ).format(
        control=control,
        name=fact.name,
        group=Markup(' role="group" aria-labelledby="{0}--{1}-name"').format(key, fact.name)
        if control == "list"
        else "",
        title=title,
        inner=draw[control](fact, value, name),
        key=key,
        help=fact.help,
    )


def _checkbox(fact: OptionFact, value: Any, name: Markup) -> Markup:
    return Markup('<input type="checkbox" {}{}>').format(name, Markup(" checked") if value else "")


def _number(fact: OptionFact, value: Any, name: Markup) -> Markup:
    ends = Markup("").join(
        Markup(' {}="{:g}"').format(end, limit)
        for end, limit in (("min", fact.min), ("max", fact.max))
        if limit is not None
    )
    return Markup('<input type="number" {}{} step="{}" value="{}"{}>').format(
        name,
        ends,
        1 if fact.kind == "int" else "any",
        "" if value is None else _plain(value),
        Markup(' placeholder="none"') if fact.optional else "",
    )


def _slider(fact: OptionFact, value: Any, name: Markup) -> Markup:
    return Markup(
        '{}<input type="range" min="0" max="1000" step="1" aria-label="{}" tabindex="-1" data-scale="{}">'
    ).format(_number(fact, value, name), fact.name, json.dumps(scale_of(fact)))


def _dropdown(fact: OptionFact, value: Any, name: Markup) -> Markup:
    choices: list[tuple[str, Any]] = [(str(choice), choice) for choice in fact.choices or ()]
    if fact.optional:
        choices = [("none", None), *choices]
    return _select(choices, value, name)


def _names(fact: OptionFact, value: Any, name: Markup) -> Markup:
    own = value not in fact.names
    select = _select(
        [*((one, one) for one in fact.names), ("a text of my own", OWN)], OWN if own else value, name
    )
    return Markup(
        '{}<textarea class="wb-own-text" rows="2" maxlength="4000" aria-label="{}: your own text"{}>{}</textarea>'
    ).format(select, fact.name, "" if own else Markup(" hidden"), value if own else "")


def _select(choices: Sequence[tuple[str, Any]], value: Any, name: Markup) -> Markup:
    return Markup("<select {}>{}</select>").format(
        name,
        Markup("").join(
            Markup('<option value="{}"{}>{}</option>').format(
                json.dumps(choice), Markup(" selected") if choice == value else "", title
            )
            for title, choice in choices
        ),
    )


def _list(fact: OptionFact, value: Any, name: Markup) -> Markup:
    ticked = [str(one) for one in value or ()]
    known = dict.fromkeys([*(str(choice) for choice in fact.choices or ()), *(fact.default or ()), *ticked])
    chips = Markup("").join(
        Markup(
            '<label class="wb-name-chip"><input type="checkbox" value="{0}"{1}><span>{0}</span></label>'
        ).format(one, Markup(" checked") if one in ticked else "")
        for one in known
    )
    more = Markup("")
    if not fact.choices:
        more = Markup(
            '<input type="text" {} maxlength="200" placeholder="another name" aria-label="{}: another name">'
        ).format(name, fact.name)
    return Markup('<div class="wb-name-chips" translate="no">{}</div>{}').format(chips, more)


def _text(fact: OptionFact, value: Any, name: Markup) -> Markup:
    return Markup('<input type="text" {} maxlength="2000" value="{}">').format(
        name, "" if value is None else value
    )


def _plain(value: float) -> str:
    """A number as a person writes it: 0.0003, not 3e-04."""
    return f"{value:.10f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
