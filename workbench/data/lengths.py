"""Lengths of texts in tokens or words, and their histogram."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from workbench.data.faults import Fault, count_of
from workbench.data.report import Lengths

_MEASURED = 10_000
_BINS = 20
# A CJK character counts as a word: these scripts put no spaces between them.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\s\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")

Tokenizer = Callable[[list[str]], Mapping[str, Any]]


def count_lengths(texts: Sequence[str], tokenizer: Tokenizer | None) -> list[int]:
    """Tokens of each text as the tokenizer makes them, special ones included; words without one."""
    if tokenizer is None:
        return [len(_WORD.findall(text)) for text in texts]
    counts: list[int] = []
    for start in range(0, len(texts), 1000):
        counts += [len(ids) for ids in tokenizer(list(texts[start : start + 1000]))["input_ids"]]
    return counts


def measured(rows: Sequence[object]) -> list[int]:
    """Indices of the rows to measure: all, or evenly spaced ones of a large set."""
    if len(rows) <= _MEASURED:
        return list(range(len(rows)))
    return [i * len(rows) // _MEASURED for i in range(_MEASURED)]


def histogram(counts: Sequence[int], *, tokens: bool, limit: int, rows: int) -> Lengths:
    """Bins of one round width that reach the limit or the 99th percentile; what is longer stands in an open last bin."""
    ordered = sorted(counts)
    last = len(ordered) - 1
    median, p95, p99 = (ordered[round(last * share)] for share in (0.5, 0.95, 0.99))
    reach = max(p99 + 1, min(limit, ordered[-1]) + 1 if tokens else 0)
    width = next(w for w in _widths() if w * _BINS >= reach)
    number = -(-reach // width)
    bins = [0] * (number + 1)
    for count in counts:
        bins[min(count // width, number)] += 1
    closed = [{"from": i * width, "to": (i + 1) * width, "count": bins[i]} for i in range(number)]
    beyond = [{"from": number * width, "to": None, "count": bins[number]}] if bins[number] else []
    over = sum(count > limit for count in counts)
    unit = "tokens" if tokens else "words"
    return Lengths(unit, (*closed, *beyond), median, p95, ordered[-1], limit, over, len(counts), rows)


def _widths() -> Iterator[int]:
    scale = 1
    while True:
        yield from (scale, 2 * scale, 4 * scale, 5 * scale, 8 * scale)
        scale *= 10


def too_long(found: Lengths, lines: Sequence[int], text: str) -> list[Fault]:
    """Texts that would be cut. Counted in words, only those that are too long in any case."""
    if not found.over:
        return []
    share = f"{100 * found.over / found.counted:.1f} % of the rows measured"
    keep = f"{found.longest:,} {found.unit} would keep all" if found.longest <= 4 * found.limit else (
        f"the longest has {found.longest:,} {found.unit}")  # fmt: skip
    setting = (
        {"max_length": found.longest} if found.unit == "tokens" and found.longest <= 4 * found.limit else None
    )
    title = f"{count_of(found.over, 'row')} longer than {found.limit:,} {found.unit}"
    label = f"Use {found.longest:,}" if setting else ""
    fault = Fault("too_long", "look", title, f"{share} would be cut; {keep}.", tuple(lines), text, found.over)
    return [replace(fault, fix_label=label, setting=setting)]
