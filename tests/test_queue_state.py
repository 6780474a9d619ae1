"""How far a queue is: counts, time left, the matrix."""

import pytest

from tests.ui import fake_store
from workbench.queue_state import matrix, newest_runs, queue_state, run_share
from workbench.store import Store


def test_counts_and_share(store: Store):
    fake_store.fill(
        store, methods=("full", "lora", "dora"), seeds=(0, 1), failing="dora", running=1, waiting=1
    )
    state = queue_state(store.runs(), slots=2)
    assert (state.total, state.finished, state.failed, state.running, state.waiting) == (6, 3, 1, 1, 1)
    assert state.done == 4
    (running,) = store.runs(states=("running",))
    assert state.share == pytest.approx((4 + run_share(running)) / 6)


def test_time_left_is_unknown_before_the_first_step_and_halves_with_two_slots(store: Store):
    fake_store.fill(store, methods=("full", "lora"), seeds=(0,), waiting=2)
    assert queue_state(store.runs()).seconds_left is None
    first = store.runs()[0]
    fake_store.start(store, first.id, first.spec, reached=0.5)
    one, two = (queue_state(store.runs(), slots=slots).seconds_left for slots in (1, 2))
    run = store.run(first.id)
    whole = run.seconds / run.step * run.steps
    assert one == pytest.approx(run.seconds_left + whole)
    assert two == pytest.approx(max(one / 2, whole))


def test_a_retry_stands_for_what_it_retries(store: Store):
    fake_store.fill(store, methods=("lora",), seeds=(0,), failing="lora")
    (failed,) = store.runs()
    store.add([failed.spec], retry_of=failed.id)
    state = queue_state(store.runs())
    assert (state.total, state.failed, state.waiting) == (1, 0, 1)
    assert [run.retry_of for run in newest_runs(store.runs())] == [failed.id]


def test_the_matrix_has_a_row_per_choice_and_gaps_where_nothing_was_queued(store: Store):
    shared = fake_store.setting()
    store.add(
        [
            fake_store.spec(shared, "full", 0),
            fake_store.spec(shared, "lora", 0),
            fake_store.spec(shared, "lora", 3),
        ]
    )
    store.add([fake_store.spec(shared, "lora", 0, r=2)])
    seeds, rows = matrix(store.runs())
    assert seeds == [0, 3]
    assert [(row.label, [cell is not None for cell in row.cells]) for row in rows] == [
        ("Full fine-tuning", [True, False]),
        ("LoRA", [True, True]),
        ("LoRA r=2", [True, False]),
    ]
