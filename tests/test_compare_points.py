"""Points of the Compare tab's further plots: fronts over three columns, profiles, predictions, differences of two runs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_claims import row, table
from tests.ui import fake_store
from workbench import compare, curves, predicted_points, profiles
from workbench.config_diff import diff
from workbench.pareto import front, pareto
from workbench.published_rows import published_rows
from workbench.statistics import Interval
from workbench.store import Store


@pytest.fixture
def found(store: Store, monkeypatch: pytest.MonkeyPatch) -> compare.Comparison:
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    fake_store.fill(store, methods=("full", "lora", "head"), seeds=(0, 1))
    return compare.comparison(store)


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=25))
def test_the_front_over_three_is_what_nobody_beats(points):
    kept = front(points, ("lower", "higher", "lower"))

    def beats(q, p):
        return q != p and q[0] <= p[0] and q[1] >= p[1] and q[2] <= p[2]

    assert {points[i] for i in kept} == {p for p in points if not any(beats(q, p) for q in points)}


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=25))
def test_over_two_both_ways_agree(points):
    two = {points[i] for i in pareto(points, x_better="lower", y_better="higher")}
    assert {points[i] for i in front(points, ("lower", "higher"))} == two


def test_a_point_needs_a_figure_for_every_axis():
    with pytest.raises(ValueError, match="3 axes are named, but a point has 2"):
        front([(1, 2)], ("lower", "lower", "lower"))


def test_a_third_column_widens_the_front(found):
    two = {p.label for p in curves.scatter_points(found, "train_seconds") if p.on_front}
    three = {
        p.label
        for p in curves.scatter_points(found, "train_seconds", third="merged_latency_ratio")
        if p.on_front
    }
    assert three == {"LoRA"}
    assert "Linear probe" in two
    assert all(
        p.third is not None for p in curves.scatter_points(found, "train_seconds", third="adapter_bytes")
    )


def test_curves_by_tokens_are_those_by_steps_stretched(store: Store, found):
    runs = [
        replace(run, result=replace(run.result, tokens_seen=12_000, steps=120)) if run.result else run
        for run in found.runs
    ]
    by_step = curves.seed_lines(store, runs, "accuracy")
    by_tokens = curves.seed_lines(store, runs, "accuracy", x="tokens")
    assert by_tokens[0].x[-1] == pytest.approx(100 * by_step[0].x[-1])
    assert by_tokens[0].y[-1] == pytest.approx(by_step[0].y[-1])
    assert curves.seed_lines(store, found.runs, "accuracy", x="tokens") == []


def test_profiles_put_the_best_of_each_column_on_top(found):
    axes, lines = profiles.profiles(found, ["accuracy", "peak_memory_bytes"])
    heights = {line.label: line.heights for line in lines}
    best = found.rows[0].label
    assert heights[best][0] == 1.0
    assert heights["Linear probe"] == (0.0, 1.0)
    assert axes[1].best < axes[1].worst
    assert all(0 <= h <= 1 for line in lines for h in line.heights if h is not None)


def test_profiles_leave_a_gap_where_nothing_was_measured():
    one, other = row("lora", accuracy=0.9, forgetting=0.1), row("head", accuracy=0.8)
    _, lines = profiles.profiles(table(one, other), ["accuracy", "forgetting"])
    assert lines[1].heights[1] is None


def test_only_columns_that_tell_rows_apart_are_offered(found):
    names = profiles.offered(found)
    assert names[0] == "accuracy"
    assert "head_parameters" not in names
    assert set(profiles.usual(found)) <= set(names)


def test_predictions_stand_beside_what_was_measured(found):
    assert predicted_points.offered(found) == []
    runs = [
        replace(
            run,
            result=replace(run.result, predicted_peak_memory_bytes=round(run.result.peak_memory_bytes * 1.1)),
        )
        for run in found.runs
    ]
    points = predicted_points.held(replace(found, runs=tuple(runs)), "peak_memory_bytes")
    assert len(points) == 3
    assert all(point.error == pytest.approx(0.1, abs=1e-3) for point in points)
    assert "10.0 % in the middle" in predicted_points.summary(points)
    assert predicted_points.summary([]) == ""


def test_two_runs_differ_where_they_differ_and_nowhere_else(found):
    lora = [run for run in found.runs if run.label == "LoRA"]
    told = diff(lora[0], lora[1])
    assert {one.name for one in told.fields if one.group in ("Choice", "Setting", "Environment")} == {"seed"}
    assert told.same > 40
    assert diff(lora[0], lora[0]).fields == ()
    other = next(run for run in found.runs if run.label == "Linear probe")
    names = {one.name for one in diff(lora[0], other).fields}
    assert {"method", "r", "trainable_parameters"} <= names


def test_published_rows_are_the_measured_ones():
    rows = published_rows()
    assert len(rows) >= 60
    assert [row.accuracy for row in rows] == sorted((row.accuracy for row in rows), reverse=True)
    assert sum(row.on_front for row in rows) >= 3
    assert {row.method for row in rows} >= {"lora", "full", "ia3", "prefix"}
    front_rows = [row for row in rows if row.on_front]
    for one in front_rows:
        assert not any(
            other.accuracy >= one.accuracy and other.peak_memory_bytes < one.peak_memory_bytes
            for other in rows
        )


def test_intervals_of_points_are_the_rows_own(found):
    for point in curves.scatter_points(found, "peak_memory_bytes"):
        cell = next(r for r in found.rows if r.key == point.key).cells["accuracy"]
        assert Interval(point.y, point.low, point.high, 2) == cell
