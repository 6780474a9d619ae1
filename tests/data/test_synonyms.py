"""The synonym table: large enough, without negations, in the right form, and never across judgements."""

import pytest

from workbench.data import synonyms
from workbench.data.synonyms import PARTS_OF_SPEECH, read_table, senses
from workbench.data.word_edits import is_negation

PRAISE = (
    "wonderful excellent delightful superb lovely perfect charming splendid gripping reliable friendly polite"
)
BLAME = "terrible awful horrible disgusting boring rude worthless faulty dreadful ugly nasty unreliable"


PRAISE, BLAME = PRAISE.split(), BLAME.split()


def test_there_are_enough_headwords_of_each_kind():
    table = read_table()
    assert table.headwords >= 1000
    assert all(len(table.words[part]) >= 100 for part in PARTS_OF_SPEECH)


def test_no_word_is_a_negation_or_its_own_synonym():
    table = read_table()
    for part in PARTS_OF_SPEECH:
        for word, others in table.words[part].items():
            assert word not in others
            assert not any(is_negation(piece) for text in (word, *others) for piece in text.split())
            assert word == word.lower()


def reachable(word: str) -> set[str]:
    """Everything that can come to stand for a word by any number of replacements."""
    found, left = set(), {word}
    while left:
        found |= left
        left = {
            other for form in left for sense in senses().get(form, ()) for other in sense.synonyms
        } - found
    return found


def test_no_chain_of_synonyms_leads_from_praise_to_blame():
    for one in PRAISE:
        assert not reachable(one) & set(BLAME), one
    for one in BLAME:
        assert not reachable(one) & set(PRAISE), one


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("films", "movies"),
        ("bought", "purchased"),
        ("choosing", "selecting"),
        ("children", "youngsters"),
        ("cities", "metropolises"),
        ("hurried", "rushed"),
        ("grabs", "seizes"),
        ("gripping", "exciting"),
    ],
)
def test_a_synonym_comes_in_the_same_form(form, expected):
    assert expected in {word for sense in senses()[form] for word in sense.synonyms}


def test_a_form_that_is_past_or_participle_takes_no_word_where_they_differ():
    chosen = {word for sense in senses()["selected"] for word in sense.synonyms}
    assert not chosen & {"chose", "chosen"}
    assert {word for sense in senses()["chose"] for word in sense.synonyms} >= {"selected"}


def test_nothing_stands_for_a_word_with_too_many_senses():
    table = read_table()
    assert table.never
    assert not table.never & set(senses())


def test_a_line_that_can_not_be_read_is_named(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("[adjective]\nbig, large\n[verb forms]\ngo: goes, went\n")
    with pytest.raises(ValueError, match="line 4: 'go: goes, went' does not belong under"):
        synonyms.read_table(path)
