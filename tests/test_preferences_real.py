"""Real pairs of answers for a real model: a few steps of DPO and of RLHF's reward stage on Orca's, and what they tell."""

import dataclasses
from statistics import median

import pytest

from tests.preferences import HeardStages, preference_spec
from tests.training import quickly
from workbench.data import prepare
from workbench.spec import Budget
from workbench.train import OUTCOMES, read_outcomes, train

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quickly():
        yield


@pytest.fixture(scope="module")
def pairs(shared):
    source = shared / "data" / "orca_dpo_pairs_val" / "validation.jsonl"
    return prepare(source, task="preference", train_rows=96, validation_rows=24, test_rows=24)


@pytest.fixture(scope="module")
def stories(shared):
    return next((shared / "weights" / "stories3M").rglob("config.json")).parent


def run(stories, pairs, folder, method, *, budget, rate, **options):
    spec = preference_spec(
        stories,
        method,
        options=options,
        learning_rate=rate,
        budget=Budget("steps", budget),
        batch_size=4,
        max_length=192,
        evaluations=2,
        task_options={"max_new_tokens": 8},
    )
    spec = dataclasses.replace(spec, setting=dataclasses.replace(spec.setting, data=pairs.spec))
    heard = HeardStages()
    result = train(spec, pairs, folder, emit=heard.emit, should_stop=heard.should_stop, device="cpu")
    return result, heard


def test_dpo_learns_to_tell_real_pairs_apart(stories, pairs, tmp_path):
    result, heard = run(stories, pairs, tmp_path, "dpo", budget=14, rate=2e-4, supervised_share=0.3)
    assert [one["name"] for one in result.stages] == ["supervised", "preference"]
    assert result.live is True
    assert heard.of("step", "preference")[-1]["pair_margin"] > 0  # in its own terms: away from its start
    rows = read_outcomes(tmp_path / OUTCOMES)
    assert len(rows) == 24
    assert all(
        row["start_output"] is not None and "reward" not in row for row in rows
    )  # nobody can judge these
    assert {"preference_accuracy", "margin", "kl_nats"} <= set(result.metrics)
    assert "mean_reward" not in result.metrics
    assert result.metrics["kl_nats"] > 0


def test_the_reward_stage_of_rlhf_learns_from_real_pairs(stories, pairs, tmp_path):
    result, heard = run(
        stories, pairs, tmp_path, "rlhf", budget=20, rate=1e-4, supervised_share=0.2, reward_share=0.7,
        reward_learning_rate=3e-4, samples_per_prompt=2,
    )  # fmt: skip
    assert [one["name"] for one in result.stages] == ["supervised", "reward", "policy"]
    losses = [one["loss"] for one in heard.of("step", "reward")]
    assert len(losses) == 14
    assert median(losses[7:]) < median(losses[:7])  # single batches of four jump
    assert result.metrics["reward_accuracy"] == result.stages[1]["metrics"]["reward_accuracy"] >= 0.5
    assert {"reward", "kl", "answer_tokens"} <= set(heard.of("step", "policy")[-1])
