"""A run made again: the same predictions are said to be so, and any difference with what has changed."""

import json
from dataclasses import replace

import pytest

from tests.ui import fake_store
from tests.ui.fake_store import QuietRunner
from workbench import repeat
from workbench.cli import main
from workbench.store import Store


def twice(store: Store) -> tuple:
    """The same invented run twice: what is invented depends on choice and seed alone."""
    (first,) = fake_store.fill(store, methods=("lora",), seeds=(0,))
    second = repeat.queue_again(QuietRunner(store), store.run(first))
    fake_store.finish(store, second, store.run(second).spec)
    return store.run(first), store.run(second)


def rewrite(store: Store, run, change) -> None:
    path = store.run_folder(run.id) / "outcomes.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_same_predictions_are_said_to_be_the_same(store: Store):
    first, second = twice(store)
    assert second.retry_of == first.id
    assert repeat.original(store, second).id == first.id
    found = repeat.compared(store, first, second)
    assert found.same
    assert f"all {fake_store.TEST_ROWS} predictions" in found.sentence


def test_one_other_answer_is_a_difference_with_what_changed(store: Store):
    first, second = twice(store)

    def other(rows):
        rows[3]["predicted"] = "positive" if rows[3]["predicted"] == "negative" else "negative"

    rewrite(store, second, other)
    environment = {**second.result.environment, "libraries": {"torch": "9.9", "peft": "invented"}}
    second = replace(second, result=replace(second.result, environment=environment), threads=1)
    found = repeat.compared(store, first, second)
    assert not found.same
    assert found.rows == (4,)
    assert found.environment == {"torch": ("invented", "9.9"), "threads": (2, 1)}
    assert "1 of 360 answers differ" in found.sentence
    assert "torch: invented then, 9.9 now" in found.sentence


def test_figures_that_move_without_an_answer_are_a_difference_too(store: Store):
    first, second = twice(store)

    def nudge(rows):
        rows[0]["probabilities"][0] += 1e-7

    rewrite(store, second, nudge)
    found = repeat.compared(store, first, second)
    assert not found.same
    assert found.answers == 0
    assert found.largest == pytest.approx(1e-7)
    assert "Nothing that is recorded of the environment has changed" in found.sentence


def test_outcomes_that_are_gone_prove_nothing(store: Store):
    first, second = twice(store)
    (store.run_folder(first.id) / "outcomes.jsonl").unlink()
    found = repeat.compared(store, first, second)
    assert not found.same
    assert "Nothing to compare" in found.sentence


def test_only_a_finished_run_is_repeated(store: Store, capsys: pytest.CaptureFixture[str]):
    (run_id,) = fake_store.fill(store, methods=("lora",), seeds=(0,), failing="lora")
    with pytest.raises(ValueError, match="only a finished run"):
        repeat.queue_again(QuietRunner(store), store.run(run_id))
    assert main(["repeat", run_id, "--store", str(store.folder)]) == 2
    assert "only a finished run" in capsys.readouterr().err
