"""Preferences in each of their forms: the same rows, equal answers and broken pairs found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.data.records.rows import codes, every_row, lines, report, turns
from workbench import data

ROWS = [{"prompt": f"Ask {i}?", "chosen": f"Gladly, {i}.", "rejected": f"No {i}."} for i in range(300)]


def _answer(text: str) -> list[dict[str, str]]:
    return turns(text, first="assistant")


def _spoken(row: dict[str, str], name: str) -> list[dict[str, str]]:
    return turns(row["prompt"], row[name])


FORMS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "texts": ("pairs", ROWS),
    "question": ("pairs", [{"question": r["prompt"], "chosen": r["chosen"], "rejected": r["rejected"]} for r in ROWS]),
    "turns": (
        "pairs",
        [
            {"prompt": turns(r["prompt"]), "chosen": _answer(r["chosen"]), "rejected": _answer(r["rejected"])}
            for r in ROWS
        ],
    ),
    "llamafactory": (
        "pairs",
        [
            {
                "conversations": [{"from": "human", "value": r["prompt"]}],
                "chosen": {"from": "gpt", "value": r["chosen"]},
                "rejected": {"from": "gpt", "value": r["rejected"]},
            }
            for r in ROWS
        ],
    ),
    "openai": (
        "pairs",
        [
            {
                "input": {"messages": turns(r["prompt"])},
                "preferred_output": _answer(r["chosen"]),
                "non_preferred_output": _answer(r["rejected"]),
            }
            for r in ROWS
        ],
    ),
    "ultrafeedback": (
        "conversations",
        [
            {"prompt": r["prompt"], "chosen": _spoken(r, "chosen"), "rejected": _spoken(r, "rejected")} for r in ROWS
        ],
    ),
    "whole_conversations": (
        "conversations",
        [{"chosen": _spoken(r, "chosen"), "rejected": _spoken(r, "rejected")} for r in ROWS],
    ),
    "hh_rlhf": (
        "conversations",
        [
            {n: f"\n\nHuman: {r['prompt']}\n\nAssistant: {r[n]}" for n in ("chosen", "rejected")} for r in ROWS
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows(tmp_path: Path, form: str) -> None:
    name, rows = FORMS[form]
    found = report(tmp_path, rows, "preference")
    assert found.format is not None
    assert (found.format["name"], found.format["sure"]) == (name, "certain")
    assert codes(found) == {}
    prepared = data.prepare(tmp_path / "a.jsonl", task="preference")
    assert sorted(every_row(prepared), key=lambda r: int(r["chosen"][8:-1])) == ROWS
    assert list(found.lengths_by_role) == ["prompt", "chosen", "rejected"]
    if form == "ultrafeedback":
        asked = data.prepare(tmp_path / "a.jsonl", task="preference", format="pairs")
        assert asked.spec.fingerprint == prepared.spec.fingerprint


def test_earlier_turns_are_kept(tmp_path: Path) -> None:
    said = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Ask {}\n\nAssistant: {}"
    rows = [{"chosen": said.format(i, f"yes {i}"), "rejected": said.format(i, f"no {i}")} for i in range(40)]
    prepared = data.prepare(lines(tmp_path / "a.jsonl", rows), task="preference")
    row = prepared.rows["train"][0]
    assert row["messages"] == turns("Hi", "Hello", row["prompt"])
    assert row["chosen"] == row["prompt"].replace("Ask", "yes")


def test_equal_answers_and_conversations_that_part_early(tmp_path: Path) -> None:
    found = report(tmp_path, [*ROWS, {"prompt": "Same?", "chosen": "A b", "rejected": "a  B"}], "preference")
    fault = codes(found)["equal_pair"]
    assert (fault.lines, fault.fix) == ((301,), "drop_equal")
    assert (
        codes(
            report(
                tmp_path,
                [*ROWS, {"prompt": "S", "chosen": "A", "rejected": "a"}],
                "preference",
                fixes=["drop_equal"],
            )
        )
        == {}
    )
    early = {"chosen": turns("a", "b", "c", "d"), "rejected": turns("a", "x", "c", "e")}
    found = report(tmp_path, [*FORMS["whole_conversations"][1], early], "preference")
    assert (codes(found)["no_preference"].lines, codes(found)["no_preference"].fix) == ((301,), "drop_broken")


def test_prompts_alone_are_no_preference(tmp_path: Path) -> None:
    found = report(tmp_path, [{"prompt": f"p{i}", "chosen": f"c{i}"} for i in range(9)], "preference")
    assert "no columns look like prompts with a chosen and a rejected answer" in str(found.blocking_sentence)


def test_real_sets(shared: Path) -> None:
    for name, rows in (
        ("orca_dpo_pairs_val/validation.jsonl", 284),
        ("llamafactory_demo/dpo_en_demo.json", 300),
    ):
        prepared = data.prepare(shared / "data" / name, task="preference")
        assert sum(map(len, prepared.rows.values())) == rows
        assert any("messages" in row for row in prepared.rows["train"])


def test_generation_learns_from_the_chosen_answers(tmp_path: Path) -> None:
    for form in ("texts", "llamafactory", "openai"):
        found = data.prepare(lines(tmp_path / "a.jsonl", FORMS[form][1]), task="generation")
        assert {(r["prompt"], r["completion"]) for r in every_row(found)} == {
            (r["prompt"], r["chosen"]) for r in ROWS
        }
