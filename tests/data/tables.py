"""Small tables for the tests of data: rows with two labels, and files of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

WORDS = ("lamp", "soup", "room", "film", "road", "staff", "phone", "garden", "train", "winter")


def rows(number: int = 60, labels: Sequence[str] = ("bad", "good"), start: int = 0) -> list[tuple[str, str]]:
    """Different texts, labels in turn."""
    return [
        (f"the {WORDS[i % 10]} of day {i} was noted in book {i * 7}", labels[i % len(labels)])
        for i in range(start, start + number)
    ]


def csv(pairs: Sequence[tuple[str, str]], header: str = "text,label") -> str:
    return "\n".join([header, *(f'"{text}",{label}' for text, label in pairs)]) + "\n"


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
