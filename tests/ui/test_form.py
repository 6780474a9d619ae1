"""Forms are drawn from options classes: every option of every method can be drawn, and comes back as it went in."""

import gradio as gr
import pytest

from workbench import registry
from workbench.options import Options, option
from workbench.ui import form

METHODS = list(registry.methods().values())


def held(component):
    """What the browser would send for a component nobody touched."""
    return component.value


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_option_is_drawn_once_and_comes_back_as_its_default(method):
    with gr.Blocks():
        drawn = form.draw_form(method, {}, None)
    names = list(dict.fromkeys(name for name, _ in drawn))
    assert names == [*(fact.name for fact in form.asked_of(method.options)), "learning_rate"]
    options, rate = form.read_form(method, [held(component) for _, component in drawn])
    assert method.options.from_dict(options) == method.options()
    assert rate == method.learning_rate


def test_there_are_methods_to_draw():
    assert len(METHODS) >= 11


def sample():
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Sample(Options):
        switch: bool = option(True, "A switch.")
        rank: int = option(8, "A rank.", min=1, max=1024)
        share: float = option(0.1, "A share.", min=0, max=0.9)
        free: float = option(1.0, "Any number.")
        kind: str = option("a", "One of two.", choices=("a", "b"))
        limit: int | None = option(None, "May be empty.", min=1, max=9)
        names: tuple[str, ...] = option((), "Names.")
        word: str = option("x", "A word.")
        layout: str = option("plain", "A name or a text.", names=("plain", "chat"))
        found: str = option("", "Filled in.", derived=True)

    return Sample


def facts():
    return {fact.name: fact for fact in sample().facts() if not fact.names and not fact.derived}


def test_each_kind_of_option_gets_its_component():
    kinds = {name: form.component_kind(fact) for name, fact in facts().items()}
    assert kinds == {
        "switch": "checkbox", "rank": "slider", "share": "slider", "free": "number", "kind": "dropdown",
        "limit": "number", "names": "list", "word": "text",
    }  # fmt: skip


def test_the_help_of_an_option_stands_in_its_component_and_nowhere_else():
    with gr.Blocks():
        for fact in facts().values():
            drawn = form.draw_option(fact, fact.default)
            shown = getattr(drawn, "info", None) or drawn.html_template
            assert fact.help in shown


def test_wide_ranges_get_a_slider_that_grows():
    scales = {name: form.scale_of(facts()[name]) for name in ("rank", "share")}
    assert scales["rank"] == {"low": 1, "high": 1024, "step": 1, "log": True}
    assert not scales["share"]["log"]


@pytest.mark.parametrize("layout", ["plain", "chat", "Q: {prompt}\nA: "])
def test_a_name_or_a_text_of_ones_own_comes_back_as_it_was_drawn(layout):
    with gr.Blocks():
        drawn, _ = form.draw_options(sample(), {"layout": layout})
    names = [name for name, _ in drawn]
    assert names.count("layout") == 2
    assert "found" not in names
    values = [held(component) for _, component in drawn]
    assert values == form.held_by(sample(), {"layout": layout})
    assert form.read_options(sample(), values)["layout"] == layout


def test_a_text_of_ones_own_that_is_not_written_yet_is_the_default():
    values = form.held_by(sample(), {"layout": "chat"})
    values[values.index("chat")] = form.OWN
    assert form.read_options(sample(), values)["layout"] == "plain"
    assert form.show_own(form.OWN).visible
    assert not form.show_own("chat").visible


@pytest.mark.parametrize("task", registry.tasks().values(), ids=lambda task: task.name)
def test_every_task_can_ask_for_its_options(task):
    with gr.Blocks():
        drawn, _ = form.draw_options(task.options, {})
    given = form.read_options(task.options, [held(component) for _, component in drawn])
    assert task.options.from_dict(given) == task.options()


def test_an_emptied_field_is_the_default_or_none():
    known = facts()
    assert form.read_option(known["rank"], None) == 8
    assert form.read_option(known["limit"], None) is None
    assert form.read_option(known["names"], ["q_proj", " "]) == ["q_proj"]


def test_names_given_by_people_are_escaped_in_the_number_field():
    from dataclasses import replace

    fact = replace(facts()["rank"], help="<script>alert(1)</script>")
    with gr.Blocks():
        assert "<script>" not in form.number_field(fact, 8).html_template
