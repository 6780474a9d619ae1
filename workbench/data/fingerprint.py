"""The fingerprint of prepared rows: what two runs must share to have seen the same data, whatever file it came from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from workbench.data.clean import Row
from workbench.spec import canonical_json

_NUMBER = re.compile(r"\s*[-+]?\d{1,300}(\.\d{1,300})?\s*\Z", re.ASCII)


def fingerprint(parts: Mapping[str, Sequence[Row]], labels: Sequence[str]) -> str:
    """32 hex digits over the texts and labels of all parts, in their order, and the order of the labels."""
    rows = {part: [[row.text, row.label] for row in found] for part, found in parts.items()}
    return hashlib.sha256(canonical_json({"labels": list(labels), "parts": rows}).encode()).hexdigest()[:32]


def fingerprint_of_rows(task: str, parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """32 hex digits over all fields of the rows of a task on free text."""
    rows = {part: [dict(row) for row in found] for part, found in parts.items()}
    return hashlib.sha256(canonical_json({"task": task, "parts": rows}).encode()).hexdigest()[:32]


def in_order(labels: Collection[str]) -> tuple[str, ...]:
    """Sorted: as numbers where all are, so that 10 comes after 2."""
    if all(_NUMBER.match(label) for label in labels):
        return tuple(sorted(labels, key=lambda label: (float(label), label)))
    return tuple(sorted(labels))
