"""Each fault of prompts, completions and conversations: found at its lines, gone after its fix, said in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.records.rows import codes, every_row, lines, pairs, report, turns
from workbench import data
from workbench.data import DataError
from workbench.data.records.fixes import has_mojibake, placeholders_of, tidy, without_mojibake

CLEAN = pairs(300)
SPOKEN = [{"messages": turns(row["prompt"], row["completion"])} for row in CLEAN]


def _with(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [*CLEAN, *rows]


def _spoken(*conversations: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [*SPOKEN, *({"messages": turns_} for turns_ in conversations)]


SYSTEM = {"role": "system", "content": "s"}
FAULTY: dict[str, tuple[list[dict[str, Any]], tuple[int, ...], str]] = {
    "missing_prompt": (_with({"prompt": " ", "completion": "a"}), (301,), "drop_empty"),
    "missing_completion": (_with({"prompt": "a", "completion": ""}), (301,), "drop_empty"),
    "copied_prompt": (_with({"prompt": "Echo this", "completion": "echo  this"}), (301,), "drop_copies"),
    "duplicates": (
        _with(CLEAN[0], {**CLEAN[1], "prompt": CLEAN[1]["prompt"].upper()}),
        (301, 302),
        "drop_duplicates",
    ),
    "placeholder": (_with({"prompt": "Who?", "completion": "I am {name}."}), (301,), "drop_unfilled"),
    "mojibake": (
        _with({"prompt": "Where?", "completion": "In the cafÃ©, â€œhereâ€\x9d."}),
        (301,),
        "mend_mojibake",
    ),
    "html": (_with({"prompt": "What<br />now", "completion": "this &amp; that"}), (301,), "strip_html"),
    "space": (_with({"prompt": "What now ", "completion": "this\u200b"}), (301,), "normalise_space"),
    "broken_cell": ([*SPOKEN, {"messages": "[{'role"}], (301,), "drop_broken"),
    "unknown_role": (_spoken([*turns("a"), {"role": "tool", "content": "b"}]), (301,), "drop_broken"),
    "no_assistant": (_spoken(turns("a")), (301,), "drop_broken"),
    "role_order": (_spoken([*turns("a"), *turns("b", "c")]), (301,), "merge_turns"),
    "mixed_formats": ([*SPOKEN, CLEAN[0] | {"prompt": "Apart?"}], (301,), "mix_formats"),
}


def test_nothing_is_found_in_clean_data(tmp_path: Path) -> None:
    for rows in (CLEAN, SPOKEN):
        found = report(tmp_path, rows)
        assert found.faults == (), found.to_text()
        assert len(found.passed) >= 12


@pytest.mark.parametrize("code", FAULTY)
def test_each_fault_is_found_at_its_lines_and_gone_after_its_fix(tmp_path: Path, code: str) -> None:
    rows, at, fix = FAULTY[code]
    before = report(tmp_path, rows)
    assert set(codes(before)) == {code}, before.to_text()
    fault = codes(before)[code]
    assert (fault.lines, fault.fix, fault.blocks) == (at, fix, False)
    assert fault.fix_label
    after = report(tmp_path, rows, fixes=[fix])
    assert codes(after) == {}, after.to_text()
    assert fix in after.fixes
    assert (
        data.prepare(tmp_path / "a.jsonl", task="generation", fixes=after.fixes).spec.fingerprint
        == after.fingerprint
    )


def test_turns_that_no_joining_mends_are_dropped(tmp_path: Path) -> None:
    rows = _spoken(
        [*turns("a", "b"), SYSTEM, *turns("c", "d")], [*turns("hi", first="assistant"), *turns("e", "f")]
    )
    found = report(tmp_path, rows)
    assert [(f.code, f.lines, f.fix) for f in found.faults] == [
        ("role_order", (301,), "drop_broken"),
        ("role_order", (302,), "merge_turns"),
    ]
    mended = data.prepare(tmp_path / "a.jsonl", task="generation", fixes=["merge_turns"])
    assert "e" in {row["prompt"] for row in every_row(mended)}
    assert len(every_row(mended)) == 301


def test_joined_turns_keep_all_words(tmp_path: Path) -> None:
    rows = FAULTY["role_order"][0]
    prepared = data.prepare(lines(tmp_path / "a.jsonl", rows), task="generation", fixes=["merge_turns"])
    assert {"prompt": "a\n\nb", "completion": "c"} in every_row(prepared)


def test_many_bad_rows_block_until_they_are_dropped(tmp_path: Path) -> None:
    rows = [*SPOKEN[:50], *({"messages": turns(f"only {i}")} for i in range(20))]
    found = report(tmp_path, rows)
    assert codes(found)["no_assistant"].blocks
    with pytest.raises(DataError, match="20 conversations have no answer") as caught:
        data.prepare(tmp_path / "a.jsonl", task="generation")
    assert caught.value.code == "no_assistant"
    assert not report(tmp_path, rows, fixes=["drop_broken"]).blocks


def test_one_completion_for_all_blocks_and_for_most_is_said(tmp_path: Path) -> None:
    same = [{**row, "completion": "Yes."} for row in CLEAN]
    assert codes(report(tmp_path, same))["same_completion"].blocks
    most = [*same[:270], *CLEAN[270:]]
    fault = codes(report(tmp_path, most))["common_completion"]
    assert (fault.severity, fault.count, fault.blocks) == ("look", 270, False)
    assert "90.0 %" in fault.detail


def test_a_prompt_in_two_given_parts_is_a_leak(tmp_path: Path) -> None:
    lines(tmp_path / "train.jsonl", pairs(100))
    other = {"prompt": "What comes after 7?", "completion": "8."}
    lines(tmp_path / "test.jsonl", [*pairs(60, 200), pairs(1)[0], other])
    found = data.check(tmp_path, task="generation")
    fault = codes(found)["overlap"]
    assert (fault.file, fault.lines, fault.count, fault.fix) == ("train.jsonl", (1, 8), 2, "drop_overlap")
    assert "1 with the same completion" in fault.detail
    fixed = data.prepare(tmp_path, task="generation", fixes=["drop_overlap"])
    asked = {part: {row["prompt"] for row in rows} for part, rows in fixed.rows.items()}
    assert not asked["train"] & asked["test"]
    assert len(asked["test"]) == 62


def test_several_completions_of_a_prompt_are_references_and_no_fault(tmp_path: Path) -> None:
    rows = [{**row, "completion": f"{row['completion']} {j}"} for row in pairs(90) for j in range(3)]
    found = report(tmp_path, rows)
    assert codes(found) == {}
    assert any("90 in" in note or "completions: 90;" in note for note in found.notes), found.notes
    prepared = data.prepare(tmp_path / "a.jsonl", task="generation")
    for part in ("validation", "test"):
        asked = [row["prompt"] for row in prepared.rows[part]]
        assert len(set(asked)) == len(asked)
        assert all(
            len(row["references"]) == 3 and row["completion"] in row["references"]
            for row in prepared.rows[part]
        )
    assert not any("references" in row for row in prepared.rows["train"])
    asked = {part: {row["prompt"] for row in rows_} for part, rows_ in prepared.rows.items()}
    assert not asked["train"] & (asked["validation"] | asked["test"])


def test_declared_placeholders_block_until_they_are_filled(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"Who are you, {i}?", "completion": "I am {name} of {maker}." if i % 3 else f"{i}!"}
        for i in range(90)
    ]
    lines(tmp_path / "train.jsonl", rows)
    (tmp_path / "card.json").write_text(json.dumps({"placeholders": ["name", "maker"]}))
    found = data.check(tmp_path, task="generation")
    assert found.placeholders == ("name", "maker")
    assert codes(found)["placeholder"].blocks
    filled = data.prepare(tmp_path, task="generation", fill={"name": "Robo", "maker": "us"})
    assert {row["completion"] for row in every_row(filled)} >= {"I am Robo of us."}
    assert filled.spec.fill == {"name": "Robo", "maker": "us"}
    with pytest.raises(DataError, match=r"no \{nam\}; it has \{maker\}, \{name\}"):
        data.prepare(tmp_path, task="generation", fill={"nam": "Robo"})
    with pytest.raises(DataError, match="name needs words"):
        data.prepare(tmp_path, task="generation", fill={"name": " "})


def test_braces_of_code_and_formulas_are_no_placeholders() -> None:
    for text in (r"\frac{a}{b}", "x_{i}", "f(){return}", "dict = {a: 1}", "${HOME}", "{ name }", "{}", "{1}"):
        assert placeholders_of(text) == set(), text
    assert placeholders_of("I am {name}, by {maker_2}.") == {"name", "maker_2"}


@pytest.mark.parametrize(
    "text", ["Ãngela", "naïve café", "Â", "Straße ‘quoted’", "Ñandú", "日本語", "Tiếng Việt"]
)
def test_right_letters_are_left_alone(text: str) -> None:
    assert not has_mojibake(text)
    assert without_mojibake(text) == text


@pytest.mark.parametrize("text", ["café", "“quoted” – it’s", "Straße", "日本語", "naïve 😀 end"])
def test_letters_read_in_the_wrong_encoding_are_mended(text: str) -> None:
    raw = text.encode()
    damaged = "".join(bytes([b]).decode("cp1252", errors="ignore") or chr(b) for b in raw)
    assert has_mojibake(damaged)
    assert without_mojibake(damaged) == text


def test_tidying_keeps_line_breaks_and_indents() -> None:
    assert tidy(" def f():\r\n    return 1  \n\n") == "def f():\n    return 1"


def test_rows_too_few_for_the_split(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{i % 2}", "completion": f"c{i}"} for i in range(30)]
    fault = codes(report(tmp_path, rows))["too_few_rows"]
    assert fault.blocks
    assert fault.count == 2


def test_lengths_of_prompts_and_completions_and_how_many_rows_are_cut(tmp_path: Path) -> None:
    def tokenizer(texts: list[str]) -> dict[str, list[list[int]]]:
        return {"input_ids": [[0] * len(text.split()) for text in texts]}

    long = {"prompt": "word " * 20 + "end", "completion": "word " * 9 + "end"}
    found = report(tmp_path, [*CLEAN, long], tokenizer=tokenizer, max_length=20)
    assert found.lengths is not None
    assert (found.lengths.longest, found.lengths.over) == (31, 1)
    assert {role: (one.longest, one.median) for role, one in found.lengths_by_role.items()} == {
        "prompt": (21, 4),
        "completion": (10, 4),
    }
    assert codes(found)["too_long"].lines == (301,)
    values = json.loads(json.dumps(found.to_dict()))
    assert values == found.to_dict()
    assert values["lengths_by_role"]["completion"]["bins"]
    assert values["format"]["sure"] == "certain"


def test_the_text_says_format_prompts_and_completions(tmp_path: Path) -> None:
    text = report(tmp_path, CLEAN).to_text()
    assert "Format Prompt and completion (certain: columns named 'prompt' and 'completion')" in text
    assert "prompt      What comes after 0?" in text
    assert "completion  The number 1 does." in text


def test_unknown_fixes_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="did you mean drop_duplicates"):
        report(tmp_path, CLEAN, fixes=["drop_duplicate"])
