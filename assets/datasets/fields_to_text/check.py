"""Which fields of a `fields_to_text` prompt a text leaves unsaid, and which values it says that the prompt lacks."""

import re
import tomllib
from pathlib import Path
from typing import Any

GRAMMAR: dict[str, Any] = tomllib.loads((Path(__file__).resolve().parent / "frames.toml").read_text("utf-8"))


def fields_of(prompt: str) -> dict[str, str]:
    """`name: The Blue Door | food: soup` as field -> value."""
    return dict(item.split(": ", 1) for item in prompt.split(" | "))


def wordings(domain: str, field: str, value: str) -> list[str]:
    """All ways in which a value may be said."""
    known = GRAMMAR[domain]["values"][field]
    said = known.get(value, value) if isinstance(known, dict) else value
    if isinstance(said, dict):
        return list(said.values())
    return said if isinstance(said, list) else [said]


def says(text: str, wording: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(wording)}(?!\w)", text, re.I) is not None


def missing(prompt: str, text: str) -> list[str]:
    """Fields of the prompt that the text doesn't realise."""
    values = fields_of(prompt)
    domain = "restaurant" if "name" in values else "weather"
    return [f for f, v in values.items() if not any(says(text, w) for w in wordings(domain, f, v))]


def invented(prompt: str, text: str) -> list[str]:
    """Known values, as `field: value`, that the text says and the prompt doesn't."""
    values = fields_of(prompt)
    domain = "restaurant" if "name" in values else "weather"
    key = GRAMMAR[domain]["key"]
    text = re.sub(rf"(?<!\w){re.escape(values[key])}(?!\w)", "", text, flags=re.I)
    others = [
        (field, value)
        for field, known in GRAMMAR[domain]["values"].items()
        for value in known
        if field != key and values.get(field) != value
    ]
    return [f"{f}: {v}" for f, v in others if any(says(text, w) for w in wordings(domain, f, v))]
