"""One text through several finished runs: right labels, loaded once, and nothing shown that means nothing."""

import dataclasses
import json

import pytest

from tests.training import LABELS, Heard, quickly, tiny_folder, tiny_prepared, tiny_spec
from workbench import engine, inference
from workbench.inference import answer
from workbench.spec import Budget
from workbench.store import Store
from workbench.train import read_outcomes, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store with a full and a LoRA run, both finished, and one that is still queued."""
    folder = tmp_path_factory.mktemp("inference")
    store, model = Store(folder / "store"), tiny_folder("llama", folder)
    ids = []
    for method, rate in (("full", 5e-3), ("lora", 2e-2)):
        spec = tiny_spec(model, method, learning_rate=rate, budget=Budget("epochs", 4), evaluations=1)
        ids += store.add([spec])
        with quickly():
            finish(store, ids[-1], spec)
    ids += store.add([tiny_spec(model, "head")])
    return store, ids


def finish(store, run_id, spec, **changes):
    heard = Heard()
    run = store.claim()
    assert run.id == run_id
    store.change_state(run_id, "running")
    result = train(
        spec,
        tiny_prepared(),
        store.run_folder(run_id),
        emit=heard.emit,
        should_stop=heard.should_stop,
        device="cpu",
    )
    store.change_state(run_id, "finished", result=dataclasses.replace(result, **changes))


@pytest.fixture(autouse=True)
def nothing_loaded():
    inference.forget()


def test_runs_answer_as_they_did_when_they_were_measured(trained):
    store, ids = trained
    for i in (0, 7, 19):
        text = tiny_prepared().rows["test"][i]["text"]
        answers = answer(store, ids[:2], text)
        assert [a["run_id"] for a in answers] == ["base", *ids[:2]]
        for found in answers[1:]:
            kept = read_outcomes(store.run_folder(found["run_id"]) / "outcomes.jsonl")[i]
            assert found["label"] == kept["predicted"]
            shares = [found["probabilities"][label] for label in LABELS]
            assert shares == pytest.approx(kept["probabilities"], abs=1e-4)
            assert found["live"] is True
            assert found["ms"] > 0
            assert found["reason"] is None
    json.dumps(answers)


def test_a_base_with_an_untrained_head_shows_no_label(trained):
    store, ids = trained
    base = answer(store, ids[:1], "the film was good")[0]
    assert base["label"] is None
    assert base["probabilities"] == {}
    assert "no trained head" in base["reason"]
    assert [a["run_id"] for a in answer(store, ids[:1], "good", with_base=False)] == ids[:1]


def test_a_run_that_is_not_finished_says_so_and_hides_nobody(trained):
    store, ids = trained
    answers = answer(store, [ids[2], ids[0]], "the film was good", with_base=False)
    assert "queued" in answers[0]["reason"]
    assert answers[0]["label"] is None
    assert answers[1]["label"] in LABELS


def test_a_run_whose_files_are_gone_says_so_and_hides_nobody(trained, tmp_path):
    store, ids = trained
    folder = store.run_folder(ids[1]) / "trained"
    folder.rename(tmp_path / "away")
    try:
        broken, whole = answer(store, [ids[1], ids[0]], "good", with_base=False)
    finally:
        (tmp_path / "away").rename(folder)
    assert broken["label"] is None
    assert broken["reason"]
    assert whole["label"] in LABELS


def test_a_run_that_is_not_live_shows_no_label(trained, monkeypatch):
    store, ids = trained
    dead = dataclasses.replace(
        store.run(ids[0]), result=dataclasses.replace(store.run(ids[0]).result, live=False)
    )
    monkeypatch.setattr(Store, "run", lambda self, run_id: dead)
    found = answer(store, [ids[0]], "good", with_base=False)[0]
    assert found["live"] is False
    assert found["label"] is None


def test_weights_that_change_nothing_show_no_label(trained, monkeypatch):
    """Recorded as live, but what is loaded now is the bare base."""
    store, ids = trained
    real = engine.own_tree

    def bare(base, run_id, folder):
        tree = real(base, run_id, folder)
        return dataclasses.replace(tree, model=base.structure(), changed=[])

    monkeypatch.setattr(engine, "own_tree", bare)
    found = answer(store, [ids[0]], "good", with_base=False)[0]
    assert found["live"] is False
    assert found["label"] is None


def test_models_are_loaded_once(trained, monkeypatch):
    store, ids = trained
    answer(store, ids[:2], "good")
    monkeypatch.setattr(engine, "own_tree", lambda *a: pytest.fail("loaded again"))
    monkeypatch.setattr(engine, "load_base", lambda *a: pytest.fail("loaded again"))
    assert answer(store, ids[:2], "bad")[1]["label"] in LABELS


def test_a_text_that_is_too_long_is_cut_and_says_so(trained):
    store, ids = trained
    found = answer(store, ids[:1], "film " * 200, with_base=False)[0]
    assert found["truncated"] is True
    assert found["label"] in LABELS


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_text_is_refused(trained, text):
    store, ids = trained
    with pytest.raises(ValueError, match="text is empty"):
        answer(store, ids[:1], text)
