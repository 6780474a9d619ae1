"""Chains in presets: each hop is checked as a preset of its own, and what it goes on from must be there."""

import pytest
import yaml

from tests.chains import chain_preset, hop
from workbench import presets
from workbench.presets import from_values, to_yaml
from workbench.spec import Budget


def test_hops_go_on_from_the_one_before_and_share_what_stands_beside_the_chain():
    found = chain_preset(hop("A", ["full", "lora"]), hop("B", batch_size=4), hop("C", **{"from": "start"}))
    assert [(one.after, one.base, one.also_test) for one in found.chain] == [
        (None, "best", ()),
        (0, "best", (0,)),
        (None, "best", ()),
    ]
    assert [one.preset.setting["batch_size"] for one in found.chain] == [8, 4, 8]
    assert found.chain[2].preset.setting["budget"] == Budget("steps", 4)
    assert found.runs == 4
    assert (found.title, found.data["source"]) == ("A chain", "reviews")


def test_a_hop_may_go_on_from_any_earlier_one_and_ask_others():
    found = chain_preset(
        hop("A", ["full", "lora"]),
        hop("B", ["full", "lora"], **{"from": "each"}),
        hop("C", **{"from": {"hop": "A", "run": "lora"}, "also_test": ["B"]}),
        hop("D", **{"from": {"hop": "B"}, "also_test": "all"}),
        hop("E", also_test="none"),
    )
    assert [(one.after, one.base, one.also_test) for one in found.chain[1:]] == [
        (0, "each", (0,)),
        (0, "lora", (1,)),
        (1, "best", (0, 1, 2, 4)),
        (3, "best", ()),
    ]


def test_a_chain_survives_being_saved():
    found = chain_preset(
        hop("A", ["full", "lora"]), hop("B", ["lora", "lora"], **{"from": "each"}), seeds=[0, 3]
    )
    assert from_values(yaml.safe_load(to_yaml(found)), name="chain") == found


def test_changes_are_about_all_hops_or_about_one():
    found = presets.override(
        chain_preset(hop("A"), hop("B")),
        {"budget.steps": "9", "2.batch_size": "2", "data.train_rows": "40", "seeds": "[1, 2]"},
    )
    assert [one.preset.setting["budget"].amount for one in found.chain] == [9, 9]
    assert [one.preset.setting["batch_size"] for one in found.chain] == [8, 2]
    assert [one.preset.data["train_rows"] for one in found.chain] == [40, 40]
    assert found.seeds == (1, 2)
    assert [one.also_test for one in found.chain] == [(), (0,)]


@pytest.mark.parametrize(
    ("hops", "more", "sentence"),
    [
        ([hop("A")], {}, "chain is a list of 2 to 12 hops"),
        ([hop("A"), "B"], {}, "chain: hop 2 is a mapping"),
        ([hop("A"), hop("A")], {}, "two hops are called 'A'"),
        ([hop("A"), hop("B", ["prefx"])], {}, "chain: hop 2: unknown method(s) prefx (did you mean prefix?)"),
        ([hop("A"), hop("B", model="x/y")], {}, "hop 2: model is said once, beside chain"),
        ([hop("A"), hop("B", **{"from": "lora"})], {}, "start, best, each, or a method of that hop (full), not 'lora'"),
        ([hop("A"), hop("B", ["full", "lora"], **{"from": "each"})], {}, "as many methods as the hop before has: 1, not 2"),
        ([hop("A"), hop("B", **{"from": {"hop": "C"}})], {}, "names an earlier hop (A)"),
        ([hop("A", **{"from": "best"}), hop("B")], {}, "the first hop begins with the model"),
        ([hop("A"), hop("B", also_test=["C"])], {}, "also_test is earlier, all, none or a list of hops (A, B)"),
        ([hop("A"), {**hop("B"), "data": {"source": "reviews", "subsets": [10, 20]}}], {}, "a learning curve"),
        ([hop("A"), hop("B")], {"model": ""}, "a chain needs model"),
        ([hop("A"), hop("B")], {"bathc_size": 3}, "unknown key(s) bathc_size (did you mean batch_size?)"),
        ([hop("A"), {**hop("B"), "methods": "all"}], {}, "methods is a list here"),
    ],
)  # fmt: skip
def test_what_can_not_be_a_chain_is_said_by_hop(hops, more, sentence):
    with pytest.raises(ValueError) as caught:
        chain_preset(*hops, **more)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("name", ["multi-task", "chain"])
def test_the_shipped_chains_have_several_hops(name):
    found = presets.load(name)
    assert len(found.chain) >= 3
    assert any(one.after is not None for one in found.chain)
