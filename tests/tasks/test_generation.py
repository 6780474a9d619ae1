"""Encoding, options and what the table ranks by, for generation."""

import pytest

from tests.tiny import tiny_config, tiny_tokenizer
from workbench import registry
from workbench.method import Unsuitable
from workbench.models import model_from_config
from workbench.tasks.generation import GenerationOptions, spread

TASK = registry.task("generation")
ROW = {"prompt": "the film was slow", "completion": "they hated it"}


def encode(rows, max_length=20, room=64, **options):
    return TASK.encode(
        tiny_tokenizer(), rows, (), max_length, GenerationOptions(max_new_tokens=8, **options), room
    )


def words(ids):
    return tiny_tokenizer().convert_ids_to_tokens(ids)


def test_labels_are_the_completion_and_its_end_alone():
    (row,) = encode([ROW])
    assert words(row["input_ids"]) == ["[CLS]", "the", "film", "was", "slow", "they", "hated", "it", "[SEP]"]
    assert row["labels"] == [-100] * 5 + row["input_ids"][5:]
    assert words(row["prompt_ids"]) == ["[CLS]", "the", "film", "was", "slow"]
    assert row["attention_mask"] == [1] * 9
    assert row["truncated"] is False
    assert row["cut_tokens"] == (0, 0)


def test_what_is_too_long_loses_the_beginning_of_its_prompt():
    (row,) = encode([ROW], max_length=6)
    assert words(row["input_ids"]) == ["was", "slow", "they", "hated", "it", "[SEP]"]
    assert row["truncated"] is True
    assert row["cut_tokens"] == (3, 0)


def test_a_completion_alone_too_long_loses_its_end_and_is_not_taught_to_stop_there():
    (row,) = encode([{"prompt": "film", "completion": "good " * 9}], max_length=6)
    assert words(row["input_ids"]) == ["film", *["good"] * 5]
    assert row["cut_tokens"] == (1, 5)
    note = TASK.cut_note("train", [row, *encode([ROW])], 6)
    assert note.startswith(
        "1 of 2 train rows are longer than 6 tokens: 1 prompts lost their beginning (1 tokens)"
    )
    assert "1 completions lost their end" in note
    assert TASK.cut_note("train", encode([ROW]), 20) == ""


def test_an_answer_starts_from_as_much_of_the_prompt_as_leaves_room_for_it():
    long = {"prompt": "slow " * 30, "completion": "bad"}
    (row,) = encode([long], max_length=40, room=20)
    assert len(row["prompt_ids"]) == 12
    notes = TASK.notes(GenerationOptions(max_new_tokens=8), {"test": [row]})
    assert notes == ("1 test prompts were cut further, to leave room for an answer of 8 tokens.",)
    assert TASK.notes(GenerationOptions(), {"test": encode([ROW])}) == ()
    with pytest.raises(ValueError, match="leaves no room for a prompt"):
        encode([long], max_length=40, room=8)


def test_what_the_answer_starts_from_does_not_depend_on_the_given_completion():
    long = "slow " * 30
    short, other = encode([{"prompt": long, "completion": c} for c in ("bad", "bad " * 15)], max_length=20)
    assert short["prompt_ids"] == other["prompt_ids"]


def test_an_empty_prompt_still_has_a_token_to_go_on_from():
    tokenizer = tiny_tokenizer()
    tokenizer.bos_token = None
    (row,) = TASK.encode(
        tokenizer, [{"prompt": "", "completion": "bad"}], (), 10, GenerationOptions(max_new_tokens=4)
    )
    assert len(row["prompt_ids"]) == 1
    assert row["labels"][0] == -100


def test_no_rows_are_no_error():
    assert encode([]) == []


def test_batches_are_padded_on_the_right_for_learning():
    batch = TASK.collate(encode([ROW, {"prompt": "film", "completion": "bad"}]), 0)
    assert batch["input_ids"].shape == (2, 9)
    assert batch["attention_mask"].tolist()[1] == [1] * 4 + [0] * 5
    assert batch["labels"].tolist()[1][4:] == [-100] * 5
    assert batch["labels"].tolist()[1][:2] == [-100, -100]


def test_the_hash_of_the_template_is_filled_in_and_a_changed_text_is_another_setting():
    rows = {"train": [ROW]}
    found = TASK.complete(GenerationOptions(), tiny_tokenizer(), rows)
    assert len(found.template_hash) == 12
    assert found.template_hash != GenerationOptions(template="{prompt}").template_hash
    with pytest.raises(ValueError, match="it has changed since"):
        TASK.complete(GenerationOptions(template_hash="0" * 12), tiny_tokenizer(), rows)


def test_the_hash_of_a_chat_template_is_the_tokenizers():
    tokenizer = tiny_tokenizer()
    options = GenerationOptions(template="chat")
    assert options.template_hash == ""
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    first = TASK.complete(options, tokenizer, {"train": [ROW]})
    tokenizer.chat_template += " "
    assert TASK.complete(options, tokenizer, {"train": [ROW]}).template_hash != first.template_hash
    with pytest.raises(ValueError, match="it has changed since"):
        TASK.complete(first, tokenizer, {"train": [ROW]})


def test_rows_with_answers_are_ranked_by_them():
    answered = {"train": [{**ROW, "answer": 4}]}
    assert TASK.judged_by(TASK.complete(GenerationOptions(), tiny_tokenizer(), answered)) == "answer_match"
    assert TASK.judged_by(TASK.complete(GenerationOptions(), tiny_tokenizer(), {"train": [ROW]})) == "chrf"
    assert TASK.judged_by(GenerationOptions()) == TASK.best_metric == "chrf"
    with pytest.raises(ValueError, match="needs a column `answer`"):
        TASK.complete(GenerationOptions(judge_by="answer_match"), tiny_tokenizer(), {"train": [ROW]})


def test_marks_are_the_score_of_each_row():
    rows = [{"chrf": 0.25, "exact_match": 0.0}, {"chrf": 1.0, "exact_match": 1.0}]
    assert TASK.marks(rows, GenerationOptions()) == [0.25, 1.0]
    assert TASK.marks(rows, GenerationOptions(judge_by="exact_match")) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"answer_pattern": "("}, "regular expression"),
        ({"answer_pattern": "####"}, "one group"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"judge_by": "bleu"}, "judge_by is one of"),
    ],
)
def test_options_are_checked_where_they_are_made(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        GenerationOptions(**values)


def test_unknown_options_are_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="did you mean max_new_tokens"):
        GenerationOptions.from_dict({"max_tokens": 3})


@pytest.mark.parametrize("layout", ["bert", "roberta", "distilbert"])
def test_encoders_are_unsuitable_in_a_sentence(layout):
    with pytest.raises(Unsuitable, match="needs a causal language model"):
        model_from_config(tiny_config(layout), "generation", ())


@pytest.mark.parametrize("layout", ["qwen2", "llama", "gpt2"])
def test_decoders_are_taken(layout):
    assert model_from_config(tiny_config(layout), "generation", ()).get_output_embeddings() is not None


def test_places_are_spread_evenly():
    assert spread(5, None) == [0, 1, 2, 3, 4]
    assert spread(3, 9) == [0, 1, 2]
    assert spread(10, 3) == [0, 3, 6]


def test_scores_of_nothing_are_refused():
    with pytest.raises(ValueError, match="at least one row"):
        TASK.score([], ())


def test_every_score_has_a_column():
    from workbench.metric import metric

    assert {name: metric(name).better for name in TASK.metrics} == {
        name: "lower" if name == "perplexity" else "higher" for name in TASK.metrics
    }
