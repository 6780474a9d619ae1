"""The glossary: words of fine-tuning with a plain explanation each, one file per language, the same keys in all."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from workbench.home import shipped
from workbench.options import unknown_names


@dataclass(frozen=True)
class Entry:
    """A word, other ways in which texts say it, and what it means."""

    key: str
    word: str
    text: str
    also: tuple[str, ...] = ()


@functools.cache
def glossary(language: str) -> Mapping[str, Entry]:
    """Every entry by its key, in the order of the file. ValueError for a language without a file."""
    path = shipped("assets") / "glossary" / f"{language}.toml"
    if not path.is_file():
        raise ValueError(
            unknown_names("language", [language], sorted(p.stem for p in path.parent.glob("*.toml")))
        )
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        key: Entry(key, entry["word"], entry["text"], tuple(entry.get("also", ())))
        for key, entry in values.items()
    }


def entry(key: str, language: str) -> Entry:
    """One entry. ValueError names the nearest keys."""
    known = glossary(language)
    if key not in known:
        raise ValueError(unknown_names("glossary key", [key], list(known)))
    return known[key]


def pieces(text: str, language: str) -> Iterator[str | tuple[str, Entry]]:
    """Plain text cut at the first mention of each word of the glossary: texts, and pairs of the words said and the entry."""
    seen: set[str] = set()
    place = 0
    by_word = _by_word(language)
    for found in _pattern(language).finditer(text):
        entry = by_word[found[0].lower()]
        if entry.key in seen:
            continue
        seen.add(entry.key)
        if found.start() > place:
            yield text[place : found.start()]
        yield found[0], entry
        place = found.end()
    if place < len(text):
        yield text[place:]


@functools.cache
def _by_word(language: str) -> Mapping[str, Entry]:
    entries = glossary(language).values()
    return {word.lower(): entry for entry in entries for word in (entry.word, *entry.also)}


@functools.cache
def _pattern(language: str) -> re.Pattern[str]:
    """The longest words first. Chinese writes no spaces, so there a word has no edges."""
    words = sorted(_by_word(language), key=len, reverse=True)
    either = "|".join(re.escape(word) for word in words)
    edges = (r"(?<![\w-])", r"(?![\w-])") if language != "zh" else ("", "")
    return re.compile(f"{edges[0]}(?:{either}){edges[1]}", re.IGNORECASE)
