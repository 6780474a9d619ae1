"""Ratings of answers: blind in order, kept and counted and taken back, and rows that preference methods can learn from."""

import random

import pytest

from tests.preferences import preference_rows
from workbench import feedback, judgements
from workbench.data import Prepared, check, prepare
from workbench.feedback import FIRST, SECOND, TIE, Pair, Rating, Said
from workbench.spec import DataSpec
from workbench.uploads import located

KEY = "ab" * 8


def rating(verdict=FIRST, prompt="the film is", one=("x", "good"), other=("y", "bad")):
    return Rating(Pair(prompt, Said(*one), Said(*other)), verdict)


def test_ratings_are_kept_counted_and_taken_back(store):
    assert feedback.ratings(store, KEY, None) == []
    for number, verdict in enumerate((FIRST, SECOND, TIE), 1):
        assert feedback.add(store, KEY, None, rating(verdict)) == number
    kept = feedback.ratings(store, KEY, None)
    assert [one.verdict for one in kept] == [FIRST, SECOND, TIE]
    assert feedback.undo(store, KEY, None) == kept[-1]
    assert feedback.ratings(store, KEY, None) == kept[:-1]
    feedback.undo(store, KEY, None)
    feedback.undo(store, KEY, None)
    assert feedback.undo(store, KEY, None) is None


def test_a_torn_line_costs_that_line_alone(store):
    feedback.add(store, KEY, None, rating())
    with (store.folder / "feedback" / "own" / f"{KEY}.jsonl").open("a") as file:
        file.write('{"pair": {"prompt": "half')
    assert len(feedback.ratings(store, KEY, None)) == 1
    assert feedback.add(store, KEY, None, rating(SECOND)) == 2
    assert [one.verdict for one in feedback.ratings(store, KEY, None)] == [FIRST, SECOND]


def test_visitors_have_ratings_of_their_own_and_bad_names_reach_no_file(store):
    feedback.add(store, KEY, "a" * 32, rating())
    assert feedback.ratings(store, KEY, "b" * 32) == []
    for fingerprint, owner in (("../../x", None), (KEY, "../x"), ("", None)):
        with pytest.raises(ValueError, match=r"fingerprint|folder"):
            feedback.add(store, fingerprint, owner, rating())


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda store: rating("third"), "a verdict is one of first, second, tie"),
        (lambda store: feedback.add(store, KEY, None, rating(other=("y", "good"))), "the same"),
        (lambda store: feedback.who_is_asked([], [], random.Random()), "tick at least one"),
    ],
)
def test_bad_input_is_said_in_one_sentence(store, act, sentence):
    with pytest.raises(ValueError, match=sentence):
        act(store)


def test_the_order_on_show_says_nothing_of_who_answered():
    draw = random.Random(0)
    firsts = [feedback.paired("p", Said("x", "1"), Said("y", "2"), draw).first.who for _ in range(400)]
    assert 160 < firsts.count("x") < 240


def test_those_who_met_least_often_meet_next():
    draw = random.Random(0)
    assert feedback.who_is_asked(["x"], [], draw) == ("x", "x")
    rated = [rating(one=("x", "1"), other=("y", "2")), rating(one=("z", "1"), other=("x", "2"))]
    assert set(feedback.who_is_asked(["x", "y", "z"], rated, draw)) == {"y", "z"}


def test_prompts_come_in_turn_and_those_passed_over_do_not_come_back():
    draw, rated = random.Random(0), [rating(prompt="a")]
    assert feedback.next_prompt(["a", "b"], rated, [], draw) == "b"
    assert feedback.next_prompt(["a", "b"], rated, ["b"], draw) == "a"
    assert feedback.next_prompt(["a", "b"], rated, ["a", "b"], draw) is None


def test_prompts_are_the_training_parts_own_and_no_conversations():
    rows = {
        "train": [{"prompt": "a"}, {"prompt": "a"}, {"prompt": "b"}, {"prompt": "c", "messages": [1, 2]}],
        "validation": [],
        "test": [{"prompt": "b"}],
    }
    assert feedback.prompts_of(Prepared(DataSpec("x", task="generation"), rows)) == ["a"]


def test_who_wins_is_counted_between_models_alone():
    same = rating(one=("x", "1"), other=("x", "2"))
    found = feedback.tally([rating(FIRST), rating(SECOND), rating(FIRST), rating(TIE), same])
    assert (found["x"].won, found["x"].lost, found["x"].tied) == (2, 1, 1)
    assert found["x"].share == 0.625
    assert found["y"].share == 0.375


@pytest.mark.parametrize(
    ("one", "other", "differ"), [("a", "b", True), ("a b", "a  b\n", False), ("a", " ", False)]
)
def test_only_answers_that_differ_can_be_compared(one, other, differ):
    assert feedback.unlike(Pair("p", Said("x", one), Said("y", other))) is differ


def test_ratings_become_a_preference_data_set_that_passes_the_doctor(store):
    """What `rlhf`, `dpo` and `kto` learn from, on the same path as a file of the reader's own."""
    rated = [
        rating(
            FIRST if place % 2 else SECOND,
            row["prompt"] + f" {place}",
            ("x", row["chosen"]),
            ("y", row["rejected"]),
        )
        for place, row in enumerate(preference_rows(30, 7))
    ]
    source = judgements.keep_as_data(store, feedback.rows([*rated, rating(TIE)]), None, "rated-film.jsonl")
    report = check(located(store, source, None), task="preference")
    assert not report.blocks, report.to_text()
    prepared = prepare(located(store, source, None), task="preference")
    sizes = [len(rows) for rows in prepared.rows.values()]
    assert sum(sizes) == 30
    assert min(sizes) > 0
    found = {row["prompt"]: row for rows in prepared.rows.values() for row in rows}
    assert found[rated[1].pair.prompt]["chosen"] == rated[1].pair.first.text
    assert found[rated[2].pair.prompt]["chosen"] == rated[2].pair.second.text
    assert found[rated[2].pair.prompt]["rejected"] == rated[2].pair.first.text
