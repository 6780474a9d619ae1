"""Which of the rates that a search tried becomes a method's default: the best one, kept at a distance from collapse."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

SAME = 1.06  # rates this close are one rate, rounded differently
DISTANCE = 10.0
LEARNT = 0.25
"""A method has learnt a task when it gained this share of the best method's gain: else all its rates look collapsed."""


@dataclass(frozen=True)
class Tried:
    """One rate on one task; `score` is the validation part's, None where training diverged."""

    learning_rate: float
    score: float | None


@dataclass(frozen=True)
class Range:
    """The scores of a task from nothing learnt to the best of all methods, on a scale on which differences count alike:
    perplexities by their logarithm."""

    low: float
    high: float
    better: str

    def gain(self, score: float | None) -> float:
        """0 for nothing learnt or diverged, 1 for the best."""
        if score is None or self.high == self.low:
            return 0.0
        return min(1.0, max(0.0, (_scale(score, self.better) - self.low) / (self.high - self.low)))


def score_ranges(
    methods: Iterable[Mapping[str, Sequence[Tried]]], better: Mapping[str, str]
) -> dict[str, Range]:
    """Of each task, over all trials of all methods."""
    scores: dict[str, list[float]] = {}
    for tasks in methods:
        for task, tried in tasks.items():
            scores.setdefault(task, []).extend(
                _scale(one.score, better[task]) for one in tried if one.score is not None
            )
    return {task: Range(min(found), max(found), better[task]) for task, found in scores.items() if found}


def safe_rate(best: float, tasks: Mapping[str, Sequence[Tried]], ranges: Mapping[str, Range]) -> float:
    """The best rate, but at most a tenth of the lowest at which training collapsed on a task that the method can learn:
    it lost over half of what it gained there at its best. Longer runs collapse at lower rates than a short search: LoRA
    on `reviews` reaches 81 % of the validation rows after 50 steps at 6.3e-3 and 65 % of the test rows after 160.
    Two significant digits.

    >>> tried = [Tried(0.002, 0.75), Tried(0.0063, 0.81), Tried(0.02, 0.5)]
    >>> safe_rate(0.0063, {"a": tried}, {"a": Range(0.5, 0.81, "higher")})
    0.002
    """
    collapsed = [rate for task, tried in tasks.items() for rate in _collapsed(tried, ranges[task])]
    return float(f"{min([best, *(rate / DISTANCE for rate in collapsed)]):.1e}")


def _collapsed(tried: Sequence[Tried], scores: Range) -> list[float]:
    gains = {one.learning_rate: scores.gain(one.score) for one in tried}
    top = max(gains.values(), default=0.0)
    if top < LEARNT:
        return []
    at = max(gains, key=lambda rate: gains[rate])
    return [rate for rate, gain in gains.items() if rate > at and gain < top / 2]


def _scale(score: float, better: str) -> float:
    return score if better == "higher" else -math.log(score)


def best_rate(tasks: Mapping[str, Sequence[Tried]], better: Mapping[str, str]) -> float:
    """The rate with the least regret on average, among those tried on every task; where no rate was, the geometric mean
    of each task's best. Regret is what a rate's score lacks of the method's best on that task, as a share of the range of
    its trials; of equal ones the first tried. Two significant digits.

    >>> best_rate({"a": [Tried(0.001, 0.7), Tried(0.003, 0.8)], "b": [Tried(0.003, 0.5)]}, {"a": "higher", "b": "higher"})
    0.003
    """
    regrets = {task: regrets_of(tried, better[task]) for task, tried in tasks.items()}
    first, *others = regrets.values()
    common = {
        rate: [regret, *(_near(other, rate) for other in others)]
        for rate, regret in first.items()
        if all(_near(other, rate) is not None for other in others)
    }
    if common:
        rate = min(common, key=lambda one: fmean(r for r in common[one] if r is not None))
    else:
        best = [min(each, key=lambda one: (each[one], one)) for each in regrets.values()]
        rate = math.exp(fmean(math.log(one) for one in best))
    return float(f"{rate:.1e}")


def regrets_of(tried: Sequence[Tried], better: str) -> dict[float, float]:
    """0 for the best rate of a task, 1 for its worst and for one that diverged."""
    sign = 1 if better == "higher" else -1
    scores = [sign * one.score for one in tried if one.score is not None]
    top, low = max(scores, default=0.0), min(scores, default=0.0)
    return {
        one.learning_rate: 1.0 if one.score is None else (top - sign * one.score) / ((top - low) or 1.0)
        for one in tried
    }


def _near(regrets: Mapping[float, float], rate: float) -> float | None:
    return next((regret for other, regret in regrets.items() if same_rate(other, rate)), None)


def same_rate(one: float, other: float) -> bool:
    """Whether two rates are the same but for rounding to a digit or two.

    >>> same_rate(0.00316, 0.003), same_rate(0.003, 0.001)
    (True, False)
    """
    return max(one, other) / min(one, other) < SAME
