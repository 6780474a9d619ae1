"""Test rows beside what was said of them: where methods disagree comes first, references have no say in that."""

import pytest

from tests.ui import fake_generation, fake_store
from workbench import compare, example_rows
from workbench.store import Store


@pytest.fixture
def written(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(compare, "reference_records", fake_generation.references)
    fake_generation.fill(store)
    return store


def test_one_run_of_each_method_speaks_with_its_lowest_seed_then_the_references(written: Store):
    found = compare.comparison(written)
    voices = example_rows.voices(found)
    assert [voice.label for voice in voices] == ["Full fine-tuning", "LoRA", "Copy the nearest example"]
    assert {voice.seed for voice in voices[:2]} == {0}
    assert voices[2].key == "nearest"


def test_rows_on_which_texts_score_furthest_apart_come_first(written: Store):
    found = compare.comparison(written)
    keys = [voice.key for voice in example_rows.voices(found)]
    rows = example_rows.examples(written, found, keys)
    assert [row.place for row in rows] == list(range(1, 13))
    assert rows[0].prompt == fake_generation.PROMPTS[0]
    assert rows[0].right == tuple(fake_generation.REFERENCES[0])
    assert (
        rows[0].disagreement == 0
    )  # both say the reference; the nearest example, which does not, has no say
    first = example_rows.ordered(rows, "disagree")
    assert {row.place for row in first[:6]} == set(range(6, 12))
    assert [row.disagreement for row in first] == sorted((row.disagreement for row in rows), reverse=True)
    hard = example_rows.ordered(rows, "hard")
    assert [row.mean for row in hard] == sorted(row.mean for row in rows)
    assert example_rows.ordered(rows, "row") == rows
    assert example_rows.kinds(rows) == ["long", "short"]


def test_labels_disagree_by_what_was_said_not_by_what_was_right(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    fake_store.fill(store, methods=("full", "lora", "head"), seeds=(0,))
    said = {
        "full": ["positive", "negative"],
        "lora": ["positive", "positive"],
        "head": ["positive", "negative"],
    }
    for run in store.runs():
        fake_store.write_outcomes(
            store.run_folder(run.id),
            [
                {"label": "positive", "predicted": one, "probabilities": []}
                for one in said[run.spec.choice.method]
            ],
        )
    found = compare.comparison(store)
    rows = example_rows.examples(store, found, [run.id for run in store.runs()])
    assert [row.disagreement for row in rows] == pytest.approx([0, 1 - (2 / 3) ** 2 - (1 / 3) ** 2])
    assert [row.prompt for row in rows] == ["", ""]  # the rows are gone, the labels stay
    assert example_rows.ordered(rows, "disagree")[0].place == 2


def test_a_run_with_other_rows_and_one_without_outcomes_are_left_out(written: Store):
    found = compare.comparison(written)
    one, other = (voice.key for voice in example_rows.voices(found)[:2])
    (written.run_folder(other) / "outcomes.jsonl").unlink()
    rows = example_rows.examples(written, found, [one, other, "nobody"])
    assert {key for row in rows for key in row.said} == {one}
    assert example_rows.examples(written, found, []) == []
