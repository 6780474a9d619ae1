"""Error bars and verdicts against values worked out by hand or by simulation."""

import numpy as np
import pytest
from scipy import stats

from workbench.statistics import group_letters, holm, mean_interval, more_needed, paired_difference


def test_interval_is_students_t():
    found = mean_interval([0.80, 0.82, 0.87])
    low, high = stats.t.interval(0.95, 2, loc=0.83, scale=stats.sem([0.80, 0.82, 0.87]))
    assert (found.mean, found.low, found.high) == pytest.approx((0.83, low, high))


def test_one_value_has_no_interval():
    found = mean_interval([0.8])
    assert (found.mean, found.low, found.high, found.half_width) == (0.8, None, None, None)


def test_one_seed_each_never_tells_methods_apart():
    found = paired_difference(np.ones((1, 500)), np.zeros((1, 500)))
    assert found.mean == 1.0
    assert found.p is None
    assert found.low is None


def test_standard_error_has_both_seeds_and_rows_in_it():
    first = np.array([[1.0, 1, 1, 0], [1, 1, 0, 0]])
    second = np.array([[1.0, 0, 1, 0], [0, 0, 0, 0]])
    found = paired_difference(first, second)
    assert found.mean == pytest.approx(0.375)
    assert found.seed_variance == pytest.approx(np.var([0.25, 0.5], ddof=1) / 2)
    assert found.row_variance == pytest.approx(np.var([0.5, 1, 0, 0], ddof=1) / 4)
    half = stats.t.ppf(0.975, 1) * np.sqrt(found.seed_variance + found.row_variance)
    assert found.high - found.mean == pytest.approx(half)


def test_equal_methods_are_rarely_called_different():
    """Two samples of one method: seeds move the skill, rows move the difficulty. At most 5% false alarms."""
    rng = np.random.default_rng(0)
    false_alarms = 0
    for _ in range(300):
        difficulty = rng.normal(0, 1, 200)
        draw = [
            (rng.normal(0.8, 0.15, (3, 1)) + rng.normal(0, 1, (3, 200)) > difficulty).astype(float)
            for _ in range(2)
        ]
        found = paired_difference(*draw)
        false_alarms += found.p is not None and found.p < 0.05
    assert false_alarms / 300 <= 0.05


def test_a_large_difference_is_seen():
    rng = np.random.default_rng(1)
    first = (rng.random((3, 400)) < 0.9).astype(float)
    second = (rng.random((3, 400)) < 0.6).astype(float)
    found = paired_difference(first, second)
    assert found.p is not None
    assert found.p < 0.05
    assert found.low is not None
    assert found.low > 0.1


def test_advice_would_really_do():
    rng = np.random.default_rng(2)
    skill = np.array([0.86, 0.80, 0.84])[:, None]
    first = (rng.random((3, 2000)) < skill).astype(float)
    second = (rng.random((3, 2000)) < skill[::-1] - 0.025).astype(float)
    found = paired_difference(first, second)
    seeds, _ = more_needed(found)
    assert seeds is not None
    n = found.seeds + seeds
    error = np.sqrt(found.seed_variance * found.seeds / n + found.row_variance)
    assert stats.t.ppf(0.975, n - 1) * error < abs(found.mean)
    n -= 1
    error = np.sqrt(found.seed_variance * found.seeds / n + found.row_variance)
    assert stats.t.ppf(0.975, n - 1) * error >= abs(found.mean)


def test_holm_against_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_letters_are_shared_exactly_by_those_that_cannot_be_told_apart():
    apart = {(0, 2), (0, 3), (1, 3)}
    letters = group_letters(4, lambda i, j: (i, j) in apart)
    for i in range(4):
        for j in range(i + 1, 4):
            shared = bool(set(letters[i].split()) & set(letters[j].split()))
            assert shared == ((i, j) not in apart)
