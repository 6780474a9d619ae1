"""Answers rated one by one: both of their forms, ratings in many words, and what the doctor says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.data.records.rows import codes, every_row, lines, report, turns
from workbench import data

ROWS = [
    {"prompt": f"Ask {i}?", "completion": f"Gladly, {i}." if i % 2 else f"No {i}.", "label": bool(i % 2)}
    for i in range(120)
]
FORMS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "trl": ("ratings", ROWS),
    "words": (
        "ratings",
        [
            {"question": r["prompt"], "response": r["completion"], "feedback": "👍" if r["label"] else "👎"}
            for r in ROWS
        ],
    ),
    "llamafactory": (
        "rated_conversations",
        [{"messages": turns(r["prompt"], r["completion"]), "kto_tag": r["label"]} for r in ROWS],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_one_answer_to_a_row(tmp_path: Path, form: str) -> None:
    name, rows = FORMS[form]
    found = report(tmp_path, rows, "preference")
    assert found.format is not None
    assert (found.format["name"], codes(found)) == (name, {})
    prepared = data.prepare(tmp_path / "a.jsonl", task="preference")
    said = {row.get("chosen", row.get("rejected")): tuple(row) for row in every_row(prepared)}
    assert said == {
        r["completion"]: ("prompt", "chosen") if r["label"] else ("prompt", "rejected") for r in ROWS
    }
    data.save_prepared(prepared, tmp_path / "kept")
    assert data.load_prepared(tmp_path / "kept").rows == prepared.rows


def test_the_task_is_guessed_where_the_ratings_say_so_and_classes_stay_classes(tmp_path: Path) -> None:
    from workbench.data.guess_task import guess_task_of

    found = guess_task_of(str(lines(tmp_path / "a.jsonl", ROWS)))
    assert found is not None
    assert found["task"] == "preference"
    classes = [{"question": f"Is {i} odd?", "response": f"It is {i}.", "label": i % 2} for i in range(40)]
    found = guess_task_of(str(lines(tmp_path / "b.jsonl", classes)))
    assert found is not None
    assert found["task"] != "preference"


def test_what_the_doctor_says(tmp_path: Path) -> None:
    unread = report(tmp_path, [*ROWS, {"prompt": "p", "completion": "c", "label": "perhaps"}], "preference")
    assert (codes(unread)["no_rating"].lines, codes(unread)["no_rating"].fix) == ((121,), "drop_broken")
    good = report(tmp_path, [row for row in ROWS if row["label"]], "preference")
    assert codes(good)["one_sided"].blocks
    assert good.blocking_sentence is not None
    few = report(tmp_path, [row for i, row in enumerate(ROWS) if row["label"] or i < 4], "preference")
    assert codes(few)["one_sided"].severity == "look"
    assert codes(few)["one_sided"].count == 2
    both = report(tmp_path, [*ROWS, {**ROWS[0], "label": True}], "preference")
    assert "duplicates" not in codes(both)
    empty = report(tmp_path, [*ROWS, {"prompt": "p", "completion": " ", "label": True}], "preference")
    assert codes(empty)["missing_chosen"].lines == (121,)


def test_a_real_set(shared: Path) -> None:
    prepared = data.prepare(shared / "data" / "llamafactory_demo" / "kto_en_demo.json", task="preference")
    rows = every_row(prepared)
    assert len(rows) == 300
    assert {"chosen", "rejected"} == {name for row in rows for name in row} - {"prompt", "messages"}
