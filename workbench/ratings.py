"""Answers that were rated one by one, good or bad, beside the pairs of a better and a worse one that preferences usually are.

Such a row has one answer alone: `chosen` where it was found good, `rejected` where it was found bad.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

GOOD, BAD = "chosen", "rejected"
SAID = (
    "These answers were rated one by one, so a model is judged by all couples of a good and a bad answer of the test part:"
    " preference accuracy is the share of them in which it finds the good one likelier (0.5 by chance)."
)


def is_single(row: Mapping[str, Any]) -> bool:
    return (GOOD in row) != (BAD in row)


def rated_singly(rows: Iterable[Mapping[str, Any]]) -> bool:
    return any(map(is_single, rows))


def side(row: Mapping[str, Any]) -> str:
    """Of a row with one answer: whether it was found good (`chosen`) or bad (`rejected`)."""
    return GOOD if GOOD in row else BAD


def check_sides(rows: Sequence[Mapping[str, Any]], part: str) -> None:
    """ValueError where answers were rated one by one and all alike: there is no couple to judge by."""
    singles = [side(row) for row in rows if is_single(row)]
    if singles and len(singles) == len(rows) and len(set(singles)) == 1:
        word = "good" if singles[0] == GOOD else "bad"
        raise ValueError(
            f"all {len(rows):,} answers of the {part} part were rated {word}: it needs good and bad ones, so give more rows or"
            " another split_seed"
        )


def ranked(scores: Sequence[float], good: Sequence[bool]) -> list[tuple[float, float]]:
    """For each answer, against all that were rated the other way: the share of them on whose right side it stands (ties
    half), and by how much on average. The mean of the shares is the area under the ROC curve."""
    sides = {flag: sorted(s for s, g in zip(scores, good) if g is flag) for flag in (True, False)}
    means = {flag: sum(found) / len(found) if found else 0.0 for flag, found in sides.items()}
    marks = []
    for score, flag in zip(scores, good):
        others = sides[not flag]
        if not others:
            marks.append((0.5, 0.0))
            continue
        below, upto = bisect.bisect_left(others, score), bisect.bisect_right(others, score)
        above = (below + upto) / 2 / len(others)
        apart = score - means[not flag]
        marks.append((above, apart) if flag else (1 - above, -apart))
    return marks
