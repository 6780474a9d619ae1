"""A reader's ratings of pairs of answers: kept in the store's folder, counted, taken back, and made into preference data.

Which answer stood first is drawn anew for each pair, so that the order says nothing of who wrote it.
"""

from __future__ import annotations

import dataclasses
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench import judgements
from workbench.store import Store

FIRST, SECOND, TIE = "first", "second", "tie"
VERDICTS = (FIRST, SECOND, TIE)
MOST = 5_000
# One for each part of a data set: train, validation and test.
LEAST_PROMPTS = 3
_FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Said:
    """An answer, and who gave it: a run's id, or `base`."""

    who: str
    text: str


@dataclass(frozen=True)
class Pair:
    """Two answers to one prompt in the order in which they are shown."""

    prompt: str
    first: Said
    second: Said


@dataclass(frozen=True)
class Rating:
    """Which of a pair the reader found better: first, second, or tie."""

    pair: Pair
    verdict: str
    at: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"a verdict is one of {', '.join(VERDICTS)}, not {self.verdict!r:.40}")

    @property
    def better(self) -> Said | None:
        return {FIRST: self.pair.first, SECOND: self.pair.second}.get(self.verdict)

    @property
    def worse(self) -> Said | None:
        return {FIRST: self.pair.second, SECOND: self.pair.first}.get(self.verdict)


@dataclass
class Record:
    """Who has won, lost and tied how often."""

    won: int = 0
    lost: int = 0
    tied: int = 0

    @property
    def share(self) -> float | None:
        """Of the pairs against others, ties half; None where there were none."""
        count = self.won + self.lost + self.tied
        return (self.won + self.tied / 2) / count if count else None


def paired(prompt: str, one: Said, other: Said, draw: random.Random) -> Pair:
    """The two in an order that is drawn."""
    first, second = (one, other) if draw.random() < 0.5 else (other, one)
    return Pair(prompt, first, second)


def who_is_asked(among: Sequence[str], rated: Sequence[Rating], draw: random.Random) -> tuple[str, str]:
    """The two that answer next: of one alone two draws, of several those two that met least often so far."""
    if not among:
        raise ValueError("tick at least one that shall answer")
    if len(among) == 1:
        return among[0], among[0]
    met = {frozenset((r.pair.first.who, r.pair.second.who)): 0 for r in rated}
    for rating in rated:
        met[frozenset((rating.pair.first.who, rating.pair.second.who))] += 1
    couples = [(a, b) for place, a in enumerate(among) for b in among[place + 1 :]]
    least = min(met.get(frozenset(couple), 0) for couple in couples)
    return draw.choice([couple for couple in couples if met.get(frozenset(couple), 0) == least])


def next_prompt(
    prompts: Sequence[str], rated: Sequence[Rating], passed: Sequence[str], draw: random.Random
) -> str | None:
    """One that was rated least often so far and not passed over; None where all were passed over."""
    counts = dict.fromkeys((prompt for prompt in prompts if prompt not in set(passed)), 0)
    for rating in rated:
        if rating.pair.prompt in counts:
            counts[rating.pair.prompt] += 1
    if not counts:
        return None
    least = min(counts.values())
    return draw.choice([prompt for prompt, count in counts.items() if count == least])


def ratings(store: Store, fingerprint: str, owner: str | None) -> list[Rating]:
    """All of one visitor on the prompts of one data set, the oldest first. A torn last line is left out."""
    return list(_read(_path(store, fingerprint, owner)))


def add(store: Store, fingerprint: str, owner: str | None, rating: Rating) -> int:
    """Keep one more; gives their number."""
    if rating.pair.first.text == rating.pair.second.text:
        raise ValueError("Both answers are the same, so none can be better.")
    return judgements.append(_path(store, fingerprint, owner), asdict(rating), most=MOST)


def undo(store: Store, fingerprint: str, owner: str | None) -> Rating | None:
    """Take the newest back; None where there is none."""
    known = ratings(store, fingerprint, owner)
    if known:
        judgements.forget(_path(store, fingerprint, owner), asdict(known[-1]))
    return known[-1] if known else None


def tally(rated: Sequence[Rating]) -> dict[str, Record]:
    """Who has won and lost against others; two draws of the same model tell nothing of it."""
    found: dict[str, Record] = {}
    for rating in rated:
        first, second = rating.pair.first.who, rating.pair.second.who
        if first == second:
            continue
        for who in (first, second):
            record = found.setdefault(who, Record())
            if rating.better is None:
                record.tied += 1
            elif rating.better.who == who:
                record.won += 1
            else:
                record.lost += 1
    return found


def rows(rated: Sequence[Rating]) -> list[dict[str, str]]:
    """Preference rows; ties say nothing of what is better and are left out."""
    return judgements.preference_rows(
        (rating.pair.prompt, rating.better.text, rating.worse.text)
        for rating in rated
        if rating.better is not None and rating.worse is not None
    )


def prompts_of(prepared: Any) -> list[str]:
    """Prompts of the training part that can be asked by themselves, so that the test part stays unseen. Conversations of
    several turns are left out: a single prompt would not ask the same."""
    held_out = {row.get("prompt") for part in ("validation", "test") for row in prepared.rows[part]}
    found = (
        row["prompt"]
        for row in prepared.rows["train"]
        if "prompt" in row and not row.get("messages") and row["prompt"] not in held_out
    )
    return list(dict.fromkeys(found))


def _path(store: Store, fingerprint: str, owner: str | None) -> Path:
    if owner is not None and not (owner.isascii() and owner.isalnum()):
        raise ValueError("This visitor has no folder here.")
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(f"a fingerprint is hex digits, not {fingerprint!r:.40}")
    return store.folder / "feedback" / (owner or "own") / f"{fingerprint}.jsonl"


def _read(path: Path) -> Iterator[Rating]:
    for values in judgements.read(path):
        try:
            yield _rating(values)
        except (ValueError, KeyError, TypeError):
            continue


def _rating(values: Mapping[str, Any]) -> Rating:
    pair = values["pair"]
    return Rating(
        Pair(str(pair["prompt"]), Said(**pair["first"]), Said(**pair["second"])),
        values["verdict"],
        float(values["at"]),
    )


def unlike(pair: Pair) -> bool:
    """Whether there is anything to choose: white space alone makes no difference, and an empty answer is none."""
    texts = [" ".join(said.text.split()) for said in (pair.first, pair.second)]
    return texts[0] != texts[1] and all(texts)


def trimmed(pair: Pair) -> Pair:
    """Without white space around the answers, which the reader can't see."""
    first, second = (dataclasses.replace(said, text=said.text.strip()) for said in (pair.first, pair.second))
    return dataclasses.replace(pair, first=first, second=second)
