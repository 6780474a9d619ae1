"""What searches found: the rate that serves all tasks, the record, and the plot."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from workbench import registry
from workbench.home import shipped
from workbench.rate_record import Tried, best_rate, record, same_rate, svg

HIGHER = {"a": "higher", "b": "higher"}


def test_the_rate_that_is_best_on_both_tasks_wins():
    a = (Tried(1e-3, 0.6), Tried(3.16e-3, 0.8), Tried(1e-2, 0.79))
    b = (Tried(1e-3, 0.5), Tried(3.16e-3, 0.2), Tried(1e-2, 0.5))
    assert best_rate({"a": a, "b": b}, HIGHER) == 1e-2


def test_a_score_that_falls_is_better_where_its_metric_says_so():
    tried = (Tried(1e-3, 0.6), Tried(3.16e-3, 0.4))
    assert best_rate({"a": tried}, {"a": "lower"}) == pytest.approx(3.2e-3)


def test_a_diverged_rate_is_never_chosen():
    assert best_rate({"a": (Tried(1e-3, 0.1), Tried(1e-2, None))}, HIGHER) == 1e-3


def test_without_a_common_rate_the_middle_of_both_is_taken():
    assert best_rate({"a": (Tried(1e-4, 0.5),), "b": (Tried(1e-2, 0.5),)}, HIGHER) == 1e-3


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
