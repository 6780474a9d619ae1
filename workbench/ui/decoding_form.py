"""How answers are drawn on Inference: the decoding options of a generation setting, each with its own sentence, and the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import registry, templates
from workbench.options import OptionFact
from workbench.spec import Setting
from workbench.tasks.generation import DECODING, GenerationOptions
from workbench.ui.controls import html_block, segmented
from workbench.ui.shown import writes_text

SAMPLING = ("temperature", "top_p", "top_k", "decoding_seed")
ORDER = ("do_sample", "max_new_tokens", *SAMPLING)
"""As the form's parts stand and as handlers get their values; `part(name)` is a part's name among those of the tab."""
_FACTS = {fact.name: fact for fact in GenerationOptions.facts() if fact.name in DECODING}
WAYS = "Greedy takes the likeliest token each time; sampled draws each one by its probability."
_WAYS = (("Greedy", False), ("Sampled", True))


def part(name: str) -> str:
    return f"decoding_{name}"


PARTS = ("decoding", *(part(name) for name in ORDER), "decoding_sampling", "decoding_template")


def draw(p: dict[str, Any]) -> None:
    """Add the form, folded, to the parts of the tab; hidden until a setting that writes text is on show."""
    with gr.Accordion(
        "How answers are drawn", open=False, visible=False, elem_classes="wb-fold wb-decoding"
    ) as p["decoding"]:
        with gr.Row(elem_classes="wb-decoding-row"):
            with gr.Column(elem_classes="wb-decoding-way"):
                p[part("do_sample")] = segmented(_WAYS, False, label="Decoding")
                html_block(f'<p class="wb-note">{WAYS}</p>')
            p[part("max_new_tokens")] = _number(_FACTS["max_new_tokens"])
        with gr.Row(visible=False, elem_classes="wb-decoding-row") as p["decoding_sampling"]:
            for name in SAMPLING:
                p[part(name)] = _number(_FACTS[name])
        p["decoding_template"] = html_block("")
    p[part("do_sample")].change(_show_sampling, p[part("do_sample")], p["decoding_sampling"], show_progress="hidden",
                                concurrency_limit=None, api_visibility="private")  # fmt: skip


def components(p: Mapping[str, Any]) -> list[Any]:
    return [p[part(name)] for name in ORDER]


def updates(setting: Setting) -> dict[str, Any]:
    """The setting's own decoding in the form; hidden where no text is written."""
    if not writes_text(setting):
        return {"decoding": gr.update(visible=False)}
    values = _own(setting)
    new: dict[str, Any] = {part(name): gr.update(value=values[name]) for name in ORDER if name in values}
    return new | {
        "decoding": gr.update(visible=True),
        "decoding_sampling": gr.update(visible=bool(values.get("do_sample"))),
        "decoding_template": str(_template(values["template"])) if "template" in values else "",
    }


def changed(setting: Setting, given: Sequence[Any]) -> dict[str, Any]:
    """The options that differ from the setting's; an emptied field is as the setting has it. ValueError names a bad one."""
    if not writes_text(setting):
        return {}
    own = _own(setting)
    wanted = {
        name: value
        for name, value in zip(ORDER, given)
        if name in own and value is not None and value != own[name]
    }
    registry.task(setting.task).options.from_dict({**own, **wanted})
    return wanted


def _own(setting: Setting) -> dict[str, Any]:
    return registry.task(setting.task).options.from_dict(setting.task_options).to_dict()


def _number(fact: OptionFact) -> gr.Number:
    return gr.Number(
        fact.default, label=fact.name, info=fact.help, precision=0 if fact.kind == "int" else None,
        minimum=fact.min, maximum=fact.max, min_width=170, elem_classes="wb-option",
    )  # fmt: skip


def _show_sampling(sampled: bool) -> Any:
    return gr.update(visible=bool(sampled))


def _template(name: str) -> Markup:
    if name == templates.CHAT:
        words = Markup("the model's own chat template")
    else:
        words = Markup('<code class="wb-template">{}</code>').format(
            templates.text_of(name).replace("\n", "⏎\n").rstrip("\n")
        )
    title = name if name in templates.NAMES else "a text of its own"
    return Markup(
        '<div class="wb-decoding-template"><span class="wb-note">Template <b>{}</b>: the prompt is laid out as below, as it'
        " was in training, and the answer follows.</span>{}</div>"
    ).format(title, words)
