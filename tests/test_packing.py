"""Windows: every token but the first is learnt once, and read once."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny import tiny_tokenizer
from workbench import packing

LENGTHS = st.lists(st.integers(0, 30), min_size=1, max_size=8)


@given(LENGTHS, st.integers(2, 20), st.booleans())
def test_each_token_but_the_first_is_told_once_by_the_one_before(lengths, window, same_mark):
    end = 1 if same_mark else 2
    fresh = iter(range(10, 10_000))
    ids = [[1, *[next(fresh) for _ in range(n)], end] for n in lengths]
    found = packing.windows(ids, window)
    told = [pair for one in found for pair in itertools.pairwise(one)]
    stream = []
    for document in ids:
        stream += document[1:] if same_mark and stream else document
    assert told == list(itertools.pairwise(stream))
    assert all(len(one) == window for one in found[:-1])


@given(st.integers(2, 300), st.integers(2, 40))
def test_a_document_is_read_once_with_half_a_window_of_text_before(count, window):
    found = packing.reading_windows(count, window)
    told = [place for begin, end, first in found for place in range(first, end)]
    assert told == list(range(1, count))
    assert all(0 <= begin < first <= end <= begin + window for begin, end, first in found)
    assert all(first - begin >= max(1, window // 2) for begin, _, first in found[1:])


def test_texts_stand_between_their_marks():
    tokenizer = tiny_tokenizer()
    (ids,) = packing.documents(tokenizer, ["the film"])
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "the", "film", "[SEP]"]
    tokenizer.bos_token = None
    (ids,) = packing.documents(tokenizer, ["the film"])
    assert tokenizer.convert_ids_to_tokens(ids) == ["[SEP]", "the", "film", "[SEP]"]
    tokenizer.eos_token = None
    with pytest.raises(ValueError, match="no end token"):
        packing.documents(tokenizer, ["the film"])
