"""Blind votes on answers of runs: kept in the store's folder, ranked with intervals, and made into preference data."""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from workbench import judgements
from workbench.bradley_terry import Chosen, Strength, grouped, strengths
from workbench.result import Run
from workbench.store import Store

BASE = "base"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ID = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True)
class Vote:
    """One choice among answers to one prompt. `answers` are texts by who gave them (run ids or `base`) in the order in
    which they were shown, `best` who gave the chosen one; None says that none was better."""

    setting_id: str
    prompt: str
    answers: Mapping[str, str]
    best: str | None
    reader: str = ""
    owner: str = ""
    at: float = field(default_factory=time.time)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        if len(self.answers) < 2:
            raise ValueError(f"a vote is among two answers or more, not {len(self.answers)}")
        if self.best is not None and self.best not in self.answers:
            raise ValueError(f"the best of a vote is one of those shown, not {self.best!r:.40}")


@dataclass(frozen=True)
class Ranking:
    """Strengths, the strongest first, and how many votes of how many readers they rest on."""

    strengths: tuple[Strength, ...]
    votes: int
    readers: int


def shuffled(keys: Sequence[str], seed: int | None = None) -> list[str]:
    """The order in which answers are shown under letters, anew for each question."""
    order = list(keys)
    random.Random(seed).shuffle(order)
    return order


def add(store: Store, vote: Vote) -> None:
    """Keep a vote."""
    judgements.append(_path(store, vote.setting_id), asdict(vote))


def votes(store: Store, setting_id: str, owner: str | None = None) -> list[Vote]:
    """All votes on a setting's runs, or those of one visitor, the oldest first."""
    found = _read(_path(store, setting_id))
    return [vote for vote in found if owner is None or vote.owner == owner]


def stamp(store: Store, setting_id: str) -> int:
    """Changes with every vote on the setting's runs."""
    path = _path(store, setting_id)
    return path.stat().st_mtime_ns if path.is_file() else 0


def take_back(store: Store, vote: Vote) -> bool:
    """Forget a vote; False where it is gone already."""
    return judgements.forget(_path(store, vote.setting_id), asdict(vote))


def forget_owner(store: Store, owner: str) -> int:
    """All votes of one visitor, on every setting. Returns how many there were."""
    return sum(
        judgements.forget_where(path, lambda line: line.get("owner") == owner)
        for path in (store.folder / "votes").glob("*.jsonl")
    )


def ranking(found: Sequence[Vote]) -> Ranking:
    """By run, the base among them."""
    return Ranking(tuple(strengths(_chosen(found))), len(found), len({vote.reader for vote in found}))


def by_choice(found: Sequence[Vote], runs: Sequence[Run]) -> dict[str, Strength]:
    """Strengths of the rows of a comparison: choice id -> strength over all its seeds; `base` for the base model."""
    groups = {run.id: run.spec.choice.id for run in runs} | {BASE: BASE}
    return {one.name: one for one in strengths(grouped(_chosen(found), groups))}


def column(store: Store, setting_id: str, owner: str | None = None) -> dict[str, Strength]:
    """The blind-vote column of a setting's table, by choice id; empty where nobody has voted."""
    found = votes(store, setting_id, owner)
    return by_choice(found, store.runs(setting_id=setting_id, owner=owner)) if found else {}


def preferences(found: Sequence[Vote]) -> list[dict[str, str]]:
    """Preference rows: the chosen answer against each other one. Ties are left out."""
    return judgements.preference_rows(
        (vote.prompt, vote.answers[vote.best], other)
        for vote in found
        if vote.best is not None
        for other in vote.answers.values()
    )


def _chosen(found: Sequence[Vote]) -> list[Chosen]:
    return [Chosen(tuple(vote.answers), vote.best, vote.reader) for vote in found]


def _path(store: Store, setting_id: str) -> Path:
    if not _ID.fullmatch(setting_id):
        raise ValueError(f"a setting's id is hex digits, not {setting_id!r:.40}")
    return store.folder / "votes" / f"{setting_id}.jsonl"


def _read(path: Path) -> Iterator[Vote]:
    """What is no vote is left out."""
    for values in judgements.read(path):
        try:
            yield Vote(**values)
        except (ValueError, TypeError):
            continue
