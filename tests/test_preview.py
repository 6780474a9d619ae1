"""What is said of data before anything trains: the report and the kept rows, for each task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.data.records.rows import lines, pairs
from workbench.preview import find_rows, look_at_data
from workbench.store import Store

# A bundled name is known once its task is; a folder always is.
TONE = str(Path(__file__).parents[1] / "assets" / "datasets" / "tone")


@pytest.mark.parametrize(
    ("arguments", "words", "found"),
    [
        ({"source": "reviews"}, "positive radio", {"text", "label", "part"}),
        (
            {"source": "instructions", "task": "generation"},
            "polite please",
            {"prompt", "completion", "kind", "part"},
        ),
        ({"source": TONE, "task": "preference"}, "lamp", {"prompt", "chosen", "rejected", "part"}),
    ],
)
def test_data_is_looked_at_kept_and_searched(
    store: Store, arguments: dict[str, str], words: str, found: set[str]
) -> None:
    look = look_at_data(str(store.folder), arguments, None, "", 128)
    assert json.loads(json.dumps(look["report"])) == look["report"]
    assert look["report"]["task"] == arguments.get("task", "classification")
    assert look["spec"], look["report"]["faults"]
    assert look["spec"]["fingerprint"] == look["report"]["fingerprint"]
    rows = find_rows(str(store.folder), look["spec"]["fingerprint"], words, "")
    assert 0 < len(rows["rows"]) <= 8 <= rows["found"]
    assert all(found <= set(row) and {"text", "label"} <= set(row) for row in rows["rows"])
    assert all(word in str(row).casefold() for row in rows["rows"] for word in words.split())


def test_choices_reach_the_report_and_the_rows(store: Store, tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.jsonl", [{**row, "completion": row["completion"] + " {name}"} for row in pairs()]
    )
    arguments = {"source": "a.jsonl", "task": "generation", "text": "prompt", "label": "completion"}
    arguments |= {"format": "prompt_completion", "fill": {"name": "Robo"}}
    look = look_at_data(str(store.folder), arguments, str(path), "", 128)
    assert look["report"]["faults"] == [] or {f["code"] for f in look["report"]["faults"]} == {
        "few_test_rows"
    }
    assert find_rows(str(store.folder), look["spec"]["fingerprint"], "robo", "")["found"] == 40
