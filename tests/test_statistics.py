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


def test_variance_follows_the_two_way_mean_squares():
    """Worked by hand: d = [[0, 1, 0, 0], [1, 1, 0, 0]]."""
    first = np.array([[1.0, 1, 1, 0], [1, 1, 0, 0]])
    second = np.array([[1.0, 0, 1, 0], [0, 0, 0, 0]])
    found = paired_difference(first, second)
    assert found.mean == pytest.approx(0.375)
    of_seeds, of_rows, rest = 4 * 0.03125, 2 * np.var([0.5, 1, 0, 0], ddof=1), 0.125
    total = max(of_seeds, rest) + of_rows
    degrees = total**2 / (of_seeds**2 / 1 + of_rows**2 / 3)
    half = stats.t.ppf(0.975, degrees) * np.sqrt(total / 8)
    assert found.high - found.mean == pytest.approx(half)


def test_interval_covers_the_truth_with_seeds_and_rows_drawn_anew():
    """Continuous differences with known components: the 95% interval holds the true mean at least 93% of the time."""
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(600):
        noise = rng.normal(0, 0.3, (4, 1)) + rng.normal(0, 1.0, (1, 60)) + rng.normal(0, 1.0, (4, 60))
        found = paired_difference(0.5 + noise, np.zeros((4, 60)))
        held += found.low <= 0.5 <= found.high
    assert held / 600 >= 0.93


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


def test_advice_is_the_least_that_would_do():
    """With that many seeds drawn at the same spread, about half of the experiments then tell the two apart."""
    rng = np.random.default_rng(4)

    def draw(seeds):
        skill = np.clip(rng.normal(0, 0.015, (seeds, 1)), -0.05, 0.05)
        return [(rng.random((seeds, 600)) < 0.8 + shift + skill).astype(float) for shift in (0.03, 0.0)]

    advised = [
        more_needed(found)[0] for found in (paired_difference(*draw(3)) for _ in range(40)) if found.mean > 0
    ]
    typical = int(np.median([a for a in advised if a is not None]))
    told = sum(paired_difference(*draw(3 + typical)).p < 0.05 for _ in range(100))
    assert 25 <= told <= 98
    assert typical >= 1


def test_no_difference_needs_no_number():
    same = (np.random.default_rng(5).random((3, 50)) < 0.8).astype(float)
    assert more_needed(paired_difference(same, same)) == (None, None)


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
