"""Which task rows look made for: by their columns and by what stands in them."""

import json

import pytest

from workbench.data.guess_task import guess_task_of


@pytest.fixture
def guess(tmp_path):
    def of(rows):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        found = guess_task_of(str(path))
        return found and (found["task"], found["sure"])

    return of


def rows(**columns):
    return [{name: make(i) for name, make in columns.items()} for i in range(30)]


def test_labels_that_come_again_are_a_classification(guess):
    labelled = rows(
        text=lambda i: f"the film number {i} was fine", label=lambda i: "good" if i % 2 else "bad"
    )
    assert guess(labelled) == ("classification", "likely")
    answered = rows(question=lambda i: f"Is {i} even?", answer=lambda i: "no" if i % 2 else "yes")
    assert guess(answered) == ("classification", "likely")


def test_answers_that_differ_are_a_generation(guess):
    answered = rows(question=lambda i: f"What follows {i}?", answer=lambda i: f"After {i} comes {i + 1}.")
    assert guess(answered) == ("generation", "certain")
    alpaca = rows(instruction=lambda i: f"Do {i}", input=lambda i: "", output=lambda i: f"Did {i} then.")
    assert guess(alpaca) == ("generation", "certain")
    talks = rows(
        messages=lambda i: [
            {"role": "user", "content": f"Hi {i}"},
            {"role": "assistant", "content": f"Hello {i}"},
        ]
    )
    assert guess(talks) == ("generation", "certain")


def test_completions_may_come_again_where_the_columns_say_what_they_are(guess):
    few = rows(
        prompt=lambda i: f"Who are you, {i}?", completion=lambda i: "I am Robin." if i % 2 else "Robin."
    )
    assert guess(few) == ("generation", "certain")


def test_pairs_of_answers_are_a_preference_and_text_files_are_read_as_such(guess, tmp_path):
    pairs = rows(prompt=lambda i: f"Ask {i}", chosen=lambda i: f"Good {i}.", rejected=lambda i: f"Bad {i}.")
    assert guess(pairs)[0] == "preference"
    (tmp_path / "notes.txt").write_text("One long text.")
    assert guess_task_of(str(tmp_path / "notes.txt"))["task"] == "language_modelling"


def test_nothing_speaks_for_a_task(guess, tmp_path):
    assert guess(rows(note=lambda i: f"a note of its own, {i}")) is None
    assert guess_task_of(str(tmp_path / "no such file.csv")) is None


@pytest.mark.parametrize(
    ("name", "task"),
    [("reviews", "classification"), ("identity", "generation"), ("instructions", "generation")],
)
def test_bundled_sets_are_told_apart(name, task):
    assert guess_task_of(name)["task"] == task
