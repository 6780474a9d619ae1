"""What searches found: the record, and the plot."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from workbench import registry
from workbench.home import shipped
from workbench.rate_record import record, svg
from workbench.rate_rule import same_rate


def test_a_setting_without_a_search_is_refused(store):
    with pytest.raises(ValueError, match="searched its learning rate"):
        record(store, ["0" * 16])


@pytest.fixture
def found():
    path = shipped("assets") / "learning_rates" / "found.json"
    if not path.exists():
        pytest.skip("no search is recorded yet")
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_defaults_are_those_that_the_recorded_search_found(found):
    off = {
        name: (registry.method(name).learning_rate, one["found"])
        for name, one in found["methods"].items()
        if not same_rate(registry.method(name).learning_rate, one["found"])
    }
    assert off == {}
    assert len(found["methods"]) >= 50
    assert set(found["tasks"]) == {"classification", "generation"}


def test_the_plot_has_a_row_for_each_method(found):
    drawn = ElementTree.fromstring(svg(found))
    words = [node.text for node in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {registry.method(name).title for name in found["methods"]} <= set(words)
    assert svg(found) == (shipped("assets") / "learning_rates" / "found.svg").read_text(encoding="utf-8")
