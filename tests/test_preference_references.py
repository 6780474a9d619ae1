"""Reference rows of a preference table."""

import pytest

from tests.preferences import preference_prepared
from workbench.data import Prepared
from workbench.preference_references import records
from workbench.spec import DataSpec
from workbench.tasks.preference import TASK, PreferenceOptions


def test_words_and_length_weigh_the_given_answers():
    found = {r["method"]: r for r in records(preference_prepared(), PreferenceOptions(checker="none"))}
    assert found["longer"]["metrics"] == {"preference_accuracy": 1.0}
    assert found["tfidf"]["metrics"]["preference_accuracy"] == 1
    options = PreferenceOptions(checker="none", judge_by="preference_accuracy")
    assert TASK.marks(found["tfidf"]["outcomes"], options) == [1.0] * 16
    assert found["nearest"]["metrics"] == {} == found["chosen"]["metrics"]
    assert found["chosen"]["outcomes"] == []


def test_where_a_reward_judges_answers_are_rewarded():
    row = {
        "prompt": "Could you tell me the way to the station?",
        "chosen": "Of course. The station is at the end of this road. Let me know if you need a map.",
        "rejected": "Whatever.",
    }
    other = {"prompt": "The soup is cold.", "chosen": "I am sorry about the soup.", "rejected": "So what."}
    rows = {"train": [row, other] * 2, "validation": [row], "test": [row, other]}
    options = PreferenceOptions(checker="tone", judge_by="mean_reward")
    found = {r["method"]: r for r in records(Prepared(DataSpec("few"), rows), options)}
    assert found["nearest"]["outcomes"][0]["output"] == row["chosen"]
    assert found["nearest"]["metrics"] == pytest.approx(found["chosen"]["metrics"])
    assert found["chosen"]["metrics"]["mean_reward"] > 0.8
    assert found["tfidf"]["outcomes"] == []
    say = TASK.refer(Prepared(DataSpec("few"), rows), options, found["nearest"])
    assert say("The soup is too cold.")["text"] == other["chosen"]
