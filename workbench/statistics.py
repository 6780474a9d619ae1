"""Error bars and verdicts: what several seeds and the same test rows allow to be said, and what they don't."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POWER = 0.8


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% interval; `low` and `high` are None where one value alone says nothing of the spread."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def half_width(self) -> float | None:
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Difference:
    """First minus second on the same test rows; `p` is two-sided, bounds and `p` are None with one seed each.

    `spread` is the variance of a single difference, taken apart: between seeds, between rows, and what is left.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None
    seeds: int
    rows: int
    spread: tuple[float, float, float] | None = None


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Student's t over seeds."""
    numbers = np.asarray(values, dtype=float)
    n = len(numbers)
    if n == 0:
        raise ValueError("an interval needs at least one value")
    mean = float(numbers.mean())
    if n == 1:
        return Interval(mean, None, None, 1)
    half = _t(confidence, n - 1) * float(numbers.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def paired_difference(
    first: NDArray[np.float64], second: NDArray[np.float64], confidence: float = 0.95
) -> Difference:
    """Compare two methods on the same test rows, with seeds and rows both as sources of chance.

    `first` and `second` are seeds x rows, 1 where right. Each difference is a sum of a seed's, a row's and its own
    chance (two-way random effects), and the variance of the mean follows from the mean squares, erring on the wide
    side. With one seed each nothing can be said of the methods, so there are no bounds.
    """
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(f"both need the same seeds x rows, not {first.shape} and {second.shape}")
    seeds, rows = first.shape
    difference = first - second
    mean = float(difference.mean())
    if seeds < 2 or rows < 2:
        return Difference(mean, None, None, None, seeds, rows)
    by_seed, by_row = difference.mean(axis=1, keepdims=True), difference.mean(axis=0, keepdims=True)
    of_seeds = rows * float(by_seed.var(ddof=1))
    of_rows = seeds * float(by_row.var(ddof=1))
    rest = float(((difference - by_seed - by_row + mean) ** 2).sum()) / ((seeds - 1) * (rows - 1))
    variance, degrees = _variance_of_mean(of_seeds, of_rows, rest, seeds, rows)
    error = math.sqrt(variance)
    half = _t(confidence, degrees) * error
    p = _two_sided(mean / error, degrees) if error > 0 else (1.0 if mean == 0 else 0.0)
    spread = (max(0.0, (of_seeds - rest) / rows), max(0.0, (of_rows - rest) / seeds), rest)
    return Difference(mean, mean - half, mean + half, p, seeds, rows, spread)


def more_needed(
    difference: Difference, confidence: float = 0.95, limit: int = 100, power: float = POWER
) -> tuple[int | None, int | None]:
    """(seeds, test rows): how many more of one alone would tell the two apart if difference and spread stay as they are.

    "Would" means in a share of `power` of such experiments: chance decides on which side of the bound one falls. None
    where more than `limit` seeds, or a hundred times the rows, would be needed.
    """
    if difference.spread is None or difference.mean == 0:
        return None, None
    n, m = difference.seeds, difference.rows

    def would_tell(seeds: int, rows: int) -> bool:
        return detectable(difference, seeds, rows, confidence, power) < abs(difference.mean)

    seeds = next((more for more in range(1, limit + 1) if would_tell(n + more, m)), None)
    if not would_tell(n, 100 * m):
        return seeds, None
    low, high = m, 100 * m
    while high - low > max(1, m // 20):
        middle = (low + high) // 2
        low, high = (low, middle) if would_tell(n, middle) else (middle, high)
    return seeds, high - m


def detectable(
    difference: Difference,
    seeds: int | None = None,
    rows: int | None = None,
    confidence: float = 0.95,
    power: float = POWER,
) -> float:
    """The difference that would be told in a share of `power` of experiments with so many seeds and rows, at the spread
    of this one; infinite where that is unknown."""
    if difference.spread is None:
        return math.inf
    seeds, rows = seeds or difference.seeds, rows or difference.rows
    between_seeds, between_rows, rest = difference.spread
    squares = (rest + rows * between_seeds, rest + seeds * between_rows, rest)
    variance, degrees = _variance_of_mean(*squares, seeds, rows)
    return (_t(confidence, degrees) + _t(2 * power - 1, degrees)) * math.sqrt(variance)


def _variance_of_mean(
    of_seeds: float, of_rows: float, rest: float, seeds: int, rows: int
) -> tuple[float, float]:
    """From three mean squares: the variance of the mean difference, and its degrees of freedom (Satterthwaite 1946).

    Few seeds estimate their own mean square badly, and too small about as often as too large, so it never counts for
    less than what is left of a single difference; that share then stands in both parts, on the wide side.
    """
    of_seeds = max(of_seeds, rest)
    total = of_seeds + of_rows
    if total == 0:
        return 0.0, seeds - 1.0
    degrees = total**2 / (of_seeds**2 / (seeds - 1) + of_rows**2 / (rows - 1))
    return total / (seeds * rows), degrees


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment for many comparisons (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def group_letters(count: int, differs: Callable[[int, int], bool]) -> list[str]:
    """Compact letter display (Piepho 2004, insert and absorb): items that share a letter cannot be told apart."""
    columns: list[set[int]] = [set(range(count))]
    for i in range(count):
        for j in range(i + 1, count):
            if not differs(i, j):
                continue
            split: list[set[int]] = []
            for column in columns:
                split += [column - {i}, column - {j}] if {i, j} <= column else [column]
            columns = [
                c
                for k, c in enumerate(split)
                if not any(c < o or (c == o and n < k) for n, o in enumerate(split))
            ]
    columns.sort(key=lambda c: sorted(c))
    names = [chr(ord("a") + k) if k < 26 else f"a{k - 25}" for k in range(len(columns))]
    return [" ".join(name for name, column in zip(names, columns) if i in column) for i in range(count)]


def _t(confidence: float, degrees: float) -> float:
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    return float(stdtrit(degrees, (1 + confidence) / 2))


def _two_sided(value: float, degrees: float) -> float:
    from scipy.special import stdtr

    return float(2 * stdtr(degrees, -abs(value)))
