"""Answers rated one by one: how models are judged on them, and who learns from them."""

import random

import pytest

from tests.preferences import HeardStages, preference_prepared, preference_spec
from tests.training import quickly, tiny_folder
from workbench import ratings, registry
from workbench.build import plan_run
from workbench.data import Prepared
from workbench.method import Context
from workbench.preference_references import records
from workbench.preference_trainers import _rated
from workbench.presets import from_values
from workbench.session import refusals
from workbench.spec import Budget
from workbench.tasks.preference import TASK, PreferenceOptions
from workbench.train import OUTCOMES, read_outcomes, train


def singles() -> Prepared:
    """Every pair taken apart, and only one of its answers kept."""
    pairs = preference_prepared(96, 24, 32)
    draw = random.Random(0)

    def one(row):
        kept = draw.choice(("chosen", "rejected"))
        return {"prompt": row["prompt"], kept: row[kept]}

    return Prepared(pairs.spec, {part: [one(row) for row in rows] for part, rows in pairs.rows.items()})


def test_marks_are_shares_of_the_answers_rated_the_other_way():
    marks = ratings.ranked([3.0, 1.0, 2.0, 1.0], [True, True, False, False])
    assert [share for share, _ in marks] == [1.0, 0.25, 0.5, 0.75]
    assert [apart for _, apart in marks] == [1.5, -0.5, 0.0, 1.0]
    from sklearn.metrics import roc_auc_score

    draw = random.Random(1)
    scores = [round(draw.gauss(0, 1), 1) for _ in range(60)]
    good = [draw.random() < 0.3 for _ in scores]
    found = ratings.ranked(scores, good)
    for flag in (True, False):
        shares = [share for (share, _), g in zip(found, good) if g is flag]
        assert sum(shares) / len(shares) == pytest.approx(roc_auc_score(good, scores))


def test_who_learns_from_ratings():
    def refused(name, options=None, singly=True):
        method = registry.method(name)
        return method.refusal(method.options.from_dict(options or {}), Context(rated_singly=singly))

    for name in ("dpo", "orpo", "rlhf"):
        assert "KTO learns from such ratings" in refused(name)
        assert refused(name, singly=False) == ""
    assert refused("rlhf", {"reward": "checker"}) == ""
    assert refused("kto") == refused("sft_chosen") == refused("lora") == ""
    values = {"model": "m", "data": "d", "task": "preference", "methods": ["kto", "dpo"]}
    assert list(refusals(from_values(values, name="x"), True)) == ["dpo"]


def test_a_part_needs_good_and_bad_answers():
    rows = singles().rows
    good = [row for row in rows["test"] if "chosen" in row]
    with pytest.raises(ValueError, match=r"all .* answers of the test part were rated good"):
        TASK.complete(PreferenceOptions(), None, {**rows, "test": good})


def test_a_rating_is_taken_as_it_is():
    rated = _rated([{"prompt_ids": [1], "rejected_ids": [2]}, {"prompt_ids": [3], "chosen_ids": [4]}])
    assert [(one["completion_ids"], one["label"]) for one in rated] == [([4], True), ([2], False)]
    assert [one["KL_completion_ids"] for one in rated] == [[2], [4]]


def test_references_judge_single_answers_too():
    found = {r["method"]: r for r in records(singles(), PreferenceOptions(checker="none"))}
    assert found["tfidf"]["metrics"]["preference_accuracy"] == pytest.approx(1.0)
    assert found["longer"]["metrics"]["preference_accuracy"] > 0.9
    assert "chosen" not in found
    say = TASK.refer(singles(), PreferenceOptions(checker="none"), found["nearest"])
    assert "bad" not in say("the film is")["text"].split()


def test_kto_learns_from_ratings(tmp_path):
    with quickly():
        folder = tiny_folder("qwen2", tmp_path / "model")
        spec = preference_spec(folder, "kto", learning_rate=3e-3, budget=Budget("steps", 24))
        heard = HeardStages()
        result = train(
            spec, singles(), tmp_path, emit=heard.emit, should_stop=heard.should_stop, device="cpu"
        )
        with pytest.raises(ValueError, match="DPO: It learns from pairs"):
            plan_run(preference_spec(folder, "dpo"), singles(), device="cpu")
    assert [one["name"] for one in result.stages] == ["supervised", "preference"]
    assert result.metrics["preference_accuracy"] > 0.6
    assert any("rated one by one" in note for note in result.notes)
    rows = read_outcomes(tmp_path / OUTCOMES)
    assert len(rows) == 32
    assert all(("chosen_nats" in row) != ("rejected_nats" in row) for row in rows)
    # A step's rows are the batch's: none is counted twice as the two ratings of a pair are.
    assert result.stages[1]["samples"] == result.stages[1]["steps"] * 8
