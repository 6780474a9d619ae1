"""Which rows go where: stratified, decided by hashes of the rows and a seed, and equal texts never torn apart."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from workbench.data.clean import Parts, Row, key
from workbench.data.faults import DataError

LEAST_VALIDATION_ROWS = 100


@dataclass(frozen=True)
class Split:
    """Shares are of all rows that are divided; row counts draw a stratified subset of a part. The same seed gives the
    same split on every machine, and a smaller subset lies within a larger one."""

    validation_share: float = 0.15
    test_share: float = 0.2
    seed: int = 0
    train_rows: int | None = None
    validation_rows: int | None = None
    test_rows: int | None = None

    def __post_init__(self) -> None:
        for name in ("validation_share", "test_share"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 0.9:
                raise DataError(f"{name} is a number between 0 and 0.9, not {value!r}", code="split")
        if self.validation_share + self.test_share > 0.9:
            raise DataError(
                "validation_share and test_share together are at most 0.9: train needs rows too", code="split"
            )
        for name in ("train_rows", "validation_rows", "test_rows"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise DataError(
                    f"{name} is a whole number of at least 1, or left out, not {value!r}", code="split"
                )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**31:
            raise DataError(
                f"split_seed is a whole number from 0 to 2147483647, not {self.seed!r}", code="split"
            )


def missing_parts(parts: Collection[str]) -> tuple[str, ...]:
    """The parts that have to be carved from the training rows."""
    return tuple(part for part in ("test", "validation") if part not in parts)


def too_rare(parts: Parts) -> dict[str, int]:
    """label -> number of different texts, for labels that can't stand in train and in every part carved from it."""
    needed = 1 + len(missing_parts(parts))
    texts: dict[str, set[str]] = {}
    for group in _groups(_divided(parts)):
        texts.setdefault(group[0].label, set()).add(key(group[0].text))
        for row in group:
            texts.setdefault(row.label, set())
    return {label: len(found) for label, found in texts.items() if len(found) < needed}


def carve(parts: Parts, split: Split) -> dict[str, list[Row]]:
    """All three parts: those given, and the missing ones taken from the training rows."""
    found = {part: list(rows) for part, rows in parts.items() if part != "all"}
    rest = list(_divided(parts))
    total = Counter(row.label for row in rest)
    for number, part in enumerate(missing := missing_parts(parts)):
        share = split.test_share if part == "test" else split.validation_share
        taken = _taken(rest, _quotas(total, share), split.seed, part, keep_groups=len(missing) - number)
        found[part] = [row for i, row in enumerate(rest) if i in taken]
        rest = [row for i, row in enumerate(rest) if i not in taken]
    found["train"] = rest
    return {part: found[part] for part in ("train", "validation", "test")}


def asked_rows(split: Split, carved: Sequence[str]) -> dict[str, int | None]:
    """How many rows are wanted of each part; None for all. A carved validation part goes down with a smaller training
    part, to no less than 100 rows: it is read several times in each run, the test part once."""
    validation = split.validation_rows
    if validation is None and split.train_rows is not None and "validation" in carved:
        shares = split.validation_share + (split.test_share if "test" in carved else 0.0)
        validation = max(
            LEAST_VALIDATION_ROWS, round(split.train_rows * split.validation_share / (1 - shares))
        )
    return {"train": split.train_rows, "validation": validation, "test": split.test_rows}


def rebalance(rows: Sequence[Row], seed: int) -> list[Row]:
    """Every label cut to the size of the rarest one."""
    counts = Counter(row.label for row in rows)
    if not counts:
        return []
    rank = _ranks(rows, seed, "rebalance")
    least = min(counts.values())
    return [row for i, row in enumerate(rows) if rank[i] < least]


def subset(rows: Sequence[Row], number: int | None, seed: int) -> list[Row]:
    """`number` rows in their old order, labels in proportion, at least one of each while there is room."""
    if number is None or number >= len(rows):
        return list(rows)
    counts = Counter(row.label for row in rows)
    rank = _ranks(rows, seed, "subset")

    # Ranks within a label, spread evenly over (0, 1): every beginning of this order is stratified, and beginnings nest.
    def place(i: int) -> tuple[float, int, str]:
        label = rows[i].label
        first = rank[i] == 0
        return (-1.0 if first else (rank[i] + 0.5) / counts[label], -counts[label] if first else 0, label)

    chosen = set(sorted(range(len(rows)), key=place)[:number])
    return [row for i, row in enumerate(rows) if i in chosen]


def _divided(parts: Parts) -> Sequence[Row]:
    return parts["all"] if "all" in parts else parts["train"]


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows with equal text together: they go to the same part, or the test part would repeat the training part."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row.text), []).append(row)
    return list(groups.values())


def _quotas(total: Counter[str], share: float) -> dict[str, int]:
    """Rows of each label by largest remainder, at least one."""
    exact = {label: count * share for label, count in total.items()}
    quotas = {label: int(value) for label, value in exact.items()}
    # A plain sum of fractions would depend on the order of the labels.
    missing = round(math.fsum(exact.values())) - sum(quotas.values())
    for label in sorted(exact, key=lambda name: (quotas[name] - exact[name], name))[:missing]:
        quotas[label] += 1
    return {label: max(1, quota) for label, quota in quotas.items()}


def _taken(rows: Sequence[Row], quotas: dict[str, int], seed: int, part: str, keep_groups: int) -> set[int]:
    """Indices of the rows of a part. `keep_groups` texts of each label stay for train and the parts still to come."""
    groups: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(key(row.text), []).append(i)
    by_label: dict[str, list[str]] = {}
    for text, members in groups.items():
        by_label.setdefault(rows[members[0]].label, []).append(text)
    taken: set[int] = set()
    for label, texts in sorted(by_label.items()):
        texts.sort(key=lambda text: _digest(seed, part, text))
        left, may_take = quotas[label], len(texts) - keep_groups
        for text in texts:
            if may_take > 0 and len(groups[text]) <= left:
                taken.update(groups[text])
                left -= len(groups[text])
                may_take -= 1
        if left == quotas[label] and may_take > 0:
            taken.update(groups[min(texts, key=lambda text: len(groups[text]))])
    return taken


def _ranks(rows: Sequence[Row], seed: int, purpose: str) -> list[int]:
    """The place of each row among the rows of its label, in the order of hashes (no library's random numbers)."""
    times: Counter[tuple[str, str]] = Counter()
    order: dict[str, list[tuple[str, int]]] = {}
    for i, row in enumerate(rows):
        same = (row.text, row.label)
        order.setdefault(row.label, []).append((_digest(seed, purpose, *same, str(times[same])), i))
        times[same] += 1
    ranks = [0] * len(rows)
    for places in order.values():
        for rank, (_, i) in enumerate(sorted(places)):
            ranks[i] = rank
    return ranks


def _digest(seed: int, *words: str) -> str:
    return hashlib.sha256("\x1f".join((str(seed), *words)).encode()).hexdigest()
