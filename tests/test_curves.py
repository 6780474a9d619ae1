"""Points of the plots: smoothing, thinning, mean and band over seeds, labels that keep apart, the front."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ui import fake_store
from workbench import compare, curves
from workbench.result import Event
from workbench.statistics import mean_interval
from workbench.store import Store


@pytest.fixture
def filled(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    fake_store.fill(
        store, methods=("full", "lora", "dora", "head"), seeds=(0, 1, 2), failing="dora", running=1
    )
    return store


def test_smoothing_starts_at_the_first_value_and_0_changes_nothing():
    assert curves.smooth([3.0, 1.0, 2.0], 0.0) == [3.0, 1.0, 2.0]
    smoothed = curves.smooth([4.0, 0.0, 0.0, 0.0], 0.5)
    assert smoothed[0] == 4.0
    assert smoothed == sorted(smoothed, reverse=True)
    assert smoothed[-1] > 0
    with pytest.raises(ValueError, match="smoothing is a share"):
        curves.smooth([1.0], 1.0)


def test_thinning_keeps_the_last_point_and_the_bound():
    points = [(float(i), float(i)) for i in range(1001)]
    kept = curves.thin(points, 100)
    assert len(kept) <= 101
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert curves.thin(points[:5], 100) == points[:5]


def test_a_seed_band_is_the_interval_of_the_seeds(filled: Store):
    runs = filled.runs()
    line = next(x for x in curves.seed_lines(filled, runs, "accuracy") if x.label == "LoRA")
    lora = [run for run in runs if run.label == "LoRA"]
    assert line.seeds == 3
    for place, step in enumerate(line.x):
        values = [
            event.values["accuracy"]
            for run in lora
            for event in filled.events(run.id, kinds=("evaluated",))
            if event.values["step"] == step
        ]
        found = mean_interval(values)
        assert (line.y[place], line.low[place], line.high[place]) == pytest.approx(
            (found.mean, found.low, found.high)
        )


def test_one_seed_has_no_band(store: Store):
    fake_store.fill(store, methods=("lora",), seeds=(0,))
    (line,) = curves.seed_lines(store, store.runs(), "accuracy")
    assert line.low == ()
    assert line.high == ()


def test_times_that_differ_are_read_off_between_neighbours():
    at, values = curves.on_common_grid([[(0, 0.0), (10, 1.0)], [(2, 0.0), (8, 0.6)]], "time")
    assert at[0] == 2
    assert at[-1] == 8
    assert values[0] == pytest.approx([0.2, 0.0])
    assert values[-1] == pytest.approx([0.8, 0.6])


def test_what_is_not_finite_is_left_out_and_the_run_is_marked(filled: Store):
    broken = [run for run in filled.runs() if run.state == "failed"]
    (line, *_) = curves.training_lines(filled, broken)
    assert line.ended == "failed"
    assert all(math.isfinite(value) for value in line.y)
    last = max(e.values["step"] for e in filled.events(broken[0].id, kinds=("step",)))
    assert line.x[-1] < last


def test_worth_drawing_are_live_runs_one_seed_of_each_method_and_what_broke(filled: Store):
    kept = curves.runs_worth_drawing(filled.runs())
    told = sorted((run.label, run.spec.seed, run.state) for run in kept)
    assert told == [
        ("DoRA", 2, "failed"),
        ("Full fine-tuning", 0, "finished"),
        ("Linear probe", 0, "finished"),
        ("Linear probe", 2, "running"),
        ("LoRA", 0, "finished"),
    ]


def test_methods_of_one_family_get_places_of_their_own_and_seeds_share_them(filled: Store):
    lines = curves.training_lines(filled, filled.runs())
    places = {(line.family, line.label, line.place) for line in lines}
    assert {p for f, _, p in places if f == "low_rank"} == {0, 1}
    assert len(places) == 4


def test_the_front_of_the_scatter_is_beaten_by_nobody(filled: Store):
    points = curves.scatter_points(compare.comparison(filled), "peak_memory_bytes")
    assert points
    for point in points:
        beaten = any(
            other.x <= point.x and other.y >= point.y and (other.x, other.y) != (point.x, point.y)
            for other in points
        )
        assert point.on_front is not beaten
    assert all(point.low < point.y < point.high for point in points)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_labels_keep_their_gap_their_order_and_the_bounds(wanted: list[float]):
    placed = curves.spread(wanted, 4.0, 0.0, 100.0)
    assert all(-1e-6 <= place <= 100 + 1e-6 for place in placed)
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    in_order = [placed[i] for i in order]
    assert all(b - a >= 4.0 - 1e-6 for a, b in itertools.pairwise(in_order))


def test_labels_with_room_stay_where_they_want():
    assert curves.spread([10, 50, 90], 4, 0, 100) == [10, 50, 90]


def test_tokens_are_those_that_events_counted_and_older_runs_spread_theirs(store: Store):
    (run_id,) = fake_store.fill(store, methods=("lora",), seeds=(0,), steps=16, stride=8)
    run = store.run(run_id)
    run = replace(run, result=replace(run.result, tokens_seen=1600))
    (line,) = curves.validation_lines(store, [run], "accuracy", x="tokens")
    (by_step,) = curves.validation_lines(store, [run], "accuracy")
    each = run.result.tokens_seen / run.result.steps
    assert line.x == pytest.approx([step * each for step in by_step.x])
    counted = [
        Event(i, 0.0, "evaluated", "train", {"step": i, "tokens": 10 * i * i, "a": 0.5}) for i in (1, 2)
    ]
    assert curves.read_points(counted, "a", "tokens", each) == [(10.0, 0.5), (40.0, 0.5)]
    assert curves.read_points(counted, "a", "step") == [(1.0, 0.5), (2.0, 0.5)]
