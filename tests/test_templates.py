"""How prompts and completions are laid out as token ids, with each kind of template."""

import pytest

from tests.tiny import tiny_tokenizer
from workbench import templates
from workbench.tasks.generation import GenerationOptions

CHAT = (
    "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }} [SEP] {% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
ROW = {"prompt": "the film", "completion": "was good"}
TALK = {
    "prompt": "and the food",
    "completion": "bad",
    "messages": [
        {"role": "system", "content": "very slow"},
        {"role": "user", "content": "the film"},
        {"role": "assistant", "content": "good"},
        {"role": "user", "content": "and the food"},
    ],
}


def words(tokenizer, ids):
    return tokenizer.convert_ids_to_tokens(ids)


def test_plain_is_the_prompt_then_the_completion_and_the_end():
    tokenizer = tiny_tokenizer()
    ((prompt, completion),) = templates.lay_out("plain", tokenizer, [ROW])
    assert words(tokenizer, prompt) == ["[CLS]", "the", "film"]
    assert words(tokenizer, completion) == ["was", "good", "[SEP]"]


def test_a_text_of_ones_own_stands_around_the_prompt():
    tokenizer = tiny_tokenizer()
    ((prompt, _),) = templates.lay_out("we liked {prompt} but", tokenizer, [ROW])
    assert words(tokenizer, prompt) == ["[CLS]", "we", "liked", "the", "film", "but"]


def test_braces_in_a_prompt_are_text():
    tokenizer = tiny_tokenizer()
    row = {"prompt": "the {prompt} {film} {", "completion": "bad"}
    ((prompt, _),) = templates.lay_out("we {prompt} but", tokenizer, [row])
    assert words(tokenizer, prompt)[:3] == ["[CLS]", "we", "the"]
    assert words(tokenizer, prompt)[-1] == "but"


def test_a_chat_template_lays_out_all_turns_and_its_own_end():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = CHAT
    plain, talk = templates.lay_out("chat", tokenizer, [ROW, TALK])
    assert tokenizer.decode(plain[0]).count("[SEP]") == 1
    assert "was good" in tokenizer.decode(plain[1])
    assert plain[1][-1] == talk[1][-1] == tokenizer.eos_token_id
    said = tokenizer.decode(talk[0])
    assert [said.find(text) >= 0 for text in ("very slow", "the film", "good", "and the food")] == [True] * 4
    assert templates.end_ids("chat", tokenizer) == [tokenizer.eos_token_id]


def test_a_chat_template_may_end_answers_with_a_token_of_its_own():
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<over>"]})
    tokenizer.chat_template = CHAT.replace("[SEP]", "<over>")
    over = tokenizer.convert_tokens_to_ids("<over>")
    ((_, completion),) = templates.lay_out("chat", tokenizer, [ROW])
    assert completion[-1] == over
    assert templates.end_ids("chat", tokenizer) == [over, tokenizer.eos_token_id]


def test_without_a_chat_template_the_sentence_says_what_would_do():
    with pytest.raises(ValueError, match="this model's has none: choose plain, alpaca or a text of your own"):
        templates.lay_out("chat", tiny_tokenizer(), [ROW])


def test_a_chat_template_that_refuses_a_conversation_says_so_in_a_sentence():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(ValueError, match="does not take the conversation: roles must alternate"):
        templates.lay_out("chat", tokenizer, [ROW])


def test_several_turns_become_a_transcript_for_templates_that_know_none():
    assert templates.transcript(ROW) == "the film"
    assert (
        templates.transcript(TALK) == "very slow\n\nUser: the film\n\nAssistant: good\n\nUser: and the food"
    )


def test_the_hash_follows_the_text():
    known = {templates.template_hash(name) for name in ("plain", "alpaca", "a {prompt}", "b {prompt}")}
    assert len(known) == 4
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = CHAT
    first = templates.template_hash("chat", tokenizer)
    tokenizer.chat_template = CHAT + " "
    assert templates.template_hash("chat", tokenizer) != first


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("alpacca", "did you mean alpaca"),
        ("say it", "says where the prompt goes"),
        ("{prompt} and {prompt}", "one place for the prompt"),
        ("", "unknown template"),
    ],
)
def test_a_template_without_a_place_for_the_prompt_is_refused(template, sentence):
    with pytest.raises(ValueError, match=sentence):
        GenerationOptions(template=template)


def test_a_model_without_an_end_token_is_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(ValueError, match="no end token"):
        templates.end_ids("plain", tokenizer)
