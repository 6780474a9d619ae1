"""What a run under way is at: told from its newest event, for stages, for sampling before training, and for a search."""

import pytest

from tests.ui import fake_stages
from workbench import stage_progress
from workbench.result import Event


def event(kind, stage, **values):
    return Event(1, 0.0, kind, stage, values)


def test_the_plan_of_a_run_is_its_methods_own(store):
    run = store.run(fake_stages.add(store, "rlhf", fake_stages.setting()))
    assert [part.title for part in stage_progress.planned(run.spec)] == [
        "Supervised",
        "Reward model",
        "Policy",
    ]
    assert sum(part.share for part in stage_progress.planned(run.spec)) == pytest.approx(1)
    upft = store.run(fake_stages.add(store, "upft", fake_stages.setting("generation")))
    assert [part.name for part in stage_progress.planned(upft.spec)] == ["sample", "train"]
    plain = store.run(fake_stages.add(store, "sft_chosen", fake_stages.setting()))
    assert stage_progress.planned(plain.spec) == ()


def test_a_run_says_which_stage_it_is_in_and_how_far_it_has_come(store):
    run_id = fake_stages.add(store, "rlhf", fake_stages.setting())
    assert stage_progress.doing(store, store.run(run_id)) is None
    fake_stages.start_rlhf(store, run_id, 50)
    store.progress(run_id, {"step": 53, "steps": 100})  # steps that are not kept as events
    found = stage_progress.doing(store, store.run(run_id))
    assert found.words == "Reward model, stage 2 of 3: step 13 of 20"
    assert [part.done for part in found.parts] == [1.0, pytest.approx(0.65), 0.0]
    assert found.share == pytest.approx(0.4 + 0.2 * 0.65)
    assert found.stage_seconds_left == pytest.approx(10 * 0.5)  # ten steps from the newest one on record


def test_a_stage_that_has_just_begun_has_done_nothing(store):
    parts = stage_progress.planned(store.run(fake_stages.add(store, "dpo", fake_stages.setting())).spec)
    found = stage_progress.told(parts, event("started", "preference", step=50, steps=100))
    assert found.words == "Preference (DPO), stage 2 of 2"
    assert [part.done for part in found.parts] == [1.0, 0.0]


def test_sampling_is_told_before_the_run_has_started(store):
    run_id = fake_stages.add(store, "upft", fake_stages.setting("generation"))
    store.add_event(run_id, "sample", {"stage": "sample", "done": 150, "of": 600, "sampled_tokens": 2345})
    found = stage_progress.doing(store, store.run(run_id))
    assert found.words == "Sampling, stage 1 of 2: 150 of 600 prompts answered, 2,345 tokens"
    assert [part.done for part in found.parts] == [0.25, 0.0]
    store.add_event(run_id, "step", {"step": 30, "steps": 40, "seconds": 1.0, "loss": 1.0})
    assert stage_progress.doing(store, store.run(run_id)).words == "Training, stage 2 of 2: step 30 of 40"


def test_a_search_is_told_by_its_trials(store):
    run_id = fake_stages.add(store, "sft_chosen", fake_stages.setting(search_trials=4))
    store.add_event(run_id, "sample", {"trial": 2, "trials": 4, "learning_rate": 1e-3, "share": 0.4})
    found = stage_progress.doing(store, store.run(run_id))
    assert (found.words, found.share, found.parts) == ("searching the learning rate, trial 2 of 4", 0.4, ())
    store.add_event(run_id, "step", {"step": 3, "steps": 100, "seconds": 1.0, "loss": 1.0})
    assert stage_progress.doing(store, store.run(run_id)) is None  # steps alone say it all


def test_stages_begin_where_their_first_figure_stands():
    names = {"a": "First", "b": "Second"}
    events = [event("step", "a", step=2), event("step", "b", step=8), event("step", "b", step=9)]
    assert stage_progress.where_stages_begin(events, names, "step") == [("First", 2.0), ("Second", 8.0)]
    assert stage_progress.where_stages_begin(events[1:], names, "step") == []
