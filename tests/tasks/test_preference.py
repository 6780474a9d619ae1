"""Encoding of pairs, options, scores and marks of the task `preference`."""

import math

import pytest

from tests.tiny import tiny_tokenizer
from workbench import checkers, registry
from workbench.tasks.preference import PreferenceOptions

TASK = registry.task("preference")
ROW = {"prompt": "the film was slow", "chosen": "they liked it", "rejected": "it was very very dull"}


def encode(rows, max_length=20, room=64, **options):
    return TASK.encode(
        tiny_tokenizer(), rows, (), max_length, PreferenceOptions(max_new_tokens=8, **options), room
    )


def words(ids):
    return tiny_tokenizer().convert_ids_to_tokens(ids)


def test_the_chosen_answer_is_learnt_and_the_rejected_one_stands_beside_it():
    (row,) = encode([ROW])
    assert words(row["input_ids"])[-4:] == ["they", "liked", "it", "[SEP]"]
    assert row["labels"] == [-100] * 5 + row["input_ids"][5:]
    assert words(row["rejected"]["input_ids"])[5:] == ["it", "was", "very", "very", "dull", "[SEP]"]
    assert row["rejected"]["input_ids"][:5] == row["input_ids"][:5]
    assert words(row["prompt_ids"]) == ["[CLS]", "the", "film", "was", "slow"]


def test_both_answers_follow_the_same_prompt_where_it_is_cut():
    (row,) = encode([ROW], max_length=8)
    prompts = [one["labels"].count(-100) for one in (row, row["rejected"])]
    assert prompts == [2, 2]
    assert words(row["input_ids"][:2]) == ["was", "slow"]
    assert row["truncated"] is True
    assert len(row["input_ids"]) == len(row["attention_mask"]) == len(row["labels"]) == 6
    note = TASK.cut_note("train", [row, *encode([ROW])], 8)
    assert note.startswith("1 of 2 train rows are longer than 8 tokens")


def complete(rows, **options):
    return TASK.complete(PreferenceOptions(**options), tiny_tokenizer(), rows)


def test_auto_is_decided_by_whether_a_checker_is_known():
    plain = complete({"test": [ROW]})
    assert (plain.checker, plain.judge_by, plain.choose_by) == ("none", *["preference_accuracy"] * 2)
    assert plain.template_hash
    bundled = [{"prompt": prompt} for prompt in sorted(checkers._prompts("tone"))[:5]]
    known = complete({"test": bundled})
    assert (known.checker, known.judge_by, known.choose_by) == ("tone", "mean_reward", "mean_reward")
    assert known.checker_hash == checkers.checker_hash("tone")
    assert complete({"test": bundled}, judge_by="preference_accuracy").choose_by == "preference_accuracy"
    assert TASK.complete(known, tiny_tokenizer(), {"test": bundled}) == known


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"checker": "tonne"}, "did you mean tone"),
        ({"checker": "none", "judge_by": "mean_reward"}, "mean_reward needs a checker"),
        ({"judge_by": "mean_reward"}, "mean_reward needs a checker"),
        ({"template": "alpacca"}, "did you mean alpaca"),
        ({"checker": "tone", "checker_hash": "0" * 12}, "it has changed since"),
    ],
)
def test_what_does_not_go_together_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        complete({"test": [ROW]}, **options)


OUTCOMES = [
    {
        "preferred": 1.0,
        "margin": 0.5,
        "chosen_nats": 2.0,
        "chosen_tokens": 2,
        "output": "a",
        "new_tokens": 4,
        "reward": 1.0,
        "kind": "x",
    },
    {
        "preferred": 0.0,
        "margin": -0.1,
        "chosen_nats": 4.0,
        "chosen_tokens": 4,
        "output": "b",
        "new_tokens": 2,
        "reward": 0.5,
        "kind": "y",
    },
]


def test_scores_and_marks():
    found = TASK.score(OUTCOMES)
    assert found == {
        "preference_accuracy": 0.5,
        "margin": pytest.approx(0.2),
        "perplexity": pytest.approx(math.e),
        "answer_tokens": 3,
        "mean_reward": 0.75,
    }
    assert TASK.validation_loss(OUTCOMES, ()) == 1
    assert TASK.marks(OUTCOMES, PreferenceOptions(checker="tone", judge_by="mean_reward")) == [1.0, 0.5]
    assert TASK.marks(OUTCOMES, PreferenceOptions(judge_by="preference_accuracy")) == [1.0, 0.0]
    without = [
        {k: v for k, v in row.items() if k not in ("output", "new_tokens", "reward")} for row in OUTCOMES
    ]
    assert set(TASK.score(without)) == {"preference_accuracy", "margin", "perplexity"}
    kinds = TASK.details(OUTCOMES, ())["per_kind"]
    assert kinds["y"]["preference_accuracy"] == 0
    assert kinds["x"]["rows"] == 1
