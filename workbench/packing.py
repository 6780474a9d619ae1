"""Texts as token ids: whole documents between marks for begin and end, and windows of equal length cut from them.

Packing for `workbench pretrain`, which keeps whole corpora in files, is in corpus.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def documents(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Each text between its marks; where a tokenizer has no mark for the begin, the end of the text before stands there.

    ValueError where it has no end token: nothing would part one text from the next.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise ValueError(
            "this model's tokenizer has no end token, which stands between two texts: choose another model"
        )
    begin = end if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if not texts:
        return []
    found = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return [[begin, *ids, end] for ids in found]


def windows(ids: Sequence[Sequence[int]], length: int) -> list[list[int]]:
    """All documents end to end, cut into windows of `length` tokens; the last one is as long as what is left.

    A window begins with the token that the one before ended with, so that every token but the very first is told from
    another exactly once.
    """
    stream: list[int] = []
    for document in ids:
        # One mark between two documents is enough where the same token ends the one and begins the other.
        joined = stream and document[0] == stream[-1]
        stream += document[1:] if joined else document
    step = length - 1
    return [stream[begin : begin + length] for begin in range(0, max(1, len(stream) - 1), step)]


def reading_windows(count: int, length: int) -> list[tuple[int, int, int]]:
    """How a document of `count` tokens is read through windows of `length`: (begin, end, first token told).

    Each token but the first is told once, and from the second window on with half a window of text before it.
    """
    found, told, begin = [], 1, 0
    while told < count:
        end = min(count, begin + length)
        found.append((begin, end, told))
        told, begin = end, end - max(1, length // 2)
    return found
