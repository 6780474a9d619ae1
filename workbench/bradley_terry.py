"""Ranks what readers chose among: strengths after Bradley and Terry (for more than two after Luce), with their intervals.

A choice of one among several tells its probability by the strengths of all that were shown; a tie counts for all alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# Strengths are drawn to the middle by as much as a guess of two units' spread would: with a handful of votes the one
# that won all of them would else be infinitely strong.
PRIOR_SPREAD = 2.0
STEPS, CLOSE = 50, 1e-10
TWO_SIDED = 1.959964


@dataclass(frozen=True)
class Chosen:
    """One vote: what was shown, and the best of it; None where none was better. `reader` is who voted."""

    shown: tuple[str, ...]
    best: str | None
    reader: str = ""


@dataclass(frozen=True)
class Strength:
    """On a scale of logits with the mean at 0: a difference of 1.1 means chosen three times as often, one against one.

    `low` and `high` bound it with 95 %. `wins` counts votes for it, `ties` those without a best, `shown` all.
    """

    name: str
    strength: float
    low: float
    high: float
    wins: int
    ties: int
    shown: int


def strengths(votes: Sequence[Chosen]) -> list[Strength]:
    """The strongest first. The interval is the wider of two: by the number of votes alone, and by how readers differ."""
    votes = [vote for vote in votes if len(set(vote.shown)) > 1]
    names = sorted({name for vote in votes for name in vote.shown})
    if not votes:
        return []
    place = {name: i for i, name in enumerate(names)}
    shown = np.zeros((len(votes), len(names)), dtype=bool)
    wanted = np.zeros((len(votes), len(names)))
    for row, vote in enumerate(votes):
        there = [place[name] for name in set(vote.shown)]
        shown[row, there] = True
        for i in there if vote.best is None else [place[vote.best]]:
            wanted[row, i] = 1 / len(there) if vote.best is None else 1.0
    found = _most_likely(shown, wanted)
    spread = _spread(found, shown, wanted, [vote.reader for vote in votes])
    counts = {name: _counts(votes, name) for name in names}
    return sorted(
        (
            Strength(name, float(s), float(s - TWO_SIDED * d), float(s + TWO_SIDED * d), *counts[name])
            for name, s, d in zip(names, found - found.mean(), spread)
        ),
        key=lambda one: -one.strength,
    )


def grouped(votes: Sequence[Chosen], groups: Mapping[str, str]) -> list[Chosen]:
    """The same votes on groups of what was shown, such as the method of a run; what is in no group is left out. A best
    that stood beside another of its own group still wins for the group."""
    found = []
    for vote in votes:
        among = tuple(dict.fromkeys(groups[name] for name in vote.shown if name in groups))
        best = groups.get(vote.best) if vote.best is not None else None
        if len(among) > 1 and (vote.best is None or best is not None):
            found.append(Chosen(among, best, vote.reader))
    return found


def _counts(votes: Sequence[Chosen], name: str) -> tuple[int, int, int]:
    mine = [vote for vote in votes if name in vote.shown]
    return sum(v.best == name for v in mine), sum(v.best is None for v in mine), len(mine)


def _shares(strength: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The probability of each choice in each vote."""
    scores = np.where(shown, strength, -np.inf)
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def _curvature(shares: np.ndarray) -> np.ndarray:
    return np.asarray(
        np.diag(shares.sum(axis=0)) - shares.T @ shares + np.eye(shares.shape[1]) / PRIOR_SPREAD**2
    )


def _most_likely(shown: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """By Newton's method with halved steps; the sum is concave, so there is one best."""
    strength = np.zeros(shown.shape[1])

    def worth(at: np.ndarray) -> float:
        told = np.log(np.maximum(_shares(at, shown), 1e-300))
        return float((wanted * told).sum() - (at**2).sum() / (2 * PRIOR_SPREAD**2))

    for _ in range(STEPS):
        shares = _shares(strength, shown)
        slope = (wanted - shares).sum(axis=0) - strength / PRIOR_SPREAD**2
        step = np.linalg.solve(_curvature(shares), slope)
        while worth(strength + step) < worth(strength) and np.abs(step).max() > CLOSE:
            step = step / 2
        strength = strength + step
        if np.abs(step).max() < CLOSE:
            break
    return strength


def _spread(
    strength: np.ndarray, shown: np.ndarray, wanted: np.ndarray, readers: Sequence[str]
) -> np.ndarray:
    """Standard deviations of the centred strengths."""
    shares = _shares(strength, shown)
    inverse = np.linalg.inv(_curvature(shares))
    count = len(strength)
    centre = np.eye(count) - np.ones((count, count)) / count
    by_votes = centre @ inverse @ centre
    spread = np.sqrt(np.maximum(np.diag(by_votes), 0))
    names = sorted(set(readers))
    if len(names) < 2:
        return np.asarray(spread)
    surprise = wanted - shares
    sums = np.stack([surprise[[r == name for r in readers]].sum(axis=0) for name in names])
    between = sums.T @ sums * len(names) / (len(names) - 1)
    by_readers = centre @ inverse @ between @ inverse @ centre
    return np.asarray(np.maximum(spread, np.sqrt(np.maximum(np.diag(by_readers), 0))))
