"""The bench of the verdicts, on simulated outcomes whose truth is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.ui import fake_store
from workbench.bench_statistics import Seeds, false_verdicts, hold, lower, power, stored_seeds
from workbench.cli import main
from workbench.store import Store


def outcomes(rng, seeds: int, rows: int, skill: float, spread: float = 0.06, hard=None):
    """Seeds differ in skill, rows in difficulty, and every answer has luck of its own."""
    hard = rng.normal(0, 1, rows) if hard is None else hard
    return ((rng.normal(skill, spread, (seeds, 1)) + rng.normal(0, 0.6, (seeds, rows))) > hard).astype(float)


def test_a_method_is_rarely_told_from_itself():
    rng = np.random.default_rng(1)
    marks = outcomes(rng, 40, 200, 1.2)
    for group in (3, 5):
        share = false_verdicts(marks, group, 600, rng)
        assert share.low <= 0.05
        assert share.low <= share.value <= share.high


def test_the_bench_sees_a_test_that_calls_everything_different(monkeypatch: pytest.MonkeyPatch):
    """With intervals a quarter as wide as they should be, the false verdicts are seen."""
    from workbench import bench_statistics

    honest = bench_statistics.paired_difference

    def too_sure(first, second):
        found = honest(first, second)
        return replace(found, p=(found.p or 1.0) ** 4)

    monkeypatch.setattr(bench_statistics, "paired_difference", too_sure)
    rng = np.random.default_rng(2)
    share = false_verdicts(outcomes(rng, 40, 200, 1.2, spread=0.2), 3, 600, rng)
    assert share.low > 0.05


def test_a_known_gap_is_exact_and_seen_with_the_seeds_advised():
    rng = np.random.default_rng(3)
    marks = outcomes(rng, 40, 360, 1.2)
    lowered = lower(marks, 0.05, rng)
    assert marks.mean() - lowered.mean() == pytest.approx(0.05, abs=0.006)
    found = power("known", marks, lowered, 0.05, 200, rng)
    assert found.share.value >= 0.8
    assert found.holds


def test_no_gap_is_not_told():
    rng = np.random.default_rng(4)
    marks = outcomes(rng, 40, 200, 1.2)
    assert power("none", marks, marks, 0.05, 200, rng).share.value < 0.2


def test_a_score_cannot_be_lowered_below_nothing():
    with pytest.raises(ValueError, match="can't be lowered"):
        lower(np.full((3, 4), 0.04), 0.05, np.random.default_rng(0))


def test_all_of_it_is_reported():
    rng = np.random.default_rng(5)
    hard = rng.normal(0, 1, 150)
    methods = [
        Seeds(name, outcomes(rng, 40, 150, skill, hard=hard)) for name, skill in (("a", 1.3), ("b", 1.0))
    ]
    found = hold(methods, draws=200)
    assert [(one.label, one.group) for one in found.false] == [("a", 3), ("a", 5), ("b", 3), ("b", 5)]
    assert len(found.told) == 3
    assert found.told[-1].difference == pytest.approx(methods[0].marks.mean() - methods[1].marks.mean())


def test_the_command_reads_stored_seeds(store: Store, capsys: pytest.CaptureFixture[str]):
    fake_store.fill(store, methods=("head",), seeds=range(3), steps=8, stride=8)
    setting = store.settings()[0][0].id
    with pytest.raises(ValueError, match="the most is 3"):
        stored_seeds(store, setting)
    assert main(["bench", "statistics", "--store", str(store.folder)]) == 2
    fake_store.fill(store, methods=("head",), seeds=range(3, 40), steps=8, stride=8)
    (found,) = stored_seeds(store, setting)
    assert found.marks.shape == (40, fake_store.TEST_ROWS)
    capsys.readouterr()
    code = main(["bench", "statistics", "--store", str(store.folder), "--draws", "100", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["seeds"] == [40]
    assert code == (0 if document["holds"] else 1)
