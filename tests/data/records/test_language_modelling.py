"""Plain text: columns of tables, and files cut by lines or by paragraphs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.data.records.rows import codes, every_row, lines, report
from tests.data.tables import write
from workbench import data
from workbench.data import DataError

STORIES = [f"Story {i}.\nIt has two lines." for i in range(90)]


def test_a_column_of_texts(tmp_path: Path) -> None:
    found = report(
        tmp_path, [{"id": i, "text": text} for i, text in enumerate(STORIES)], "language_modelling"
    )
    assert codes(found) == {}
    assert (found.text, found.label, found.format and found.format["sure"]) == ("text", None, "certain")
    assert found.preview[0]["text"] == STORIES[0]
    longest = report(
        tmp_path,
        [{"name": f"n{i}", "body of it": text} for i, text in enumerate(STORIES)],
        "language_modelling",
    )
    assert (longest.text, "unsure_format" in codes(longest)) == ("body of it", True)


@pytest.mark.parametrize("ending", [".txt", ".md", ""])
def test_paragraphs_between_blank_lines(tmp_path: Path, ending: str) -> None:
    path = write(
        tmp_path / f"stories{ending}",
        "\ufeff" + "\r\n\r\n \r\n".join(t.replace("\n", "\r\n") for t in STORIES),
    )
    raw = data.read(path, documents="guess")
    assert raw.parts["all"]["__line__"].tolist()[:3] == [1, 5, 9]
    prepared = data.prepare(path, task="language_modelling")
    assert {row["text"] for row in every_row(prepared)} == set(STORIES)
    table = data.prepare(
        lines(tmp_path / "a.jsonl", [{"text": text} for text in STORIES]), task="language_modelling"
    )
    assert table.spec.fingerprint == prepared.spec.fingerprint


def test_lines_where_no_blank_line_divides_or_where_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "\n".join(STORIES))
    found = data.check(path, task="language_modelling")
    assert any("one text on each line" in note for note in found.notes)
    assert found.rows == 180
    write(path, "\n\n".join(STORIES))
    assert data.check(path, task="language_modelling").rows == 90
    assert data.check(path, task="language_modelling", format="line").rows == 180
    assert data.prepare(path, task="language_modelling", format="line").spec.format == "line"
    with pytest.raises(DataError, match="did you mean paragraph"):
        data.prepare(path, task="language_modelling", format="paragraf")


def test_other_tasks_still_read_txt_as_a_table(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "prompt|completion\n" + "".join(f"p{i}|c{i}\n" for i in range(40)))
    assert data.check(path, task="generation").rows == 40


def test_json_without_an_ending_is_no_plain_text(tmp_path: Path) -> None:
    path = write(tmp_path / "stories", json.dumps([{"text": text} for text in STORIES]))
    assert data.check(path, task="language_modelling").rows == 90


def test_repeated_texts_and_leaks(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", "\n".join(f"Line {i}" for i in range(100)) + "\nLine 3\n")
    write(tmp_path / "test.txt", "\n".join(f"Line {i}" for i in range(95, 160)))
    found = data.check(tmp_path, task="language_modelling")
    assert (codes(found)["duplicates"].lines, codes(found)["overlap"].count) == ((101,), 5)
    assert (
        codes(data.check(tmp_path, task="language_modelling", fixes=["drop_duplicates", "drop_overlap"]))
        == {}
    )


def test_real_text(shared: Path) -> None:
    folder = shared / "data" / "wikitext2_valid_test"
    parts = {"train": str(folder / "valid.txt"), "test": str(folder / "test.txt")}
    prepared = data.prepare(parts=parts, task="language_modelling", format="line")
    assert len(prepared.rows["test"]) == 2891
