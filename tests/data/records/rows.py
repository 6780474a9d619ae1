"""Small sets of prompts, completions and conversations for the tests of records, and files of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.data.tables import write
from workbench import data

Rows = Sequence[Mapping[str, Any]]


def pairs(number: int = 40, start: int = 0) -> list[dict[str, Any]]:
    """Different prompts, different completions."""
    return [
        {"prompt": f"What comes after {i}?", "completion": f"The number {i + 1} does."}
        for i in range(start, start + number)
    ]


def turns(
    *said: str, first: str = "user", keys: tuple[str, str] = ("role", "content")
) -> list[dict[str, str]]:
    """Turns of user and assistant in turn."""
    roles = ("user", "assistant") if first == "user" else ("assistant", "user")
    return [{keys[0]: roles[i % 2], keys[1]: text} for i, text in enumerate(said)]


def lines(path: Path, rows: Rows) -> Path:
    return write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def report(tmp_path: Path, rows: Rows, task: str = "generation", **arguments: Any) -> data.Report:
    return data.check(lines(tmp_path / "a.jsonl", rows), task=task, **arguments)


def codes(found: data.Report) -> dict[str, data.Fault]:
    return {fault.code: fault for fault in found.faults if fault.code != "few_test_rows"}


def every_row(prepared: data.Prepared) -> list[dict[str, Any]]:
    return [row for part in ("train", "validation", "test") for row in prepared.rows[part]]
