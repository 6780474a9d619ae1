"""New texts by small edits of words: synonyms, and the random insertion, swap and deletion of "easy data augmentation"."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workbench.data.augmenter import Augmenter, Progress
from workbench.data.clean import key
from workbench.data.synonyms import Sense, senses
from workbench.options import Options, option


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


OPERATIONS = ("replace", "insert", "swap", "delete")
NEGATIONS = _set_of(
    "no not never none nothing nobody nowhere neither nor without hardly barely scarcely cannot"
    " cant dont doesnt didnt isnt arent wasnt werent wont wouldnt couldnt shouldnt aint"
)
_BEFORE_NOUNS = _set_of(
    "a an the this that these those my your his her its our their some any each every no another which whose"
)
_BEFORE_VERBS = _set_of(
    "to i we they you he she it who will would can could should must may might do does did"
    " don't doesn't didn't won't can't couldn't wouldn't"
)
_PARTICLES = _set_of(
    "up out off on in down away over back around about along through into onto at after for by with of to"
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
# A chunk that holds one of these is an address, a tag, a place holder or code: nothing in it is a plain word.
_NOT_PROSE = re.compile(r"\S*[@#/\\<>{}\[\]_=`^|~\d]\S*|\S*\w[-.:]\w\S*")
_SILENT_H = ("hon", "hour", "heir")
_LIKE_YOU = ("uni", "use", "usu", "uti", "eu", "one", "once")
_TRIES = 6


@dataclass(frozen=True)
class WordEdits(Options):
    """What is changed, and how much of it."""

    share: float = option(
        0.15, "Share of the words that is changed in each new text.", min=0.01, max=0.6, step=0.01
    )
    copies: int = option(1, "New rows for each row.", min=1, max=16)
    operations: tuple[str, ...] = option(
        ("replace",),
        "replace: synonyms; insert: synonyms of words put elsewhere; swap: two words; delete: single words. Each new"
        " row is made by one of them, in turn.",
        choices=OPERATIONS,
    )
    keep: tuple[str, ...] = option((), "Words that are never touched, besides label names and negations.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.operations:
            raise ValueError(f"operations is at least one of {', '.join(OPERATIONS)}")


@dataclass(frozen=True)
class Word:
    """A word in its text. `free` ones may be moved or left out, `senses` say what may stand for it there."""

    text: str
    start: int
    end: int
    free: bool
    senses: tuple[Sense, ...] = ()


def rewrite(
    texts: Sequence[str],
    kept: Sequence[frozenset[str]],
    options: WordEdits,
    seed: int,
    progress: Progress | None = None,
) -> list[list[str]]:
    """Each text's new ones depend on itself and the seed alone: those of a smaller training part lie within those of
    a larger one."""
    own = frozenset(word.casefold() for word in options.keep)
    found = []
    for number, (text, words) in enumerate(zip(texts, kept), start=1):
        found.append(_variants(text, own | words, options, random.Random(f"{seed}:{text}")))
        if progress is not None and (number % 500 == 0 or number == len(texts)):
            progress(number, len(texts))
    return found


def _variants(text: str, kept: frozenset[str], options: WordEdits, draw: random.Random) -> list[str]:
    words = read_words(text, kept)
    seen = {key(text)}
    found: list[str] = []
    for copy in range(options.copies):
        edit = _EDITS[options.operations[copy % len(options.operations)]]
        for _ in range(_TRIES):
            new = edit(text, words, max(1, round(options.share * len(words))), draw) if words else text
            if key(new) not in seen:
                seen.add(key(new))
                found.append(new)
                break
    return found


def read_words(text: str, kept: frozenset[str]) -> list[Word]:
    """The plain words of a text, and which of them may be changed how."""
    closed = [match.span() for match in _NOT_PROSE.finditer(text)]
    plain = [m for m in _WORD.finditer(text) if not any(start <= m.start() < end for start, end in closed)]
    words = []
    for place, match in enumerate(plain):
        word = match.group()
        before = [m.group().casefold() for m in plain[max(0, place - 2) : place]]
        after = plain[place + 1].group().casefold() if place + 1 < len(plain) else ""
        free = word.casefold() not in kept and not is_negation(word)
        fitting = () if not free or _is_name(text, match) else _fitting(word, before, after)
        words.append(Word(word, match.start(), match.end(), free, fitting))
    return words


def is_negation(word: str) -> bool:
    plain = word.casefold().replace("’", "'")
    return plain in NEGATIONS or plain.endswith("n't")


def _is_name(text: str, match: re.Match[str]) -> bool:
    """A capital within a sentence, or mixed capitals."""
    word = match.group()
    if word.islower() or (word.isupper() and text.isupper()):
        return False
    if not word.istitle():
        return True
    lead = text[: match.start()].rstrip(" \t\"'“‘([*")
    return bool(lead) and lead[-1] not in ".!?:;\n–—"


def _fitting(word: str, before: Sequence[str], after: str) -> tuple[Sense, ...]:
    """The senses that the neighbours allow; none where they leave several, or where a negation stands close before."""
    if any(is_negation(other) for other in before):
        return ()
    last = before[-1] if before else ""
    allowed = [sense for sense in senses().get(word.casefold(), ()) if _allows(sense, last, after)]
    return tuple(allowed) if len(allowed) == 1 else ()


def _allows(sense: Sense, before: str, after: str) -> bool:
    if sense.part_of_speech == "verb":
        if after in _PARTICLES or before in _BEFORE_NOUNS:
            return False
        return not sense.finite or before in _BEFORE_VERBS
    if sense.part_of_speech == "noun":
        return before not in _BEFORE_VERBS
    return True


def _replace(text: str, words: Sequence[Word], number: int, draw: random.Random) -> str:
    choices = [place for place, word in enumerate(words) if word.senses]
    chosen = draw.sample(choices, min(number, len(choices)))
    new = {
        place: in_case(draw.choice(words[place].senses[0].synonyms), words[place].text) for place in chosen
    }
    return _assembled(text, words, new)


def _insert(text: str, words: Sequence[Word], number: int, draw: random.Random) -> str:
    """A synonym of a random word before another random word."""
    choices = [word for word in words if word.senses]
    # Nothing goes in front of the first word, whose capital says that a sentence begins.
    places = range(1, len(words))
    if not choices or not places:
        return text
    new: dict[int, str] = {}
    for _ in range(number):
        place = draw.choice(places)
        synonym = draw.choice(draw.choice(choices).senses[0].synonyms)
        new[place] = f"{synonym} {new.get(place, words[place].text)}"
    return _assembled(text, words, new)


def _swap(text: str, words: Sequence[Word], number: int, draw: random.Random) -> str:
    free = [place for place, word in enumerate(words) if word.free]
    if len(free) < 2:
        return text
    order = list(range(len(words)))
    for _ in range(number):
        one, other = draw.sample(free, 2)
        order[one], order[other] = order[other], order[one]
    new = {place: in_case(words[source].text, words[place].text) for place, source in enumerate(order)}
    return _assembled(text, words, {place: word for place, word in new.items() if order[place] != place})


def _delete(text: str, words: Sequence[Word], number: int, draw: random.Random) -> str:
    free = [place for place, word in enumerate(words) if word.free]
    gone = draw.sample(free, min(number, len(free), len(words) - 1))
    return _assembled(text, words, dict.fromkeys(gone, ""))


def _assembled(text: str, words: Sequence[Word], new: dict[int, str]) -> str:
    """The text with some words replaced, the article before each set right, and no double spaces where one is gone."""
    written, at = "", 0
    for place, word in enumerate(words):
        written = _joined(written, text[at : word.start])
        follows = new.get(place + 1)
        if place in new:
            written += new[place]
        elif (
            follows and word.text.casefold() in ("a", "an") and text[word.end : words[place + 1].start] == " "
        ):
            written += in_case(article(follows), word.text)
        else:
            written += word.text
        at = word.end
    return _joined(written, text[at:])


def _joined(written: str, more: str) -> str:
    """One of two spaces goes, and the space before a full stop or comma."""
    if written and not written[-1].isspace():
        return written + more
    more = more.lstrip(" ")
    return (written.rstrip(" ") if more[:1] in (".", ",", "!", "?", ";", ":") else written) + more


def article(word: str) -> str:
    """a or an, by how the word begins to sound."""
    low = word.casefold()
    if low.startswith(_SILENT_H):
        return "an"
    return "an" if low[:1] in "aeiou" and not low.startswith(_LIKE_YOU) else "a"


def in_case(word: str, like: str) -> str:
    """The word with capitals as in `like`: none, the first letter, or all."""
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if like[:1].isupper() and like != "I" else word


_EDITS: dict[str, Callable[[str, Sequence[Word], int, random.Random], str]] = {
    "replace": _replace,
    "insert": _insert,
    "swap": _swap,
    "delete": _delete,
}

AUGMENTER = Augmenter(
    name="synonyms",
    title="Synonyms and word edits",
    card=(
        "Copies training rows with some words exchanged for synonyms from a small English table; if asked, words are also"
        " inserted, swapped or left out (Wei & Zou 2019). It helps most with fewer than about 500 rows."
    ),
    options=WordEdits,
    rewrite=rewrite,
)
