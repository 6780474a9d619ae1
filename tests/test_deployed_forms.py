"""Deployed forms and blind votes of a comparison: read from the runs' records, by row, in the table of every face."""

import pytest

from tests.ui import fake_store
from workbench import compare, deployed_record, report, votes
from workbench.store import Store
from workbench.ui import shown
from workbench.ui.comparison_table import comparison_table


def form(name, **numbers):
    return dict.fromkeys(deployed_record.COLUMNS) | {"form": name, "title": f"The {name}", **numbers}


def score_forms(store: Store, run, **numbers):
    """As `deployed.measure_forms` would have, with these numbers for the 8-bit form."""
    told = {
        "score": 0.7, "drift": -0.02, "drift_low": -0.05, "drift_high": 0.01, "latency_ms_p50": 12.0,
        "latency_ratio": 1.5, "bytes": 2**20,
    } | numbers  # fmt: skip
    forms = [form("trained", score=0.72), form("int8", **told), form("onnx", reason="No exporter.")]
    deployed_record.write(
        store.run_folder(run.id),
        {"run": run.id, "metric": "accuracy", "rows": 100, "notes": [], "forms": forms},
    )


@pytest.fixture
def filled(store: Store, monkeypatch) -> Store:
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    fake_store.fill(store, methods=("full", "lora"), seeds=(0, 1))
    return store


def of(store: Store, method: str):
    return [run for run in store.runs() if run.spec.choice.method == method]


def test_forms_are_means_over_the_seeds_that_were_scored(filled):
    found = compare.comparison(filled)
    assert (found.deployed, found.votes) == ({}, {})
    first, second = of(filled, "lora")
    score_forms(filled, first)
    (one,) = compare.comparison(filled).deployed[first.spec.choice.id]
    assert (one.form, one.runs, one.score, one.drift_low) == ("int8", 1, 0.7, -0.05)
    score_forms(filled, second, score=0.8, latency_ratio=None)
    (one,) = compare.comparison(filled).deployed[first.spec.choice.id]
    assert one.runs == 2
    assert one.score == pytest.approx(0.75)
    assert one.drift_low is None
    assert one.latency_ratio is None


def test_every_face_shows_them_under_their_run(filled):
    (run, *_), (other, *_) = of(filled, "lora"), of(filled, "full")
    score_forms(filled, run)
    for _ in range(8):
        votes.add(
            filled,
            votes.Vote(run.spec.setting.id, "Why?", {run.id: "good", other.id: "bad"}, run.id, reader="ann"),
        )
    found = compare.comparison(filled)
    html = str(comparison_table(found))
    rows = html.split("<tr ")
    mine = next(place for place, row in enumerate(rows) if f'data-key="{run.spec.choice.id}"' in row)
    assert 'data-column="votes"' in rows[mine]
    assert "8/8" in rows[mine]
    assert "data-below" in rows[mine + 1]
    for words in (
        "The int8",
        "70.0",
        "drift −2.0 (−5.0 to 1.0)".replace("1.0)", "+1.0)"),
        "1.50 × as trained",
    ):
        assert words in rows[mine + 1], words
    assert "No exporter" not in html
    assert html.count("data-below") == 1
    text = report.to_text(found)
    assert "LoRA: The int8" in text
    assert "8 of 8" in text
    summary = {one["method"]: one for one in found.document()["summary"]}
    assert summary["lora"]["forms"][0]["drift"] == -0.02
    assert summary["lora"]["votes"]["wins"] == 8
    assert summary["full"]["forms"] == []


def test_a_page_draws_again_when_a_form_was_scored_or_a_vote_was_given(filled):
    run, other = filled.runs()[:2]
    setting_id = run.spec.setting.id
    seen = [shown.fingerprint(filled, setting_id, None)]
    score_forms(filled, run)
    seen.append(shown.fingerprint(filled, setting_id, None))
    votes.add(filled, votes.Vote(setting_id, "Why?", {run.id: "good", other.id: "bad"}, run.id))
    seen.append(shown.fingerprint(filled, setting_id, None))
    assert len(set(seen)) == 3


@pytest.mark.parametrize(
    ("value", "score", "text"),
    [
        (None, "accuracy", ""),
        (0.0, "accuracy", "0.0"),
        (-0.0001, "accuracy", "0.0"),
        (0.0123, "chrf", "+1.2"),
        (-0.02, "bits_per_byte", "−0.020"),
    ],
)
def test_a_drift_has_the_unit_of_its_score(value, score, text):
    assert deployed_record.change(value, score) == text
