"""Encoding and scoring of text classification."""

import pytest

from tests.tiny import tiny_tokenizer
from workbench import registry, scores

TASK = registry.task("classification")
LABELS = ("negative", "neutral", "positive")


def outcomes(*pairs):
    return [{"label": gold, "predicted": predicted, "probabilities": []} for gold, predicted in pairs]


def test_rows_become_ids_without_padding_and_labels_become_numbers():
    rows = [{"text": "the film was good", "label": "positive"}, {"text": "bad", "label": "negative"}]
    encoded = TASK.encode(tiny_tokenizer(), rows, LABELS, 16)
    assert [len(row["input_ids"]) for row in encoded] == [4, 1]
    assert [row["labels"] for row in encoded] == [2, 0]
    assert all(row["attention_mask"] == [1] * len(row["input_ids"]) for row in encoded)


@pytest.mark.parametrize("layout", ["qwen2", "bert"])
def test_only_rows_that_lose_tokens_count_as_cut(layout):
    extra = 2 if layout == "bert" else 0  # [CLS] and [SEP]
    rows = [{"text": " ".join(["film"] * n), "label": "positive"} for n in (5, 6, 7)]
    encoded = TASK.encode(tiny_tokenizer(layout), rows, LABELS, 6 + extra)
    assert [row["truncated"] for row in encoded] == [False, False, True]
    assert [len(row["input_ids"]) for row in encoded] == [5 + extra, 6 + extra, 6 + extra]


def test_a_text_without_any_token_still_has_a_position():
    encoded = TASK.encode(tiny_tokenizer(), [{"text": " ", "label": "positive"}], LABELS, 6)
    assert encoded[0]["input_ids"] == [tiny_tokenizer().eos_token_id]
    assert encoded[0]["attention_mask"] == [1]


def test_no_rows_are_no_error():
    assert TASK.encode(tiny_tokenizer(), [], LABELS, 6) == []


def test_scores_by_hand():
    found = TASK.score(
        outcomes(
            ("negative", "negative"),
            ("negative", "positive"),
            ("positive", "positive"),
            ("neutral", "positive"),
        ),
        LABELS,
    )
    # F1: negative 2/3 (precision 1, recall 1/2), neutral 0, positive 1/2 (precision 1/3, recall 1)
    assert found["accuracy"] == 0.5
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0 + 1 / 2) / 3)
    assert set(found) == set(TASK.metrics)
    assert TASK.best_metric in TASK.metrics


def test_a_label_that_never_occurs_lowers_macro_f1_but_not_accuracy():
    found = TASK.score(outcomes(("negative", "negative"), ("positive", "positive")), LABELS)
    assert found == {"accuracy": 1.0, "macro_f1": pytest.approx(2 / 3)}


def test_scores_of_nothing_are_refused():
    with pytest.raises(ValueError, match="at least one row"):
        TASK.score([], LABELS)


def test_the_plain_functions_say_the_same_as_the_metrics():
    gold, predicted = [0, 1, 2, 2, 1, 0, 1], [0, 2, 2, 1, 1, 0, 0]
    computed = scores.metric("macro_f1").compute(predictions=predicted, references=gold, labels=3)
    assert computed["macro_f1"] == scores.macro_f1(gold, predicted, 3)
    assert scores.metric("accuracy").compute(predictions=predicted, references=gold)[
        "accuracy"
    ] == pytest.approx(4 / 7)


def test_details_by_label():
    found = outcomes(("negative", "negative"), ("negative", "positive"), ("positive", "positive"))
    details = scores.by_label(found, ("negative", "positive"))
    assert details["negative"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "rows": 2.0}
    assert scores.confusion(found, ("negative", "positive")) == ((1, 1), (0, 1))
