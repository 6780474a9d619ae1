"""TF-IDF answers as its reference row does; runs and bases are asked one at a time."""

import pytest

from tests.ui import fake_store
from workbench import side_by_side
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


def test_each_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch, store: Store):
    from workbench import inference

    asked = []

    def answer(store, run_ids, text, *, with_base, with_runs, options):
        asked.append((list(run_ids), text, with_base, with_runs))
        return [{"run_id": "base"}] * with_base + [{"run_id": run_ids[0]}] * with_runs

    monkeypatch.setattr(inference, "answer", answer)
    assert side_by_side.ask(str(store.folder), "base", "abc", "good") == {"run_id": "base"}
    assert side_by_side.ask(str(store.folder), "abc", "abc", "good") == {"run_id": "abc"}
    assert asked == [(["abc"], "good", True, False), (["abc"], "good", False, True)]
