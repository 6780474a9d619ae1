"""The synonym table written for this project: which word may stand for which, in the form in which it was met."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.home import shipped

PARTS_OF_SPEECH = ("adjective", "adverb", "noun", "verb")
_VOWELS = "aeiou"
_VERB_SLOTS = ("base", "s", "past", "participle", "ing")


@dataclass(frozen=True)
class Table:
    """`words`: part of speech -> word -> what may stand for it. `verbs` and `plurals` are the irregular forms; nothing
    stands for a form in `never`, which is met in too many senses."""

    words: Mapping[str, Mapping[str, tuple[str, ...]]]
    verbs: Mapping[str, tuple[str, ...]]
    plurals: Mapping[str, str]
    never: frozenset[str]

    @property
    def headwords(self) -> int:
        """Words for which something may stand."""
        return sum(
            word not in self.never and " " not in word for words in self.words.values() for word in words
        )

    def forms(self, part_of_speech: str, word: str) -> dict[str, str]:
        """Slot -> the word in that form: `plural` -> houses, `past` -> chose."""
        if part_of_speech == "noun":
            return {"singular": word, "plural": self.plurals.get(word) or _with_s(word)}
        if part_of_speech == "verb":
            return dict(zip(_VERB_SLOTS, (word, *(self.verbs.get(word) or _verb_forms(word)))))
        return {"base": word}


@dataclass(frozen=True)
class Sense:
    """One way to read a form that was met. `finite` marks verb forms that nouns share: help, helps."""

    part_of_speech: str
    finite: bool
    synonyms: tuple[str, ...]


@functools.cache
def senses() -> Mapping[str, tuple[Sense, ...]]:
    """Form -> its readings, one for each part of speech in which something can stand for it."""
    table = read_table()
    found: dict[str, dict[str, Sense]] = {}
    for part in PARTS_OF_SPEECH:
        by_form: dict[str, list[tuple[str, str]]] = {}
        for word in table.words[part]:
            if " " not in word and "-" not in word:
                for slot, form in table.forms(part, word).items():
                    by_form.setdefault(form, []).append((word, slot))
        for form, readings in by_form.items():
            synonyms = _synonyms(table, part, form, readings)
            if synonyms and form not in table.never:
                finite = part == "verb" and any(slot in ("base", "s") for _, slot in readings)
                found.setdefault(form, {})[part] = Sense(part, finite, synonyms)
    return {form: tuple(by_part.values()) for form, by_part in found.items()}


def _synonyms(table: Table, part: str, form: str, readings: list[tuple[str, str]]) -> tuple[str, ...]:
    """What fits each reading of the form: `picked` may be past or participle, so `chose` can't stand for it."""
    slots = {slot for _, slot in readings}
    words = dict.fromkeys(other for word, _ in readings for other in table.words[part][word])
    fitting: list[str] = []
    for word in words:
        forms = {table.forms(part, word)[slot] for slot in slots}
        if len(forms) == 1 and form not in forms:
            fitting += forms
    return tuple(sorted(set(fitting)))


@functools.cache
def read_table(path: Path | None = None) -> Table:
    """The shipped table, or another file of the same form. ValueError names the line that can't be read."""
    path = path or shipped("assets") / "augmentation" / "synonyms.txt"
    words: dict[str, dict[str, list[str]]] = {part: {} for part in PARTS_OF_SPEECH}
    verbs: dict[str, tuple[str, ...]] = {}
    plurals: dict[str, str] = {}
    never: set[str] = set()
    for number, section, line in _lines(path):
        if section in words:
            for word, others in _pairs(line):
                known = words[section].setdefault(word, [])
                known += [other for other in others if other not in known]
            continue
        if section == "never":
            never.update(word.strip() for word in line.split(","))
            continue
        word, _, rest = line.partition(":")
        forms = tuple(form.strip() for form in rest.split(","))
        if section == "verb forms" and len(forms) == len(_VERB_SLOTS) - 1:
            verbs[word] = forms
        elif section == "plural" and len(forms) == 1 and forms[0]:
            plurals[word] = forms[0]
        else:
            raise ValueError(f"{path.name}, line {number}: {line!r} does not belong under [{section}]")
    whole = {part: {word: tuple(others) for word, others in found.items()} for part, found in words.items()}
    return Table(whole, verbs, plurals, frozenset(never))


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    section = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            yield number, section, line


def _pairs(line: str) -> list[tuple[str, list[str]]]:
    head, arrow, rest = line.partition(">")
    words = [word.strip() for word in (rest if arrow else line).split(",")]
    if arrow:
        return [(head.strip(), words)]
    return [(word, [other for other in words if other != word]) for word in words]


def _verb_forms(verb: str) -> tuple[str, str, str, str]:
    """help -> helps, helped, helped, helping; with the rules for e, y and a doubled last letter."""
    stem = verb + verb[-1] if _doubles(verb) else verb
    if verb.endswith("e"):
        past, ing = verb + "d", verb + "ing" if verb.endswith(("ee", "oe", "ye")) else verb[:-1] + "ing"
    elif verb.endswith("y") and verb[-2] not in _VOWELS:
        past, ing = verb[:-1] + "ied", verb + "ing"
    else:
        past, ing = stem + "ed", stem + "ing"
    return _with_s(verb), past, past, ing


def _doubles(word: str) -> bool:
    """One syllable that ends in consonant, vowel, consonant: chop, grin, stir."""
    if len(word) < 3 or word[-1] in _VOWELS + "wxy" or word[-2] not in _VOWELS or word[-3] in _VOWELS:
        return False
    return sum(letter in _VOWELS for letter in word) == 1


def _with_s(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in _VOWELS:
        return word[:-1] + "ies"
    return word + "s"
