"""Two texts word by word: what one says that the other doesn't, marked by underline or strike-through as well as colour."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Literal

from markupsafe import Markup

Kind = Literal["same", "added", "removed"]
MOST_WORDS = 600
# With less in common than this, marks would cover the whole text and tell nothing.
LEAST_SHARED = 0.15


def differences(base: str, text: str) -> list[tuple[Kind, str]]:
    """`text` in pieces, with what `base` has besides; words that follow each other are one piece, with their spaces."""
    old, new = _words(base), _words(text)
    rest = new[MOST_WORDS:]
    old, new = old[:MOST_WORDS], new[:MOST_WORDS]
    pieces: list[tuple[Kind, str]] = []
    for kind, a, b, c, d in _matcher(old, new).get_opcodes():
        if kind == "equal":
            pieces.append(("same", "".join(new[c:d])))
            continue
        if b > a:
            pieces.append(("removed", "".join(old[a:b])))
        if d > c:
            pieces.append(("added", "".join(new[c:d])))
    if rest:
        pieces.append(("same", "".join(rest)))
    return pieces


def shared(base: str, text: str) -> float:
    """The share of words in common, in order, from 0 to 1."""
    return _matcher(_words(base)[:MOST_WORDS], _words(text)[:MOST_WORDS]).ratio()


def marked(base: str, text: str, *, removed: bool = True) -> Markup:
    """The text with what it adds to `base` as <ins> and what it leaves out as <del>."""
    frames = {"same": Markup("{}"), "added": Markup("<ins>{}</ins>"), "removed": Markup("<del>{}</del>")}
    drawn, before = Markup(""), ""
    for kind, piece in differences(base, text):
        if kind == "removed" and not removed:
            continue
        # A word that one text ends with has no space behind it, yet others follow here.
        if before and not before[-1].isspace() and before[-1].isascii():
            drawn += " "
        core = piece.rstrip()
        drawn += frames[kind].format(core) + piece[len(core) :]
        before = piece
    return drawn


def _matcher(old: Sequence[str], new: Sequence[str]) -> difflib.SequenceMatcher[str]:
    """By words alone: the last one of a text has no space behind it."""
    return difflib.SequenceMatcher(None, [w.rstrip() for w in old], [w.rstrip() for w in new], autojunk=False)


def _words(text: str) -> list[str]:
    """Words with their punctuation and the spaces behind; a character each where a script writes without spaces."""
    return re.findall(r"[\u3040-\u30ff\u3400-\u9fff]\s*|[^\s\u3040-\u30ff\u3400-\u9fff]+\s*", text)
