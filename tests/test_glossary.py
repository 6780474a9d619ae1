"""The glossary: the same words in every language, and the first mention of each is found in plain text."""

import pytest

from workbench.glossary import entry, glossary, pieces


def test_every_language_explains_the_same_words():
    assert list(glossary("en")) == list(glossary("zh"))
    assert len(glossary("en")) >= 40


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_two_entries_are_said_the_same_way(language):
    said = [word.lower() for one in glossary(language).values() for word in (one.word, *one.also)]
    assert sorted(said) == sorted(set(said))


def test_the_first_mention_of_each_word_is_found_and_nothing_is_lost():
    text = "LoRA adds little latency; LoRA can be merged."
    found = list(pieces(text, "en"))
    assert [piece[1].key for piece in found if not isinstance(piece, str)] == ["lora", "latency", "merge"]
    assert "".join(piece if isinstance(piece, str) else piece[0] for piece in found) == text


def test_a_word_within_another_word_is_not_meant():
    assert list(pieces("adapterless pre-merged", "en")) == ["adapterless pre-merged"]


def test_chinese_words_need_no_spaces():
    keys = [piece[1].key for piece in pieces("用低秩适配可以降低延迟", "zh") if not isinstance(piece, str)]
    assert keys == ["lora", "latency"]


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(ValueError, match="lora"):
        entry("lorra", "en")
