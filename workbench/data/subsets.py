"""Learning-curve subsets: the same data with several numbers of training rows, each within the next, and one test part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.data.augment import is_new
from workbench.data.doctor import documents
from workbench.data.faults import DataError
from workbench.data.open import read
from workbench.data.prepared import Prepared, prepare

USUAL = (10, 50, 100, 1000)
MOST_SIZES = 12


def check_subsets(given: Any) -> tuple[int, ...]:
    """Numbers of training rows, ascending; () for none. DataError says what would be right."""
    if given in (None, "", (), []):
        return ()
    sizes = [given] if isinstance(given, int) else given
    good = isinstance(sizes, list | tuple) and all(type(size) is int and size >= 1 for size in sizes)
    if not good:
        raise DataError(
            f"subsets is a list of numbers of training rows such as [10, 50, 100], not {given!r:.80}",
            code="subsets",
        )
    if len(set(sizes)) != len(sizes):
        raise DataError(f"subsets names one number twice: {given!r:.80}", code="subsets")
    if len(sizes) > MOST_SIZES:
        raise DataError(f"subsets has at most {MOST_SIZES} sizes, not {len(sizes)}", code="subsets")
    return tuple(sorted(sizes))


def prepare_subsets(
    source: str | Path = "", *, subsets: Sequence[int] = (), **arguments: Any
) -> list[Prepared]:
    """One preparation for each size, smallest first. A carved validation part is as large as for the largest size, so
    that all sizes share validation and test rows."""
    sizes = check_subsets(subsets)
    if not sizes:
        return [prepare(source, **arguments)]
    if arguments.get("train_rows") is not None:
        raise DataError(
            "give train_rows or subsets, not both: each size of subsets is a train_rows", code="subsets"
        )
    if arguments.get("raw") is None:
        reading = {
            key: arguments[key] for key in ("parts", "encoding", "skip_broken", "limits") if key in arguments
        }
        kind = documents(arguments.get("task", "classification"), arguments.get("format"))
        arguments["raw"] = read(source, documents=kind, **reading)
    largest = prepare(source, **{**arguments, "train_rows": sizes[-1]})
    there = sum(not is_new(row) for row in largest.rows["train"])
    if there < sizes[-1]:
        raise DataError(
            f"subsets: {sizes[-1]:,} training rows are asked for, and the training part has {there:,}: give sizes up to"
            f" {there:,}",
            code="subsets",
        )
    shared = {f"{part}_rows": len(largest.rows[part]) for part in ("validation", "test")}
    smaller = [prepare(source, **{**arguments, **shared, "train_rows": size}) for size in sizes[:-1]]
    return [*smaller, largest]
