"""Which rate becomes a default: the one that serves all tasks, at a distance from collapse."""

import math

import pytest

from workbench.rate_rule import Range, Tried, best_rate, safe_rate, score_ranges

HIGHER = {"a": "higher", "b": "higher"}


def test_the_rate_that_is_best_on_both_tasks_wins():
    a = (Tried(1e-3, 0.6), Tried(3.16e-3, 0.8), Tried(1e-2, 0.79))
    b = (Tried(1e-3, 0.5), Tried(3.16e-3, 0.2), Tried(1e-2, 0.5))
    assert best_rate({"a": a, "b": b}, HIGHER) == 1e-2


def test_a_score_that_falls_is_better_where_its_metric_says_so():
    tried = (Tried(1e-3, 0.6), Tried(3.16e-3, 0.4))
    assert best_rate({"a": tried}, {"a": "lower"}) == pytest.approx(3.2e-3)


def test_a_diverged_rate_is_never_chosen():
    assert best_rate({"a": (Tried(1e-3, 0.1), Tried(1e-2, None))}, HIGHER) == 1e-3


def test_without_a_common_rate_the_middle_of_both_is_taken():
    assert best_rate({"a": (Tried(1e-4, 0.5),), "b": (Tried(1e-2, 0.5),)}, HIGHER) == 1e-3


def test_a_default_stays_a_factor_of_ten_below_collapse():
    learnt = (Tried(2e-3, 0.75), Tried(6.3e-3, 0.81), Tried(2e-2, 0.5))
    ranges = score_ranges([{"a": learnt}], HIGHER)
    assert ranges == {"a": Range(0.5, 0.81, "higher")}
    assert safe_rate(6.3e-3, {"a": learnt}, ranges) == 2e-3
    mild = (*learnt[:2], Tried(2e-2, 0.7))
    assert safe_rate(6.3e-3, {"a": mild}, ranges) == 6.3e-3
    diverged = (*learnt[:2], Tried(2e-2, None))
    assert safe_rate(6.3e-3, {"a": diverged}, ranges) == 2e-3


def test_a_low_rate_that_learns_little_is_no_collapse():
    tried = (Tried(1e-3, 0.5), Tried(3e-3, 0.6), Tried(1e-2, 0.81))
    assert safe_rate(1e-2, {"a": tried}, {"a": Range(0.5, 0.81, "higher")}) == 1e-2


def test_of_a_method_that_never_learns_nothing_is_said():
    tried = (Tried(1e-3, 0.55), Tried(3e-3, 0.5), Tried(1e-2, 0.5))
    assert safe_rate(1e-3, {"a": tried}, {"a": Range(0.5, 0.9, "higher")}) == 1e-3


def test_perplexities_count_by_their_logarithm():
    scale = Range(-math.log(256), -math.log(4), "lower")
    assert scale.gain(4) == 1
    assert scale.gain(256) == scale.gain(None) == 0
    assert scale.gain(32) == pytest.approx(0.5)
    tried = (Tried(2e-3, 8.0), Tried(6e-3, 4.0), Tried(2e-2, 40.0))
    assert safe_rate(6e-3, {"a": tried}, {"a": scale}) == 2e-3
    assert safe_rate(6e-3, {"a": (*tried[:2], Tried(2e-2, 20.0))}, {"a": scale}) == 6e-3
