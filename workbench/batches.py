"""Which rows stand in which batch: grouped by length, shuffled by seed and epoch, the same for every method.

The order depends on the data and the seed alone, never on what a method drew from the random numbers before.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

# Rows are sorted by length within this many batches: little padding, and still a new mixture in each epoch.
BATCHES_PER_GROUP = 16


class LengthBatches:
    """A batch sampler for a whole run: epoch after epoch without an end, cut at `count` batches."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, count: int) -> None:
        self.lengths = list(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.count = count
        self.drop_last = False

    @property
    def per_epoch(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        made, epoch = 0, 0
        while True:
            for batch in self.epoch(epoch):
                if made == self.count:
                    return
                yield batch
                made += 1
            epoch += 1

    def epoch(self, epoch: int) -> list[list[int]]:
        """All rows once."""
        # Any two integers make a seed of their own this way, whatever the platform's hash.
        draw = random.Random(f"{self.seed}:{epoch}")
        order = list(range(len(self.lengths)))
        draw.shuffle(order)
        size = self.batch_size * BATCHES_PER_GROUP
        grouped: list[int] = []
        for begin in range(0, len(order), size):
            grouped += sorted(order[begin : begin + size], key=lambda i: self.lengths[i])
        batches = [grouped[i : i + self.batch_size] for i in range(0, len(grouped), self.batch_size)]
        draw.shuffle(batches)
        return batches

    def longest(self) -> list[int]:
        """The batch of the run with the most cells, padding counted: the one that needs the most memory."""
        epochs = range(max(1, min(8, -(-self.count // self.per_epoch))))
        found = [batch for epoch in epochs for batch in self.epoch(epoch)][: max(1, self.count)]
        return max(found, key=lambda batch: len(batch) * max(self.lengths[i] for i in batch))
