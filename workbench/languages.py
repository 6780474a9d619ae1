"""The languages of the page: catalogues of English messages and their translations, one file per language in assets/languages.

English needs none: it is what the code says. A catalogue goes to the browser, which translates the page where it stands.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from workbench import lessons
from workbench.glossary import glossary
from workbench.home import shipped
from workbench.lessons import LANGUAGES
from workbench.options import unknown_names

ENGLISH = "en"
SHORT: Mapping[str, str] = {"en": "EN", "zh": "中文"}


def translated() -> tuple[str, ...]:
    """The languages that have a catalogue."""
    folder = shipped("assets") / "languages"
    return tuple(name for name in LANGUAGES if (folder / f"{name}.json").is_file())


def catalogue(language: str) -> Mapping[str, str]:
    """Translations by English message. ValueError for a language without a file."""
    if language not in translated():
        raise ValueError(unknown_names("language", [language], list(translated())))
    text = (shipped("assets") / "languages" / f"{language}.json").read_text(encoding="utf-8")
    return {str(message): str(said) for message, said in json.loads(text).items()}


@functools.cache
def document(language: str) -> bytes:
    """What the browser needs: the catalogue, and each word of the glossary with both explanations."""
    known = catalogue(language)
    english = glossary(ENGLISH)
    words = [
        {
            "words": [one.word, *one.also],
            "text": one.text,
            "english": [english[key].word, *english[key].also],
            "explained": english[key].text,
        }
        for key, one in glossary(language).items()
        if key in english
    ]
    # What the lessons' own words say in both languages stands on other tabs too: in the atlas, for one.
    words_of: Any = lessons.words
    own, theirs = words_of(language), words_of(ENGLISH)
    said = {text: own[name] for name, text in theirs.items() if isinstance(text, str)}
    said |= {text: own["columns"][name] for name, text in theirs["columns"].items()}
    value = {"messages": {**said, **known}, "glossary": words}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def version(language: str) -> str:
    """Changes with the content, so that a browser may keep what it got."""
    return hashlib.sha256(document(language)).hexdigest()[:12]
