"""TF-IDF answers as its reference row does; runs and bases are asked alone or all at once."""

import json

import pytest

from tests.served import served
from tests.ui import fake_store
from workbench import inference, side_by_side
from workbench.data import prepare, save_prepared
from workbench.references import reference_results
from workbench.store import Store


@pytest.fixture
def prepared_store(store: Store) -> Store:
    prepared = prepare("reviews", train_rows=200, validation_rows=40, test_rows=40)
    folder = store.data_folder(prepared.spec.fingerprint)
    save_prepared(prepared, folder)
    reference_results(prepared, folder)
    store.add([fake_store.spec(fake_store.setting(fingerprint=prepared.spec.fingerprint), "lora")])
    return store


def test_tfidf_says_what_its_reference_row_says(prepared_store: Store):
    from workbench.data import load_prepared

    (run,) = prepared_store.runs()
    store_folder = str(prepared_store.folder)
    folder = prepared_store.data_folder(run.spec.setting.data.fingerprint)
    prepared = load_prepared(folder)
    record = next(r for r in reference_results(prepared, folder) if r["method"] == "tfidf")
    for row, outcome in list(zip(prepared.rows["test"], record["outcomes"]))[:12]:
        found = side_by_side.ask(store_folder, "tfidf", run.id, row["text"])
        assert found["label"] == outcome["predicted"]
        shares = dict(zip(prepared.spec.labels, outcome["probabilities"]))
        assert found["probabilities"] == pytest.approx(shares, abs=1e-5)
        assert found["reason"] is None


@pytest.fixture
def writers(tmp_path):
    inference.forget()
    yield served(tmp_path, [("lora", {"r": 2}), ("lora", {"r": 4}), "ia3"], task="generation", spread=1.0)
    inference.forget()


def test_one_is_asked_by_name(writers):
    folder, run_id = str(writers.store.folder), writers.ids[0]
    base, tuned = (side_by_side.ask(folder, who, run_id, "film slow") for who in ("base", run_id))
    assert (base["run_id"], tuned["run_id"]) == ("base", run_id)
    assert (base["live"], tuned["live"]) == (None, True)
    assert base["text"] != tuned["text"]


def test_all_are_asked_at_once_and_what_is_known_is_told(writers, tmp_path):
    told, folder = tmp_path / "told", str(writers.store.folder)
    questions = [{"key": "base", "run_id": writers.ids[0], "base": True, "text": "film slow"}]
    questions += [{"key": i, "run_id": i, "base": False, "text": "film slow"} for i in writers.ids]
    found = side_by_side.ask_all(folder, questions, {"max_new_tokens": 6}, "", str(told))
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    assert [line["loading"] for line in lines if "loading" in line] == list(writers.ids)
    for key in ("base", *writers.ids):
        own = [line for line in lines if line.get("key") == key]
        texts = [line["text"] for line in own[:-1]]
        assert all(found["answers"][key]["text"].startswith(text) for text in texts)
        assert own[-1]["answer"] == found["answers"][key]
    assert len(found["contents"]["bases"]) == 1
    assert len(found["contents"]["bases"][0]["runs"]) == 3
    again = tmp_path / "again"
    side_by_side.ask_all(folder, questions, None, "", str(again))
    assert "loading" not in again.read_text()


def test_a_stop_ends_all_answers(writers, tmp_path):
    stop = tmp_path / "stop"
    stop.touch()
    questions = [{"key": i, "run_id": i, "base": False, "text": "film slow"} for i in writers.ids]
    found = side_by_side.ask_all(str(writers.store.folder), questions, None, str(stop))
    assert {a["finish"] for a in found["answers"].values()} <= {"stopped", "stop"}
    assert {a["tokens"] for a in found["answers"].values()} == {1}
