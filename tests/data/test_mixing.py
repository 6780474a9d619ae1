"""Mixing: proportions in every part, labels united, sources named, and no row of one's test part in another's training part."""

import pytest

from workbench.data.faults import DataError
from workbench.data.mixing import MixEntry, check_mix, mixed


def parts(name, train, test=10, labels=("a", "b")):
    def rows(part, count):
        return [{"text": f"{name} {part} {i}", "label": labels[i % len(labels)]} for i in range(count)]

    return {"train": rows("train", train), "validation": rows("validation", test), "test": rows("test", test)}


def counts(rows):
    found = {}
    for row in rows:
        found[row["source"]] = found.get(row["source"], 0) + 1
    return found


def test_shares_are_of_the_mixed_training_part():
    others = [
        (MixEntry("two", share=0.25), parts("two", 100)),
        (MixEntry("three", rows=20), parts("three", 40)),
    ]
    found = mixed(parts("one", 100), "one", others, seed=0)
    assert counts(found.parts["train"]) == {"one": 100, "two": 40, "three": 20}
    assert counts(found.parts["test"]) == {"one": 10, "two": 4, "three": 5}
    assert "two 40 (25%)" in found.notes[0]


def test_the_seed_draws_the_rows_and_labels_stay_in_proportion():
    def draw(seed):
        return mixed(
            parts("one", 10), "one", [(MixEntry("two", rows=20), parts("two", 100))], seed=seed
        ).parts["train"]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    two = [row["label"] for row in draw(1) if row["source"] == "two"]
    assert two.count("a") == two.count("b") == 10


def test_labels_are_united_renamed_and_prefixed():
    entry = MixEntry("two", labels={"c": "a"}, prefix="two: ")
    found = mixed(parts("one", 10), "one", [(entry, parts("two", 10, labels=("c", "d")))], seed=0)
    assert {row["label"] for row in found.parts["train"]} == {"a", "b", "two: d"}


def test_no_test_row_of_one_source_stands_in_the_training_part_of_another():
    one, two = parts("one", 10), parts("two", 10)
    one["train"][0] = {"text": "TWO  test 3", "label": "a"}
    two["train"][1] = {"text": "one validation 2", "label": "b"}
    two["validation"][4] = {"text": "one test 5", "label": "b"}
    found = mixed(one, "one", [(MixEntry("two"), two)], seed=0)
    seen = {
        part: {row["text"].casefold().replace("  ", " ") for row in rows}
        for part, rows in found.parts.items()
    }
    assert not seen["train"] & (seen["test"] | seen["validation"])
    assert not seen["validation"] & seen["test"]
    assert {(fault.code, fault.count) for fault in found.faults} == {("mix_overlap", 2), ("mix_overlap", 1)}
    assert len(found.parts["test"]) == 20


def test_equal_training_rows_count_once_and_contradictions_leave():
    one, two = parts("one", 10), parts("two", 10)
    two["train"][0] = dict(one["train"][0])
    two["train"][1] = {"text": one["train"][1]["text"], "label": "a"}
    found = mixed(one, "one", [(MixEntry("two"), two)], seed=0)
    texts = [row["text"] for row in found.parts["train"]]
    assert texts.count("one train 0") == 1
    assert texts.count("one train 1") == 0
    assert {fault.code for fault in found.faults} == {"mix_duplicates", "mix_conflicting"}


def test_generation_rows_are_joined_as_they_are():
    rows = {part: [{"prompt": f"{part} p", "completion": "c"}] for part in ("train", "validation", "test")}
    more = {part: [{"prompt": f"{part} q", "completion": "d"}] for part in ("train", "validation", "test")}
    found = mixed(rows, "one", [(MixEntry("two"), more)], seed=0)
    assert found.parts["train"] == [
        {"prompt": "train p", "completion": "c", "source": "one"},
        {"prompt": "train q", "completion": "d", "source": "two"},
    ]
    with pytest.raises(DataError, match="for classification"):
        mixed(rows, "one", [(MixEntry("two", prefix="x"), more)], seed=0)


def test_two_sources_of_one_name_are_told_apart():
    found = mixed(parts("one", 4), "x", [(MixEntry("/far/x"), parts("two", 4))], seed=0)
    assert set(counts(found.parts["train"])) == {"x", "x #2"}


def test_more_than_there_is_is_refused_by_name():
    with pytest.raises(DataError, match="two has 10 training rows and 30 rows are asked"):
        mixed(parts("one", 4), "one", [(MixEntry("two", rows=30), parts("two", 10))], seed=0)
    with pytest.raises(DataError, match=r"a share of 0\.9, which is 36 rows"):
        mixed(parts("one", 4), "one", [(MixEntry("two", share=0.9), parts("two", 10))], seed=0)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([{"sorce": "x"}], r"unknown key\(s\) sorce \(did you mean source\?\)"),
        ([{"rows": 3}], "every entry needs a source"),
        ([{"source": "x", "rows": 3, "share": 0.5}], "give rows or share, not both"),
        ([{"source": "x", "share": 1.5}], "share is a number between 0 and 1"),
        ([{"source": "x", "rows": 0}], "rows is a whole number"),
        ([{"source": "x", "labels": ["a"]}], "labels maps old names to new ones"),
        ([{"source": "x", "share": 0.5}, {"source": "y", "share": 0.6}], "the shares add up to 1.1"),
        ({"source": "x"}, "a list such as"),
        ([3], "an entry is a source or"),
    ],
)
def test_wrong_entries_are_refused_in_one_sentence(given, sentence):
    with pytest.raises(DataError, match=sentence):
        check_mix(given)


def test_an_entry_goes_through_plain_values_and_back():
    (entry,) = check_mix([{"source": "two", "share": 0.3, "labels": {1: 2}, "fixes": ["drop_duplicates"]}])
    assert check_mix([entry.to_dict()]) == (entry,)
    assert check_mix(["two"]) == (MixEntry("two"),)
    with pytest.raises(DataError, match="unknown label"):
        mixed(parts("one", 4), "one", [(MixEntry("two", labels={"z": "a"}), parts("two", 4))], seed=0)
