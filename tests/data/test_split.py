"""Properties of the split: disjoint, stratified, equal texts together, the same for the same seed, subsets that nest."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.tables import rows
from workbench.data import DataError
from workbench.data.clean import Row, key
from workbench.data.split import Split, asked_rows, carve, rebalance, subset, too_rare

FEW = settings(max_examples=60, deadline=None)


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Rows of two to five labels, some texts repeated, also under other labels and in other case."""
    sizes = draw(st.lists(st.integers(3, 40), min_size=2, max_size=5))
    found = [
        Row(f"text {i} {label}", f"label {label}") for label, size in enumerate(sizes) for i in range(size)
    ]
    for index in draw(st.lists(st.integers(0, len(found) - 1), max_size=20)):
        other = draw(st.integers(0, len(sizes) - 1))
        found.append(Row(found[index].text.upper(), f"label {other}"))
    return [row._replace(line=i) for i, row in enumerate(found)]


seeds = st.integers(0, 2**31 - 1)


@FEW
@given(tables(), seeds)
def test_parts_are_disjoint_and_lose_nothing(table: list[Row], seed: int) -> None:
    if too_rare({"all": table}):
        return
    parts = carve({"all": table}, Split(seed=seed))
    assert sorted(row.line for found in parts.values() for row in found) == list(range(len(table)))
    texts = {part: {key(row.text) for row in found} for part, found in parts.items()}
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["validation"]
    assert not texts["validation"] & texts["test"]


@FEW
@given(tables(), seeds)
def test_every_label_that_is_common_enough_is_in_every_part(table: list[Row], seed: int) -> None:
    if too_rare({"all": table}):
        return
    first = {key(row.text): row.label for row in reversed(table)}
    for found in carve({"all": table}, Split(seed=seed)).values():
        assert {first[key(row.text)] for row in found} == set(first.values())


@FEW
@given(st.lists(st.integers(3, 300), min_size=2, max_size=6), seeds)
def test_shares_hold_within_each_label(sizes: list[int], seed: int) -> None:
    table = [
        Row(f"text {i} {label}", f"label {label}", i) for label, size in enumerate(sizes) for i in range(size)
    ]
    split = Split(validation_share=0.15, test_share=0.2, seed=seed)
    parts = carve({"all": table}, split)
    for label, size in enumerate(sizes):
        for part, share in (("test", 0.2), ("validation", 0.15)):
            number = sum(row.label == f"label {label}" for row in parts[part])
            assert abs(number - share * size) < 1 + 1e-9


@FEW
@given(tables(), seeds)
def test_the_same_seed_gives_the_same_split_in_any_order_of_rows(table: list[Row], seed: int) -> None:
    distinct = list({key(row.text): row for row in table}.values())
    one = carve({"all": distinct}, Split(seed=seed))
    other = carve({"all": distinct[::-1]}, Split(seed=seed))
    for part in one:
        assert one[part] == other[part][::-1]


def test_sizes_do_not_depend_on_the_order_of_the_labels() -> None:
    """Of 7, 7 and 36 rows 0.15 each add up to 7.5, or to a little less in another order."""
    table = [Row(f"text {i} {n}", f"label {n}") for n, size in enumerate((7, 7, 36)) for i in range(size)]
    split = Split(test_share=0.15)
    one, other = (carve({"all": rows}, split) for rows in (table, table[::-1]))
    assert {part: len(found) for part, found in one.items()} == {p: len(found) for p, found in other.items()}


def test_another_seed_gives_another_split() -> None:
    table = [Row(*row) for row in rows(100)]
    assert carve({"all": table}, Split(seed=0)) != carve({"all": table}, Split(seed=1))


def test_the_split_is_the_same_on_every_machine_and_version() -> None:
    table = [Row(text, label, i) for i, (text, label) in enumerate(rows(40))]
    parts = carve({"all": table}, Split(seed=0))
    assert [row.line for row in parts["test"]] == PINNED_TEST
    assert [row.line for row in subset(table, 6, 0)] == PINNED_SUBSET


@FEW
@given(tables(), seeds, st.integers(1, 200), st.integers(1, 200))
def test_a_smaller_subset_lies_in_a_larger_one(table: list[Row], seed: int, one: int, other: int) -> None:
    small, large = sorted((min(one, len(table)), min(other, len(table))))
    few, many = subset(table, small, seed), subset(table, large, seed)
    assert (len(few), len(many)) == (small, large)
    assert {row.line for row in few} <= {row.line for row in many}
    assert [row.line for row in many] == sorted(row.line for row in many)
    if large >= len({row.label for row in table}):
        assert {row.label for row in many} == {row.label for row in table}


@FEW
@given(st.lists(st.integers(10, 300), min_size=2, max_size=4), seeds)
def test_a_subset_keeps_the_proportions(sizes: list[int], seed: int) -> None:
    table = [Row(f"text {i} {label}", str(label), i) for label, size in enumerate(sizes) for i in range(size)]
    number = len(table) // 2
    counts = Counter(row.label for row in subset(table, number, seed))
    for label, size in enumerate(sizes):
        assert abs(counts[str(label)] - size * number / len(table)) <= 1.5


@FEW
@given(tables(), seeds)
def test_rebalanced_labels_are_equally_common(table: list[Row], seed: int) -> None:
    found = rebalance(table, seed)
    assert set(Counter(row.label for row in found).values()) == {
        min(Counter(row.label for row in table).values())
    }
    assert set(found) <= set(table)


def test_given_parts_are_kept() -> None:
    train, test = [Row(*row) for row in rows(60)], [Row(*row) for row in rows(20, start=100)]
    parts = carve({"train": train, "test": test}, Split(validation_share=0.25))
    assert parts["test"] == test
    assert len(parts["validation"]) == 15
    assert sorted(parts["train"] + parts["validation"]) == sorted(train)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"test_share": 0}, "test_share is a number between 0 and 0.9, not 0"),
        ({"test_share": 0.6, "validation_share": 0.6}, "together are at most 0.9"),
        ({"train_rows": 0}, "train_rows is a whole number of at least 1"),
        ({"test_rows": 2.5}, "test_rows is a whole number"),
        ({"seed": -1}, "split_seed is a whole number from 0"),
    ],
)
def test_impossible_splits_are_refused(values: dict[str, float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Split(**values)  # type: ignore[arg-type]


PINNED_TEST = [5, 8, 10, 11, 25, 28, 32, 35]
PINNED_SUBSET = [3, 4, 5, 18, 20, 29]


def test_a_carved_validation_part_goes_down_with_a_smaller_training_part():
    asked = Split(train_rows=2000)
    assert asked_rows(asked, carved=("validation",))["validation"] == round(2000 * 0.15 / 0.85)
    assert asked_rows(asked, carved=("test", "validation"))["validation"] == round(2000 * 0.15 / 0.65)
    assert asked_rows(Split(train_rows=10), carved=("validation",))["validation"] == 100
    assert asked_rows(asked, carved=())["validation"] is None
    assert asked_rows(Split(train_rows=10, validation_rows=7), carved=("validation",))["validation"] == 7
    assert asked_rows(Split(), carved=("validation", "test")) == {
        "train": None,
        "validation": None,
        "test": None,
    }
