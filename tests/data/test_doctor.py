"""The report: faults by line and field, fixes that repair them, plain JSON, a readable text."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.data.tables import csv, rows, write
from workbench import data


def report(tmp_path: Path, pairs: list[tuple[str, str]], **arguments: object) -> data.Report:
    return data.check(write(tmp_path / "a.csv", csv(pairs)), **arguments)  # type: ignore[arg-type]


def codes(found: data.Report) -> dict[str, data.Fault]:
    return {fault.code: fault for fault in found.faults}


CLEAN = rows(400)
FAULTY = {
    "duplicates": ([*CLEAN, CLEAN[0], (CLEAN[1][0].upper(), CLEAN[1][1])], (402, 403), "drop_duplicates"),
    "conflicting": ([*CLEAN, (CLEAN[0][0], "good")], (2, 402), "drop_conflicting"),
    "html": ([*CLEAN, ("fine<br />but <b>dear</b> &amp; far", "good")], (402,), "strip_html"),
    "space": ([*CLEAN, (" two  spaces ", "good"), ("zero\u200bwidth", "bad")], (402, 403), "normalise_space"),
    "misspelt_label": ([*CLEAN, ("rain all day", "goood")], (402,), "rename:goood=good"),
    "label_spelling": (
        [*CLEAN, *[(f"rain for {i} days", "Good") for i in range(9)]],
        None,
        "normalise_labels",
    ),
    "missing_text": ([*CLEAN, ("", "good")], (402,), "drop_empty"),
    "rare_class": ([*CLEAN, ("rain all day", "mixed")], (402,), "drop_rare"),
    "imbalance": ([row for i, row in enumerate(rows(800)) if row[1] == "good" or i < 60], (), "rebalance"),
}


def test_nothing_is_found_in_clean_data(tmp_path: Path) -> None:
    found = report(tmp_path, CLEAN)
    assert found.faults == ()
    assert len(found.passed) >= 12


@pytest.mark.parametrize("code", FAULTY)
def test_each_fault_is_found_at_its_lines_and_gone_after_its_fix(tmp_path: Path, code: str) -> None:
    pairs, lines, fix = FAULTY[code]
    before = report(tmp_path, pairs)
    assert set(codes(before)) == {code}
    fault = codes(before)[code]
    assert fault.fix == fix
    assert fault.fix_label
    if lines is not None:
        assert fault.lines == lines
    after = report(tmp_path, pairs, fixes=[fix])
    assert after.faults == (), after.to_text()
    assert after.fixes == (fix,)
    assert after.fingerprint != before.fingerprint or code == "missing_text"


def test_a_rare_misspelt_label_blocks_only_where_the_split_needs_it(tmp_path: Path) -> None:
    pairs = [*CLEAN, *[(f"rain for {i} days", "goood") for i in range(2)]]
    assert codes(report(tmp_path, pairs))["misspelt_label"].blocks
    numbered = [
        (text, f"{label}_{i % 2}") for i, (text, label) in enumerate(rows(400, ("class", "klasse", "other")))
    ]
    assert "misspelt_label" not in codes(report(tmp_path, numbered))


def test_meant_opposites_are_not_called_misspelt(tmp_path: Path) -> None:
    pairs = [*rows(400, ("toxic", "calm and quiet")), *[(f"rain for {i} days", "untoxic") for i in range(2)]]
    assert "misspelt_label" not in codes(report(tmp_path, pairs))


def test_lengths_in_tokens_and_the_length_that_would_keep_all(tmp_path: Path) -> None:
    def tokenizer(texts: list[str]) -> dict[str, list[list[int]]]:
        return {"input_ids": [[0] * (len(text.split()) + 2) for text in texts]}

    pairs = [*CLEAN, (" ".join(["word"] * 30), "good")]
    found = report(tmp_path, pairs, tokenizer=tokenizer, max_length=20)
    assert found.lengths is not None
    assert (found.lengths.unit, found.lengths.longest, found.lengths.over) == ("tokens", 32, 1)
    assert sum(b["count"] or 0 for b in found.lengths.bins) == 401
    fault = codes(found)["too_long"]
    assert fault.lines == (402,)
    assert fault.setting == {"max_length": 32}
    assert report(tmp_path, pairs).lengths.unit == "words"  # type: ignore[union-attr]


def test_chinese_words_are_counted_without_spaces(tmp_path: Path) -> None:
    found = report(tmp_path, [("房间很大", "a"), ("早餐太差 ok", "b"), ("很大房间", "a")] * 20)
    assert found.lengths is not None
    assert found.lengths.median == 4
    assert found.lengths.longest == 5


def test_the_report_is_plain_json_and_says_the_split(tmp_path: Path) -> None:
    found = report(tmp_path, FAULTY["duplicates"][0])
    values = json.loads(json.dumps(found.to_dict()))
    assert values == found.to_dict()
    assert values["parts"] == {"train": 262, "validation": 60, "test": 80} == dict(found.parts)
    assert values["labels"] == {"bad": 201, "good": 201}
    assert values["majority"] == {"label": "bad", "share": 0.5}
    assert values["preview"][0] | {"part": ""} == {
        "line": 2, "text": CLEAN[0][0], "label": "bad", "length": 10, "part": "",
    }  # fmt: skip
    assert {row["part"] for row in values["preview"]} <= {"train", "validation", "test"}
    assert values["faults"][0]["fix"] == "drop_duplicates"


def test_the_fingerprint_shown_is_the_one_prepared(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv(FAULTY["html"][0]))
    split = data.Split(seed=3, train_rows=100)
    found = data.check(path, fixes=["strip_html"], split=split)
    prepared = data.prepare(path, fixes=["strip_html"], split_seed=3, train_rows=100)
    assert found.fingerprint == prepared.spec.fingerprint
    assert {part: len(r) for part, r in prepared.rows.items()} == dict(found.parts)


def test_the_text_names_lines_fields_and_fixes_and_obeys_no_control_characters(tmp_path: Path) -> None:
    text = report(
        tmp_path, [*FAULTY["rare_class"][0], ("", "bad"), ("red \x1b[31m \u202eabc<br>", "bad")]
    ).to_text()
    assert "BLOCKS" in text
    assert "line 402, column “label”" in text
    assert "fix drop_rare" in text
    assert all(c.isprintable() or c == "\n" for c in text)
    assert max(map(len, text.splitlines())) <= 160


def test_a_report_on_what_can_not_be_read(tmp_path: Path) -> None:
    found = data.check(tmp_path / "nothing.csv")
    assert found.blocks
    assert "no file" in str(found.blocking_sentence)
    assert "It can't be read" in found.to_text()
    assert json.dumps(found.to_dict())


def test_unknown_fixes_are_named(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match="did you mean drop_duplicates"):
        report(tmp_path, CLEAN, fixes=["drop_duplicate"])


def test_faults_of_several_files_say_which(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", csv(rows(100)))
    write(tmp_path / "test.csv", csv([*rows(100, start=200), ("a  b", "bad")]))
    fault = codes(data.check(tmp_path))["space"]
    assert (fault.file, fault.lines, fault.field) == ("test.csv", (102,), "text")


def test_ten_thousand_rows_take_less_than_three_seconds(tmp_path: Path) -> None:
    raw = data.read(write(tmp_path / "a.csv", csv(rows(10_000, tuple(f"intent {i}" for i in range(12))))))
    start = time.process_time()
    assert data.examine(raw).rows == 10_000
    assert time.process_time() - start < 3


@pytest.mark.slow
def test_real_sets(shared: Path) -> None:
    for name, text, labels in (
        ("sst2_glue", "sentence", 2),
        ("ag_news", "text", 4),
        ("clinc150/data_small.json", "column 1", 150),
        ("zh_chnsenticorp_hotel", "review", 2),
    ):
        found = data.check(shared / "data" / name)
        assert not found.blocks, found.to_text()
        assert (found.text, len(found.labels)) == (text, labels)


@pytest.mark.slow
def test_glue_files_as_parts(shared: Path) -> None:
    folder = shared / "data" / "sst2_glue"
    parts = {"train": str(folder / "train.tsv"), "test": str(folder / "dev.tsv")}
    prepared = data.prepare(parts=parts, train_rows=2000)
    assert {part: len(rows) for part, rows in prepared.rows.items()} == {
        "train": 2000,
        "validation": 353,
        "test": 872,
    }
    assert prepared.spec.labels == ("0", "1")
