"""Blind votes: kept line by line, ranked with honest intervals, and made into preference rows."""

import random

import pytest

from tests.ui import fake_store
from workbench import votes
from workbench.bradley_terry import Chosen, grouped, strengths
from workbench.store import Store
from workbench.votes import Vote

SETTING = "ab12cd34"


def vote(best, reader="ann", **answers):
    return Vote(SETTING, "Why?", answers or {"a": "one", "b": "two", "c": "three"}, best, reader=reader)


def drawn(count, chances, readers=1, seed=0):
    """Votes drawn as the model says."""
    draw = random.Random(seed)
    names = tuple(chances)
    return [
        Chosen(names, draw.choices(names, [chances[n] for n in names])[0], f"r{i % readers}")
        for i in range(count)
    ]


def test_strengths_find_the_chances_that_votes_were_drawn_from():
    found = {s.name: s for s in strengths(drawn(3000, {"a": 6, "b": 3, "c": 1}))}
    assert found["a"].strength - found["b"].strength == pytest.approx(0.693, abs=0.15)
    assert found["b"].strength - found["c"].strength == pytest.approx(1.099, abs=0.2)
    assert sum(s.strength for s in found.values()) == pytest.approx(0, abs=1e-9)
    assert [s.name for s in strengths(drawn(300, {"a": 1, "b": 9}))] == ["b", "a"]


def test_intervals_hold_what_they_promise_and_narrow_with_votes():
    held = 0
    for seed in range(100):
        found = {s.name: s for s in strengths(drawn(60, {"a": 2, "b": 1}, seed=seed))}
        held += found["a"].low <= 0.3466 <= found["a"].high
    assert held >= 90
    few, many = (strengths(drawn(n, {"a": 2, "b": 1}))[0] for n in (10, 1000))
    assert few.high - few.low > 3 * (many.high - many.low)


def test_one_vote_is_finite_and_wide():
    (first, second) = strengths([Chosen(("a", "b"), "a")])
    assert first.name == "a"
    assert first.low < 0 < first.high < 10
    assert (second.wins, second.shown) == (0, 1)


def test_readers_who_disagree_widen_the_interval():
    alike = [Chosen(("a", "b"), "a" if i % 4 else "b", f"r{i % 3}") for i in range(60)]
    apart = [
        Chosen(("a", "b"), "b" if i % 4 == 0 else "a", "r0" if i % 4 == 0 else f"r{1 + i % 2}")
        for i in range(60)
    ]
    narrow, wide = (next(s for s in strengths(v) if s.name == "a") for v in (alike, apart))
    assert narrow.strength == pytest.approx(wide.strength)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_ties_pull_together():
    none = strengths([Chosen(("a", "b"), None)] * 20)
    assert all(s.strength == pytest.approx(0) and s.ties == 20 for s in none)
    some = strengths([Chosen(("a", "b"), "a")] * 10 + [Chosen(("a", "b"), None)] * 10)
    sure = strengths([Chosen(("a", "b"), "a")] * 20)
    assert some[0].strength < sure[0].strength


def test_seeds_of_one_method_are_one_group():
    groups = {"a1": "a", "a2": "a", "b1": "b"}
    found = grouped(
        [Chosen(("a1", "a2", "b1"), "a2"), Chosen(("a1", "a2"), "a1"), Chosen(("a1", "x"), "x")], groups
    )
    assert found == [Chosen(("a", "b"), "a")]


def test_votes_are_kept_and_taken_back(store: Store):
    for best in ("a", None):
        votes.add(store, vote(best))
    found = votes.votes(store, SETTING)
    assert [one.best for one in found] == ["a", None]
    with (store.folder / "votes" / f"{SETTING}.jsonl").open("a") as file:
        file.write('{"setting_id": "ab12')
    assert votes.votes(store, SETTING) == found
    assert votes.take_back(store, found[0])
    assert not votes.take_back(store, found[0])
    assert votes.votes(store, SETTING) == found[1:]
    assert votes.votes(store, SETTING, owner="somebody") == []
    with pytest.raises(ValueError, match="hex digits"):
        votes.votes(store, "../../etc")


def test_a_vote_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="one of those shown"):
        vote("nobody")
    with pytest.raises(ValueError, match="two answers"):
        vote("a", a="one")


def test_preferences_are_the_chosen_against_each_other_one():
    rows = votes.preferences([vote("a"), vote(None), vote("a"), vote("b", a="same", b="same ", c="other")])
    assert rows == [
        {"prompt": "Why?", "chosen": "one", "rejected": "two"},
        {"prompt": "Why?", "chosen": "one", "rejected": "three"},
        {"prompt": "Why?", "chosen": "same", "rejected": "other"},
    ]


def test_the_column_of_a_table_is_by_choice(store: Store):
    fake_store.fill(store, methods=("full", "lora"), seeds=(0, 1))
    runs = store.runs()
    setting_id = runs[0].spec.setting.id
    assert votes.column(store, setting_id) == {}
    lora = [run for run in runs if run.spec.choice.method == "lora"]
    shown = {run.id: run.label for run in runs} | {"base": "b"}
    for i in range(12):
        votes.add(store, Vote(setting_id, "Why?", shown, lora[i % 2].id))
    column = votes.column(store, setting_id)
    assert set(column) == {run.spec.choice.id for run in runs} | {"base"}
    assert column[lora[0].spec.choice.id].low > 0
    assert column[lora[0].spec.choice.id].wins == 12
    ranking = votes.ranking(votes.votes(store, setting_id))
    assert (ranking.votes, ranking.readers, len(ranking.strengths)) == (12, 1, 5)
