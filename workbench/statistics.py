"""Error bars and verdicts: what several seeds and the same test rows allow to be said, and what they don't."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
    """First minus second on the same test rows. `p` is two-sided. `seed_variance` and `row_variance` are the parts of
    the squared standard error that more seeds and more test rows would shrink. Bounds are None with one seed."""

    mean: float
    low: float | None
    high: float | None
    p: float | None
    seeds: int
    rows: int
    seed_variance: float | None
    row_variance: float


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

    `first` and `second` are seeds x rows, 1 where right. The standard error adds the variance of the seeds' mean
    differences over the number of seeds to the variance of the rows' mean differences over the number of rows; the
    noise they share is counted in both, so the interval errs on the wide side. Student's t with seeds - 1 degrees
    of freedom. With one seed each nothing can be said of the methods, so there are no bounds.
    """
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(f"both need the same seeds x rows, not {first.shape} and {second.shape}")
    seeds, rows = first.shape
    difference = first - second
    mean = float(difference.mean())
    row_variance = float(difference.mean(axis=0).var(ddof=1)) / rows if rows > 1 else 0.0
    if seeds < 2:
        return Difference(mean, None, None, None, seeds, rows, None, row_variance)
    seed_variance = float(difference.mean(axis=1).var(ddof=1)) / seeds
    error = math.sqrt(seed_variance + row_variance)
    half = _t(confidence, seeds - 1) * error
    p = _two_sided(mean / error, seeds - 1) if error > 0 else (1.0 if mean == 0 else 0.0)
    return Difference(mean, mean - half, mean + half, p, seeds, rows, seed_variance, row_variance)


def more_needed(difference: Difference, limit: int = 100) -> tuple[int | None, int | None]:
    """(seeds, test rows): how many more of one alone would tell the two apart if the difference stays as it is.

    None where more than `limit` seeds, or a hundred times the rows, would be needed.
    """
    if difference.seed_variance is None or difference.mean == 0:
        return None, None
    n, m = difference.seeds, difference.rows
    seeds = None
    for more in range(1, limit + 1):
        error = math.sqrt(difference.seed_variance * n / (n + more) + difference.row_variance)
        if _t(0.95, n + more - 1) * error < abs(difference.mean):
            seeds = more
            break
    room = (difference.mean / _t(0.95, n - 1)) ** 2 - difference.seed_variance
    rows = None
    if room > 0:
        wanted = math.ceil(difference.row_variance * m / room)
        rows = wanted - m if m < wanted <= 100 * m else None
    return seeds, rows


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


def _t(confidence: float, degrees: int) -> float:
    from scipy import stats

    return float(stats.t.ppf((1 + confidence) / 2, degrees))


def _two_sided(value: float, degrees: int) -> float:
    from scipy import stats

    return float(2 * stats.t.sf(abs(value), degrees))
