"""Augmentation: seeded, only of training texts, never label words or negations, never a text that another part has."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data import augment, word_edits
from workbench.data.augment import AUGMENTERS, augment_training, check_augment, marked
from workbench.data.augmenter import with_text
from workbench.data.clean import key
from workbench.data.faults import DataError
from workbench.data.word_edits import WordEdits, read_words

TEXTS = [
    "The film was wonderful and the actors were excellent.",
    "A terrible book: boring, ugly and not at all funny.",
    "I bought a cheap lamp, and it was broken from the start.",
    "She quickly repaired the bicycle, and the children laughed.",
    "An old woman told me that the restaurant was awful.",
]
ROWS = [{"text": text, "label": "good" if i % 2 else "bad"} for i, text in enumerate(TEXTS)]
PARTS = {
    "train": ROWS,
    "validation": [{"text": "fine", "label": "good"}],
    "test": [{"text": "poor", "label": "bad"}],
}


def edits(text, seed=0, kept=frozenset(), **options):
    return word_edits.rewrite([text], [kept], WordEdits(**options), seed)[0]


def test_every_augmenter_has_a_card_and_options_with_help():
    assert set(AUGMENTERS) == {"synonyms", "back_translation"}
    for name, one in AUGMENTERS.items():
        assert one.name == name
        assert one.card.endswith(".")
        assert all(fact.help for fact in one.options.facts())


def test_synonyms_change_words_and_keep_case_and_punctuation():
    (new,) = edits("The Film was odd. FILMS!", share=0.6)
    assert new in ("The Film was strange. FILMS!", "The Film was peculiar. FILMS!")  # capitals may be names
    (new,) = edits("FILMS ARE STRANGE", share=0.6)
    assert new.startswith("MOVIES ARE ")
    (new,) = edits("Wonderful films, she said.", share=0.6)
    first, second = new.split()[:2]
    assert first in ("Marvellous", "Splendid")
    assert second == "movies,"


@pytest.mark.parametrize(
    "text", ["It was not good.", "never wonderful", "It isn't wonderful", "nothing wonderful"]
)
def test_close_after_a_negation_nothing_is_replaced(text):
    assert edits(text, share=0.6) == []


@pytest.mark.parametrize(
    "text",
    [
        "see https://film.org/movie",
        "ask film@movie.org",
        "{film} <film> #film",
        "film2 film_name well-film",
        "ein guter Tag",
        "一部电影",
    ],
)
def test_what_is_no_plain_english_word_stays(text):
    assert edits(text, share=0.6) == []


def test_nouns_and_verbs_of_one_form_are_told_apart_by_the_word_before():
    def sense(text):
        word = next(word for word in read_words(text, frozenset()) if word.text == "promise")
        return [sense.part_of_speech for sense in word.senses]

    assert sense("a promise") == ["noun"]
    assert sense("I promise it") == ["verb"]
    assert sense("an old promise") == ["noun"]
    assert sense("they help a promise") == ["noun"]


def test_the_article_follows_the_new_word():
    seen = {text for seed in range(30) for text in edits("It was a huge film.", seed, share=0.2)}
    assert "It was an enormous film." in seen
    assert any(" a gigantic " in text for text in seen)
    assert not any(" a enormous" in text or " an gigantic" in text for text in seen)


def test_kept_words_stay():
    for seed in range(10):
        for text in edits(
            "The film was wonderful and funny.",
            seed,
            kept=frozenset({"film"}),
            keep=("Wonderful",),
            share=0.6,
        ):
            assert "film" in text
            assert "wonderful" in text


@pytest.mark.parametrize("operation", word_edits.OPERATIONS)
def test_each_operation_makes_new_texts_and_spares_negations(operation):
    text = "The film was not good, but the actors were excellent and the story was wonderful."
    words = [word.text.casefold() for word in read_words(text, frozenset())]
    for seed in range(5):
        (new,) = edits(text, seed, operations=(operation,), share=0.2)
        now = [word.text.casefold() for word in read_words(new, frozenset())]
        assert key(new) != key(text)
        assert "not" in now
        assert "  " not in new
        assert now.index("not") == words.index("not") or operation in ("insert", "delete")
        if operation == "swap":
            assert sorted(now) == sorted(words)
        elif operation == "delete":
            assert len(now) < len(words)
        elif operation == "insert":
            assert len(now) > len(words)


def test_copies_differ_and_take_the_operations_in_turn():
    new = edits(TEXTS[0], copies=4, share=0.2, operations=("replace", "delete"))
    assert len({key(text) for text in new}) == 4
    assert [len(text.split()) < len(TEXTS[0].split()) for text in new] == [False, True, False, True]


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=80), st.integers(0, 5), st.sampled_from(word_edits.OPERATIONS))
def test_any_text_survives(text, seed, operation):
    for new in edits(text, seed, operations=(operation,)):
        assert key(new) != key(text)


def test_the_same_seed_gives_the_same_rows_and_a_part_of_them_for_a_part_of_the_data():
    one = augment_training(PARTS, {"synonyms": {"copies": 2}}, 7)
    assert augment_training(PARTS, {"synonyms": {"copies": 2}}, 7) == one
    assert augment_training(PARTS, {"synonyms": {"copies": 2}}, 8) != one
    part = augment_training({**PARTS, "train": ROWS[:2]}, {"synonyms": {"copies": 2}}, 7)
    assert [row for row in part.rows if row not in ROWS] == [row for row in one.rows if row not in ROWS][
        : len(part.rows) - 2
    ]


def test_old_rows_stay_first_and_new_ones_say_how_they_were_made_and_keep_their_label():
    found = augment_training(PARTS, check_augment("synonyms"), 0)
    assert found.rows[: len(ROWS)] == ROWS
    new = found.rows[len(ROWS) :]
    assert found.made == {"synonyms": len(new)}
    assert all(row["augmented"] == "synonyms" and augment.is_new(row) for row in new)
    assert {row["label"] for row in new} == {"good", "bad"}


def test_no_new_row_has_a_text_of_another_part():
    free = augment_training(PARTS, {"synonyms": {}}, 0)
    taken = [row["text"] for row in free.rows[len(ROWS) :]]
    parts = {
        **PARTS,
        "test": [{"text": text.upper(), "label": "bad"} for text in taken[:2]],
        "validation": [{"text": taken[2], "label": "good"}],
    }
    found = augment_training(parts, {"synonyms": {}}, 0)
    texts = {key(row["text"]) for row in found.rows[len(ROWS) :]}
    assert not texts & {key(text) for text in taken[:3]}
    assert found.dropped == 3
    assert parts["test"][0]["text"] == taken[0].upper()


def test_label_words_and_words_of_the_completion_stay():
    rows = [{"text": "The film was wonderful.", "label": "wonderful"}]
    for seed in range(8):
        for row in augment_training(
            {"train": rows, "test": [], "validation": []},
            {"synonyms": {"share": 0.6}},
            seed,
            labels=("wonderful",),
        ).rows:
            assert "wonderful" in row["text"]
    rows = [{"prompt": "Which film was excellent?", "completion": "The excellent one."}]
    for seed in range(8):
        for row in augment_training(
            {"train": rows, "test": [], "validation": []}, {"synonyms": {"share": 0.6}}, seed
        ).rows:
            assert "excellent" in row["prompt"]
            assert row["completion"] == "The excellent one."


def test_of_a_conversation_the_last_user_turn_changes():
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "old"}]
    row = {"prompt": "old", "completion": "c", "messages": turns}
    assert with_text(row, "new")["messages"] == [turns[0], {"role": "user", "content": "new"}]
    assert turns[1]["content"] == "old"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"synonym": {}}, r"unknown augmentation\(s\) synonym \(did you mean synonyms\?\)"),
        ({"synonyms": {"shar": 0.1}}, r"synonyms: unknown option\(s\) shar \(did you mean share\?\)"),
        ({"synonyms": {"share": 3}}, "share is a number of at least 0.01 and at most 0.6, not 3"),
        ({"synonyms": {"operations": []}}, "operations is at least one of replace"),
        ({"synonyms": {"operations": ["shuffle"]}}, "operations is some of replace"),
        ({"synonyms": 3}, "options are a mapping"),
        ([1], "augment is a mapping"),
        ({"back_translation": {"temperature": 0, "copies": 2}}, "all copies are equal"),
        ({"back_translation": {"forward": " "}}, "forward names a translation model"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(given, sentence):
    with pytest.raises(DataError, match=sentence):
        check_augment(given)


def test_all_options_are_spelt_out():
    assert check_augment(None) == {}
    assert check_augment({"synonyms": {"copies": 2}})["synonyms"]["share"] == WordEdits().share


def test_changed_words_are_marked():
    assert marked("It was good.", "It was fine.") == [
        ("It was ", "same"),
        ("good", "gone"),
        ("fine", "new"),
        (".", "same"),
    ]
    assert "".join(text for text, kind in marked("a b c", "a c d") if kind != "gone") == "a c d"
