"""One setting, one row per choice, nothing mixed and nothing hidden."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.compare import comparison, pareto
from workbench.presets import MethodChoice
from workbench.result import Reason, Result
from workbench.spec import DataSpec, RunSpec, Setting

SETTING = Setting(DataSpec("reviews", labels=("no", "yes"), fingerprint="ab12"), "embedded:fable-8m")


def finish(store, method: str, seed: int, accuracy: float, setting: Setting = SETTING, **measured) -> str:
    """A finished run whose outcomes have that accuracy on 200 rows; which rows are wrong depends on the seed."""
    (run_id,) = store.add([RunSpec(setting, MethodChoice(method).choice(), seed)])
    store.claim()
    wrong = {(i * 7 + seed) % 200 for i in range(round((1 - accuracy) * 200))}
    folder = store.run_folder(run_id)
    folder.mkdir(parents=True)
    lines = [json.dumps({"label": "yes", "predicted": "no" if i in wrong else "yes"}) for i in range(200)]
    (folder / "outcomes.jsonl").write_text("\n".join(lines))
    metrics = {"accuracy": 1 - len(wrong) / 200}
    assert store.change_state(run_id, "finished", result=Result(metrics=metrics, **measured))
    return run_id


def test_seeds_of_one_choice_become_one_row_with_an_interval(store):
    for seed, accuracy in enumerate((0.80, 0.85, 0.90)):
        finish(store, "lora", seed, accuracy, train_seconds=10.0 + seed)
    (row,) = comparison(store).rows
    cell = row.cells["accuracy"]
    assert cell.mean == pytest.approx(0.85)
    assert cell.low < 0.80 < 0.90 < cell.high
    assert row.seeds == (0, 1, 2)
    assert row.cells["train_seconds"].mean == 11.0
    assert "peak_memory_bytes" not in row.cells


def test_settings_are_never_mixed(store):
    finish(store, "lora", 0, 0.8)
    other = replace(SETTING, batch_size=8)
    finish(store, "full", 0, 0.9, setting=other)
    assert [row.method for row in comparison(store).rows] == ["full"]
    assert [row.method for row in comparison(store, SETTING.id[:6]).rows] == ["lora"]


def test_failed_runs_are_rows_with_their_reason(store):
    finish(store, "lora", 0, 0.8)
    (run_id,) = store.add([RunSpec(SETTING, MethodChoice("full").choice(), 0)])
    store.claim()
    store.change_state(run_id, "failed", reason=Reason("diverged", "The loss became infinite at step 3."))
    rows = comparison(store).rows
    assert [row.method for row in rows] == ["lora", "full"]
    assert rows[1].states == {"failed": 1}
    assert rows[1].reasons == ("The loss became infinite at step 3.",)
    assert rows[1].cells == {}


def test_one_seed_each_is_never_a_verdict(store):
    finish(store, "lora", 0, 0.95)
    finish(store, "full", 0, 0.55)
    (verdict,) = comparison(store).verdicts
    assert verdict.kind == "cannot_tell"
    assert "one seed" in verdict.sentence
    assert all(row.letters == "" for row in comparison(store).rows)


def test_a_clear_difference_over_seeds_is_said_in_points(store):
    for seed in range(3):
        finish(store, "lora", seed, 0.95)
        finish(store, "full", seed, 0.55)
    found = comparison(store)
    assert found.verdicts[0].kind == "beats"
    assert "by 40.0 points" in found.verdicts[0].sentence
    assert [row.letters for row in found.rows] == ["a", "b"]


def test_a_run_made_again_replaces_the_same_seed(store):
    finish(store, "lora", 0, 0.5)
    finish(store, "lora", 0, 0.9)
    (row,) = comparison(store).rows
    assert (row.cells["accuracy"].mean, row.cells["accuracy"].n) == (pytest.approx(0.9), 1)
    assert len(row.run_ids) == 2


def test_the_document_is_json_with_nulls_for_what_was_not_measured(store):
    finish(store, "lora", 0, 0.8)
    document = json.loads(json.dumps(comparison(store).document()))
    run = document["runs"][0]
    assert run["metrics"]["accuracy"] == pytest.approx(0.8)
    assert run["peak_memory_bytes"] is None
    assert run["forgetting"] is None
    assert document["setting"]["id"] == SETTING.id
    assert document["summary"][0]["columns"]["accuracy"]["n"] == 1


def test_an_empty_store_says_what_to_do_next(store):
    with pytest.raises(LookupError, match="workbench run quickstart"):
        comparison(store)
    finish(store, "lora", 0, 0.8)
    with pytest.raises(LookupError, match="no setting begins with 'zz'"):
        comparison(store, "zz")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1))
def test_the_front_is_what_nobody_beats_on_both_axes(points):
    front = pareto(points, x_better="lower", y_better="higher")

    def beaten(p):
        return any((q[0] <= p[0] and q[1] >= p[1] and q != p) for q in points)

    assert {points[i] for i in front} == {p for p in points if not beaten(p)}
