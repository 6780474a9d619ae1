"""The order of the data depends on rows and seed alone, and keeps padding low."""

import random

import torch

from workbench.batches import LengthBatches

LENGTHS = [random.Random(i).randint(3, 60) for i in range(203)]


def take(seed=0, count=60, lengths=LENGTHS):
    return list(LengthBatches(lengths, 8, seed, count))


def test_each_epoch_has_every_row_once():
    batches = LengthBatches(LENGTHS, 8, 0, 60)
    run = list(batches)
    assert len(run) == 60 == len(batches)
    for epoch in range(2):
        part = run[epoch * batches.per_epoch : (epoch + 1) * batches.per_epoch]
        assert sorted(i for batch in part for i in batch) == list(range(203))
    assert run[: batches.per_epoch] != run[batches.per_epoch : 2 * batches.per_epoch]


def test_the_order_does_not_look_at_anybody_elses_random_numbers():
    torch.manual_seed(1)
    random.seed(1)
    first = take()
    torch.rand(5)
    random.random()
    assert take() == first
    assert take(seed=1) != first


def test_batches_hold_rows_of_similar_length_and_come_in_mixed_order():
    run = take(count=26)
    padded = sum(len(batch) * max(LENGTHS[i] for i in batch) for batch in run)
    assert padded < 1.15 * sum(LENGTHS)
    longest = [max(LENGTHS[i] for i in batch) for batch in run]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


def test_the_longest_batch_is_one_of_the_run():
    batches = LengthBatches(LENGTHS, 8, 0, 30)
    cells = lambda batch: len(batch) * max(LENGTHS[i] for i in batch)  # noqa: E731
    assert cells(batches.longest()) == max(cells(batch) for batch in batches)


def test_fewer_rows_than_a_batch():
    assert [len(batch) for batch in take(lengths=[4, 5, 6], count=2)] == [3, 3]
