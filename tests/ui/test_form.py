"""Forms are drawn from options classes: every option of every method can be drawn, and comes back as it went in."""

import json
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import pytest

from workbench import registry
from workbench.options import Options, option
from workbench.ui import form

METHODS = list(registry.methods().values())


class Fields(HTMLParser):
    """What a browser would send for fields nobody touched, by name."""

    def __init__(self, html):
        super().__init__()
        self.values, self.name, self.control, self.owning = {}, None, None, False
        self.feed(str(html))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if "data-control" in given:
            self.name, self.control = given["data-name"], given["data-control"]
            assert self.name not in self.values, f"{self.name} is drawn twice"
            self.values[self.name] = [] if self.control == "list" else None
        kind = given.get("type")
        if tag == "input" and kind == "checkbox" and self.control == "checkbox":
            self.values[self.name] = "checked" in given
        elif tag == "input" and kind == "checkbox" and "checked" in given:
            self.values[self.name].append(given["value"])
        elif tag == "input" and kind == "number":
            self.values[self.name] = json.loads(given["value"]) if given["value"] else None
        elif tag == "input" and kind == "text" and self.control == "text":
            self.values[self.name] = given["value"]
        elif tag == "option" and "selected" in given:
            self.values[self.name] = json.loads(given["value"])
        self.owning = tag == "textarea" and self.values[self.name] == form.OWN

    def handle_data(self, text):
        if self.owning:
            self.values[self.name] = text

    def handle_endtag(self, tag):
        self.owning = False


def read(known, html):
    values = Fields(html).values
    return {name: form.read_field(known, name, value) for name, value in values.items()}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_option_is_drawn_once_and_comes_back_as_its_default(method):
    options = read(method.options, form.method_form(method.name, method, {}, method.learning_rate))
    rate = options.pop("learning_rate")
    assert set(options) == {fact.name for fact in form.asked_of(method.options)}
    assert method.options.from_dict(options) == method.options()
    assert rate == method.learning_rate


def test_there_are_methods_to_draw():
    assert len(METHODS) >= 11


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
    rare: float = option(0.5, "Seldom set.", advanced=True)
    found: str = option("", "Filled in.", derived=True)


FACTS = {fact.name: fact for fact in form.asked_of(Sample)}


def test_each_kind_of_option_gets_its_control():
    assert {name: form.control_of(fact) for name, fact in FACTS.items()} == {
        "switch": "checkbox", "rank": "slider", "share": "slider", "free": "number", "kind": "dropdown",
        "limit": "number", "names": "list", "word": "text", "layout": "names", "rare": "number",
    }  # fmt: skip


def test_what_was_chosen_comes_back_as_it_was_drawn():
    chosen = {"switch": False, "rank": 64, "share": 0.35, "free": 2e-5, "kind": "b", "limit": 4,
              "names": ["q_proj", "my layer"], "word": 'a "quoted" <word>', "layout": "Q: {prompt}\nA: ", "rare": 0.0}  # fmt: skip
    assert read(Sample, form.form_html("k", Sample, chosen)) == chosen


def test_the_help_of_an_option_stands_with_it_once_and_rare_ones_are_folded():
    html = str(form.form_html("k", Sample, {}))
    for fact in FACTS.values():
        assert html.count(fact.help) == 1
    assert html.index("<details") < html.index("Seldom set.")
    assert html.index("A word.") < html.index("<details")
    assert "found" not in html


def test_wide_ranges_get_a_slider_that_grows():
    assert form.scale_of(FACTS["rank"]) == {"low": 1, "high": 1024, "step": 1, "log": True}
    assert not form.scale_of(FACTS["share"])["log"]


def test_a_small_rate_is_written_as_people_write_it():
    html = str(form.form_html("k", Sample, {"free": 0.00003}))
    assert 'value="0.00003"' in html
    assert "e-05" not in html


@pytest.mark.parametrize("task", registry.tasks().values(), ids=lambda task: task.name)
def test_every_task_can_ask_for_its_options(task):
    assert task.options.from_dict(read(task.options, form.form_html("t", task.options, {}))) == task.options()


def test_an_emptied_field_is_the_default_or_none():
    assert form.read_option(FACTS["rank"], None) == 8
    assert form.read_option(FACTS["limit"], None) is None
    assert form.read_option(FACTS["layout"], form.OWN) == "plain"
    assert form.read_option(FACTS["names"], ["q_proj", " "]) == ["q_proj"]


def test_a_field_that_no_form_has_is_refused():
    with pytest.raises(ValueError, match="no field 'found'"):
        form.fact_of(Sample, "found")


def test_words_given_by_people_stay_text():
    html = str(
        form.form_html("k", Sample, {"word": '"><script>', "names": ["<b>"], "layout": "</textarea><i>"})
    )
    fact = replace(FACTS["rank"], help="<script>alert(1)</script>")
    html += str(form.form_html("<k>", Sample, {}, between=(fact, 8)))
    for raw in ("<script>", "<b>", "<i>", "<k>"):
        assert raw not in html
