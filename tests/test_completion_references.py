"""Reference rows of a generation table: copies and the most frequent completion."""

import pytest

from tests.generation import generation_prepared
from workbench.completion_references import most_frequent, records
from workbench.data import Prepared
from workbench.references import FILE, file_name, reference_results
from workbench.spec import DataSpec
from workbench.tasks.generation import GenerationOptions


def prepared(train, test):
    rows = {"train": train, "validation": test, "test": test}
    return Prepared(DataSpec("few"), rows)


TRAIN = [
    {"prompt": "green apple pie", "completion": "a pie"},
    {"prompt": "red car", "completion": "a car"},
    {"prompt": "red bus", "completion": "a car"},
]


def test_the_nearest_prompts_completion_is_copied():
    test = [{"prompt": "an apple pie", "completion": "a pie"}, {"prompt": "the bus", "completion": "a bus"}]
    frequent, nearest = records(prepared(TRAIN, test), GenerationOptions())
    assert [o["output"] for o in nearest["outcomes"]] == ["a pie", "a car"]
    assert [o["output"] for o in frequent["outcomes"]] == ["a car", "a car"]
    assert nearest["metrics"]["exact_match"] == 0.5
    assert nearest["outcomes"][0]["chrf"] == 1
    assert nearest["metrics"]["perplexity"] is None
    assert nearest["latency_ms_p50"] > 0
    assert nearest["peak_memory_bytes"] is None


def test_of_equally_common_completions_the_first_by_name_is_said():
    rows = [{"prompt": "p", "completion": text} for text in ("b", "a", "b", "a", "c")]
    assert most_frequent(prepared(rows, rows)) == "a"


def test_they_answer_the_rows_that_the_runs_answer():
    options = GenerationOptions(test_answers=4)
    for record in records(generation_prepared(), options):
        assert [o["prompt"] for o in record["outcomes"]] == [
            generation_prepared().rows["test"][i]["prompt"] for i in (0, 4, 8, 12)
        ]
        assert set(record["per_kind"]) <= {"one", "two"}


def test_answers_are_matched_where_rows_have_one():
    train = [{"prompt": "two and two", "completion": "2 + 2 = 4\n#### 4", "answer": 4}]
    test = [{"prompt": q, "completion": "#### 4", "answer": a} for q, a in (("one and three", 4), ("one", 1))]
    _, nearest = records(prepared(train, test), GenerationOptions())
    assert nearest["metrics"]["answer_match"] == 0.5


@pytest.mark.parametrize("texts", [("", " ", "!"), ("?", "?", "?")])
def test_prompts_without_a_word(texts):
    rows = [{"prompt": text, "completion": "a"} for text in texts]
    try:
        _, nearest = records(prepared(rows, rows), GenerationOptions())
    except ValueError as error:
        pytest.fail(str(error))
    assert nearest["metrics"]["exact_match"] == 1


def test_each_way_of_scoring_has_its_file(tmp_path):
    short, long = ({"test_answers": n} for n in (2, 3))
    data = generation_prepared()
    assert len(reference_results(data, tmp_path, "generation", short)[0]["outcomes"]) == 2
    assert len(reference_results(data, tmp_path, "generation", long)[0]["outcomes"]) == 3
    assert len(list(tmp_path.glob("references-generation-*.json"))) == 2
    assert file_name("classification", {}) == FILE
