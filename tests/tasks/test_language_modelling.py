"""The task's own functions: whole texts in, windows to train on, and what is asked of a model."""

import pytest

from tests.language import text_rows
from tests.tiny import tiny_tokenizer
from workbench import registry
from workbench.task import Live

TASK = registry.task("language_modelling")
ROWS = text_rows(5, 4)


def encoded(length=16, room=None, rows=ROWS):
    return TASK.encode(tiny_tokenizer(), rows, (), length, TASK.options(), room)


def test_texts_stay_whole_and_windows_are_what_is_trained_on():
    rows = encoded()
    assert [len(row["input_ids"]) for row in rows] == [len(row["text"].split()) + 2 for row in ROWS]
    assert not any(row["truncated"] for row in rows)
    assert TASK.cut_note("train", rows, 16) == ""
    packed = TASK.pack(rows, 16)
    assert {len(row["input_ids"]) for row in packed[:-1]} == {16}
    learnt = sum(label != -100 for row in packed for label in row["labels"])
    assert learnt == sum(len(row["input_ids"]) for row in rows) - 1
    batch = TASK.collate(packed, 0)
    assert batch["labels"].shape == batch["input_ids"].shape == (len(packed), 16)


def test_the_window_is_no_wider_than_the_model():
    assert {row["window"] for row in encoded(64, 10)} == {10}
    with pytest.raises(ValueError, match="room for at least 2 tokens"):
        encoded(64, 1)


def test_scores_are_sums_over_all_texts():
    outcomes = [
        {"nats": 6.931471805599453, "tokens": 5, "bytes": 20},
        {"nats": 0.0, "tokens": 5, "bytes": 20},
    ]
    assert TASK.score(outcomes)["bits_per_byte"] == pytest.approx(10 / 40)
    assert TASK.score(outcomes)["perplexity"] == pytest.approx(2)
    assert TASK.validation_loss(outcomes, ()) == pytest.approx(0.6931471805599453)
    assert TASK.marks(outcomes, TASK.options()) == pytest.approx([-0.5, 0])
    with pytest.raises(ValueError, match="at least one text"):
        TASK.score([])


def test_a_question_is_the_beginning_of_a_text_and_the_latest_words_stay():
    class Model:
        class config:
            @staticmethod
            def get_text_config():
                return type("Text", (), {"pad_token_id": 0})

    tokenizer = tiny_tokenizer()
    live = Live(Model(), tokenizer, options=TASK.options(max_new_tokens=4))
    batch, cut = TASK.ask_batch(live, "the film is slow", 64, None)
    assert tokenizer.convert_ids_to_tokens(batch["input_ids"][0]) == ["[CLS]", "the", "film", "is", "slow"]
    assert not cut
    batch, cut = TASK.ask_batch(live, "the film is slow", 64, 6)
    assert tokenizer.convert_ids_to_tokens(batch["input_ids"][0]) == ["is", "slow"]
    assert cut
