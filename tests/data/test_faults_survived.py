"""Rows F1 to F10 of the fault list: the code and the sentence that a person reads, and no traceback."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from tests.data.tables import csv, rows, write
from workbench import data
from workbench.data import DataError


def refused(path: Path, code: str, **arguments: object) -> DataError:
    """The error of `prepare`, of which the report of `check` must say the same."""
    with pytest.raises(DataError) as caught:
        data.prepare(path, **arguments)  # type: ignore[arg-type]
    error = caught.value
    assert error.code == code
    assert "\n" not in str(error)
    report = data.check(path, **arguments)  # type: ignore[arg-type]
    assert report.blocks
    assert code in [fault.code for fault in report.faults if fault.blocks]
    assert "\n" not in str(report.blocking_sentence)
    return error


def fault(report: data.Report, code: str) -> data.Fault:
    found = [fault for fault in report.faults if fault.code == code]
    assert len(found) == 1, [f.code for f in report.faults]
    return found[0]


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", b"\xef\xbb\xbf"])
def test_f1_an_empty_file(tmp_path: Path, content: bytes) -> None:
    error = refused(write(tmp_path / "a.csv", content), "empty")
    assert "a.csv is empty" in str(error)


@pytest.mark.parametrize("content", ["text,label\n", "text,label", "text\tlabel\r\n\r\n"])
def test_f2_a_header_alone(tmp_path: Path, content: str) -> None:
    assert "no rows" in str(refused(write(tmp_path / "a.csv", content), "no_rows"))


def test_f3_latin_1_is_asked_for_and_shown(tmp_path: Path) -> None:
    pairs = [*rows(30), ("the café was closed", "bad")]
    path = write(tmp_path / "a.csv", csv(pairs).encode("latin-1"))
    error = refused(path, "encoding")
    assert "line 32" in str(error)
    assert "encoding: latin-1" in str(error)
    assert error.lines == (32,)
    assert "café" in error.preview[0]
    prepared = data.prepare(path, encoding="latin-1")
    assert any("café" in row["text"] for part in prepared.rows.values() for row in part)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_f3_a_byte_order_mark_is_enough(tmp_path: Path, encoding: str) -> None:
    plain = data.prepare(write(tmp_path / "a.csv", csv([*rows(40), ("der Schlüssel 雪", "bad")])))
    marked = data.prepare(
        write(tmp_path / "b.csv", csv([*rows(40), ("der Schlüssel 雪", "bad")]).encode(encoding))
    )
    assert marked.spec.fingerprint == plain.spec.fingerprint
    assert marked.spec.text == "text"


def test_f3_a_wrong_or_unknown_encoding_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv([*rows(30), ("café", "bad")]).encode("latin-1"))
    assert "unknown encoding 'latin-99'" in str(refused(path, "encoding", encoding="latin-99"))
    assert "can't be read as ascii" in str(refused(path, "encoding", encoding="ascii"))
    assert "unknown encoding 'zlib'" in str(refused(path, "encoding", encoding="zlib"))


def test_f4_nul_bytes(tmp_path: Path) -> None:
    error = refused(write(tmp_path / "a.csv", csv(rows(10)).replace("day 4", "day \0")), "nul")
    assert error.lines == (6,)
    assert "line 6" in str(error)


def test_f4_broken_rows_are_named_and_skipped_when_told(tmp_path: Path) -> None:
    lines = csv(rows(40)).splitlines()
    lines[4] = "one,two,three"
    lines[9] = '"never closed,bad'
    lines[19] = '"closed" too early,good'
    path = write(tmp_path / "a.csv", "\n".join(lines))
    error = refused(path, "broken_rows")
    assert error.lines == (5, 10, 20)
    assert "line 5 has 3 fields instead of 2" in str(error)
    assert "line 10 opens a quote that isn't closed" in str(error)
    assert error.fix == "skip_broken"
    report = data.check(path, skip_broken=True)
    assert not report.blocks
    assert report.rows == 37
    skipped = fault(report, "skipped_rows")
    assert (skipped.count, skipped.lines) == (3, (5, 10, 20))


def test_f4_an_unclosed_quote_does_not_swallow_the_file(tmp_path: Path) -> None:
    lines = csv(rows(3000)).splitlines()
    lines[1] = '"never closed,bad'
    report = data.check(write(tmp_path / "a.csv", "\n".join(lines)), skip_broken=True)
    assert report.rows == 2999


def test_f4_broken_json_lines(tmp_path: Path) -> None:
    good = '{"text": "a film of day %d", "label": "%s"}'
    lines = [good % (i, "xy"[i % 2]) for i in range(30)]
    lines[6], lines[8] = '{"text": "cut', "7"
    path = write(tmp_path / "a.jsonl", "\n".join(lines))
    assert refused(path, "broken_rows").lines == (7, 9)
    assert data.check(path, skip_broken=True).rows == 28


@pytest.mark.parametrize("word", ["NA", "null", "None", "nan", "N/A", "", "-"])
def test_f5_words_that_mean_missing_elsewhere_stay_texts(tmp_path: Path, word: str) -> None:
    raw = data.read(write(tmp_path / "a.csv", csv([*rows(20), (word, "bad")])))
    assert raw.parts["all"]["text"].tolist()[-1] == word
    report = data.examine(raw)
    assert sum(report.labels.values()) == (20 if word == "" else 21)


def test_f5_in_labels_and_other_formats(tmp_path: Path) -> None:
    lines = "".join(f'{{"text": "{t}", "label": "{n}"}}\n' for t, n in rows(30, ("None", "NA")))
    prepared = data.prepare(write(tmp_path / "a.jsonl", lines))
    assert prepared.spec.labels == ("NA", "None")


def test_f6_a_few_empty_cells_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv([*rows(40), ("   ", "bad"), ("some text", "")]))
    report = data.check(path)
    assert fault(report, "missing_text").lines == (42,)
    assert fault(report, "missing_label").lines == (43,)
    assert fault(report, "missing_text").fix == "drop_empty"
    prepared = data.prepare(path)
    assert prepared.spec.fixes == ("drop_empty",)
    assert sum(map(len, prepared.rows.values())) == 40


def test_f6_many_empty_cells_block_until_the_fix_is_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv([*rows(40), *[("", "bad")] * 20]))
    assert "20 texts are empty" in str(refused(path, "missing_text"))
    assert sum(map(len, data.prepare(path, fixes=["drop_empty"]).rows.values())) == 40


def test_f6_an_empty_column(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv([("", label) for _, label in rows(20)]))
    assert "'text' holds nothing" in str(refused(path, "missing_text", text="text"))


def test_f7_a_single_class(tmp_path: Path) -> None:
    error = refused(write(tmp_path / "a.csv", csv(rows(30, ("good",)))), "single_class")
    assert "“good”" in str(error)


def test_f7_a_class_too_rare_for_the_split_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv([*rows(40), ("rain all day", "mixed"), ("sun all day", "mixed")]))
    error = refused(path, "rare_class")
    assert "“mixed” has 2 texts" in str(error)
    assert "at least 3" in str(error)
    assert data.prepare(path, fixes=["drop_rare"]).spec.labels == ("bad", "good")


def test_f7_repeats_of_one_text_are_not_enough_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv([*rows(40), *[("rain all day", "mixed")] * 5]))
    assert "“mixed” has 1 text" in str(refused(path, "rare_class"))


def test_f8_labels_that_train_lacks(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", csv(rows(40)))
    write(tmp_path / "test.csv", csv([*rows(20, start=100), ("a new one", "mixed"), ("one more", "odd")]))
    error = refused(tmp_path, "labels_differ")
    assert "“mixed”, “odd”" in str(error)
    assert error.lines == (22, 23)


def test_f8_floats_against_whole_numbers(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", csv(rows(40, ("0", "1"))))
    write(tmp_path / "test.csv", csv(rows(20, ("0.0", "1.0"), start=100)))
    error = refused(tmp_path, "labels_differ")
    assert error.fix == "normalise_labels"
    prepared = data.prepare(tmp_path, fixes=["normalise_labels"])
    assert prepared.spec.labels == ("0", "1")
    assert {row["label"] for row in prepared.rows["test"]} == {"0", "1"}


def test_f8_spellings_within_one_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv(rows(120, ("1", "0", "1.0", " 0"))))
    found = fault(data.check(path), "label_spelling")
    assert found.fix == "normalise_labels"
    assert found.title.startswith("2 labels")
    assert data.prepare(path, fixes=["normalise_labels"]).spec.labels == ("0", "1")


def test_f9_overlap_is_counted_and_dropped(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", csv(rows(60)))
    again = [(text.upper().replace(" ", "  "), label) for text, label in rows(5)]
    write(tmp_path / "test.csv", csv([*rows(55, start=100), *again]))
    found = fault(data.check(tmp_path), "overlap")
    assert (found.count, found.fix, found.severity, found.blocks) == (5, "drop_overlap", "look", False)
    assert found.lines == (2, 3, 4, 5, 6)
    assert found.file == "train.csv"
    report = data.check(tmp_path, fixes=["drop_overlap"])
    assert "overlap" not in [fault.code for fault in report.faults]
    assert report.parts["test"] == 60
    assert report.parts["train"] + report.parts["validation"] == 55


def test_f10_too_large_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv(rows(200)))
    for limits, said in (
        (data.Limits(bytes=1000), "at most 0.001 MB"),
        (data.Limits(rows=100), "at most 100 are taken"),
        (data.Limits(columns=1), "at most 1 are taken"),
        (data.Limits(cell=20), "at most 20 are taken in one cell"),
    ):
        error = refused(path, "too_large", limits=limits)
        assert said in str(error)


def test_f10_a_cell_of_a_megabyte(tmp_path: Path) -> None:
    error = refused(write(tmp_path / "a.csv", csv([*rows(10), ("x" * 1_000_000, "bad")])), "too_large")
    assert "line 12" in str(error)


def test_f10_a_hosted_page_takes_50_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert data.Limits().bytes == 200_000_000
    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    assert data.Limits().bytes == 50_000_000


def test_an_error_survives_the_way_out_of_a_child_process() -> None:
    error = DataError("no", code="nul", lines=[3], preview=["x"], fix="y")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.code, again.lines, again.preview, again.fix) == ("no", "nul", (3,), ("x",), "y")
