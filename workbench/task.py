"""Task: the record that a file in tasks/ exports: columns, encoding, metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Task:
    """One kind of problem. Rows are plain dicts with the keys of `columns`.

    `encode(tokenizer, rows, labels, max_length)` -> list of {input_ids, attention_mask, labels} (lists of int, no padding).
    `score(outcomes, labels)` -> metrics by name (shares from 0 to 1), from per-example outcomes.
    `best_metric` picks the checkpoint on the validation part. `model_class` is the transformers Auto class.
    """

    name: str
    title: str
    version: int
    columns: tuple[str, ...]
    metrics: tuple[str, ...]
    best_metric: str
    model_class: str
    sentence: str
    encode: Callable[[Any, Sequence[Mapping[str, str]], Sequence[str], int], list[dict[str, Any]]]
    score: Callable[[Sequence[Mapping[str, Any]], Sequence[str]], dict[str, float]]
