"""Queueing a preset: one setting for each size of a learning curve, first seeds first, all in one stroke."""

import importlib

import pytest

from workbench import presets, session
from workbench.learning_curve import related
from workbench.session import submit

VALUES = {
    "model": "embedded:fable-8m",
    "data": {"source": "reviews", "subsets": [10, 40], "validation_rows": 20, "test_rows": 30},
    "methods": ["full", "head"],
    "seeds": [0, 1],
}


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    def call(function, *arguments, **options):
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(*arguments)

    monkeypatch.setattr("workbench.background.call", call)
    monkeypatch.setattr(session, "model_revision", lambda model, store: "r")


def test_a_learning_curve_is_one_setting_for_each_size_with_the_same_test_rows(store):
    found = submit(store, presets.from_values(VALUES, name="x"))
    assert len(found.run_ids) == 8
    assert len(found.setting_ids) == 2
    assert found.setting_id == found.setting_ids[-1]
    runs = [store.run(run_id) for run_id in found.run_ids]
    assert [run.spec.seed for run in runs] == [0] * 4 + [1] * 4
    assert [store.setting(one).data.train_rows for one in found.setting_ids] == [10, 40]
    assert related(store, found.setting_id) == list(found.setting_ids)


def test_without_subsets_there_is_one_setting_and_the_tools_are_in_its_spec(store):
    data = {**VALUES["data"], "subsets": None, "train_rows": 20, "augment": {"synonyms": {"copies": 2}}}
    found = submit(store, presets.from_values({**VALUES, "data": data}, name="x"), seeds=[3])
    assert found.setting_ids == (found.setting_id,)
    assert len(found.run_ids) == 2
    assert store.setting(found.setting_id).data.augment["synonyms"]["copies"] == 2


def test_what_can_not_be_prepared_queues_nothing(store):
    with pytest.raises(ValueError, match="give sizes up to 1,600"):
        submit(
            store,
            presets.from_values({**VALUES, "data": {"source": "reviews", "subsets": [10, 5000]}}, name="x"),
        )
    assert store.runs() == []


def test_going_on_takes_what_is_finished_or_waits_and_adds_the_rest(store):
    preset = presets.from_values({**VALUES, "data": {**VALUES["data"], "subsets": None}}, name="x")
    finished, failed, waiting, _ = first = submit(store, preset).run_ids
    for run_id, state in ((finished, "finished"), (failed, "failed")):
        store.claim(run_id)
        store.change_state(run_id, "running")
        assert store.change_state(run_id, state)
    found = submit(store, preset, go_on=True, seeds=[0, 1, 2]).run_ids
    assert (found[0], found[2]) == (finished, waiting)
    assert found[1] not in first
    assert len(found) == 6
    assert len(store.runs()) == 4 + 1 + 2
    assert submit(store, preset, go_on=True, seeds=[0, 1, 2]).run_ids == found
    assert set(submit(store, preset).run_ids).isdisjoint(found)
