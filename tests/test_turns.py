"""Visitors take turns in the queue, whoever queued first and most."""

import pytest

from tests.real_workers import specs
from workbench import turns
from workbench.result import Result
from workbench.runner import Runner
from workbench.store_reading import Turn

ANNA, BEN, CARL = "a" * 32, "b" * 32, "c" * 32


def started_in_order(store, count):
    """Start and finish so many runs, one after another; whose they were."""
    runner, owners = Runner(store), []
    for _ in range(count):
        run = runner._head()
        assert store.claim(run.id).id == run.id
        store.change_state(run.id, "finished", result=Result())
        owners.append(run.owner)
    return owners


def test_one_who_queues_first_and_most_does_not_hold_up_the_others(store):
    store.add(specs(5), owner=ANNA)
    store.add(specs(2), owner=BEN)
    store.add(specs(2), owner=CARL)
    assert started_in_order(store, 9) == [ANNA, BEN, CARL, ANNA, BEN, CARL, ANNA, ANNA, ANNA]
    assert Runner(store)._head() is None


def test_somebody_new_comes_before_those_who_have_had_a_turn(store):
    store.add(specs(3), owner=ANNA)
    assert started_in_order(store, 1) == [ANNA]
    store.add(specs(1), owner=BEN)
    assert started_in_order(store, 2) == [BEN, ANNA]


def test_on_ones_own_machine_runs_start_as_they_were_queued(store):
    ids = store.add(specs(3))
    assert Runner(store)._head().id == ids[0]
    store.claim(ids[0])
    assert Runner(store)._head().id == ids[1], "nobody limits how many run at a time there"


def test_on_a_hosted_page_one_run_of_each_visitor_goes_at_a_time(store, monkeypatch, own_home):
    first, _ = store.add(specs(2), owner=ANNA)
    (others,) = store.add(specs(1), owner=BEN)
    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    runner = Runner(store)
    store.claim(first)
    assert runner._head().id == others
    store.claim(others)
    assert runner._head() is None
    (own_home / "hosted.toml").write_text("running = 2")
    assert runner._head().owner == ANNA


def test_who_has_fewest_going_is_next():
    waiting = [Turn(ANNA, 2, 10.0, 1), Turn(BEN, 1, 30.0, 2), Turn(CARL, 1, 20.0, 3)]
    assert turns.order(waiting) == [CARL, BEN, ANNA]
    assert turns.order(waiting, most=2) == [CARL, BEN]
    assert turns.order([]) == []


def test_a_hosted_run_is_stopped_by_the_clock_on_the_wall(store, monkeypatch, own_home):
    assert Runner(store).limits.wall_seconds is None
    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    (own_home / "hosted.toml").write_text("wall_seconds = 90")
    assert Runner(store).limits.wall_seconds == pytest.approx(90)
