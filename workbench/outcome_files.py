"""Per-example outcomes as files: one JSON line per row, in the order of the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_outcomes(path: Path, outcomes: Sequence[Mapping[str, Any]]) -> None:
    """All rows or none."""
    part = path.with_name(f".{path.name}")
    with part.open("w", encoding="utf-8") as file:
        for outcome in outcomes:
            file.write(json.dumps(_rounded(outcome), ensure_ascii=False) + "\n")
    part.replace(path)


def _rounded(outcome: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: [round(one, 6) for one in value]
        if isinstance(value, list) and value and isinstance(value[0], float)
        else value
        for name, value in outcome.items()
    }


def read_outcomes(path: Path) -> list[dict[str, Any]]:
    """What `write_outcomes` wrote."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
