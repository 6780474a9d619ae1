"""Every format gives the same rows; archives, folders and paths are opened with care."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.data.tables import csv, rows, write
from workbench import data
from workbench.data import DataError
from workbench.data.grid import LINE

PAIRS = [*rows(24), ('she said "no", twice', "bad"), ("two\nlines", "good"), ("null", "bad")]
FRAME = pd.DataFrame(PAIRS, columns=["text", "label"])
OBJECTS = [{"text": text, "label": label} for text, label in PAIRS]


def _bytes(write_to: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write_to(buffer)
    return buffer.getvalue()


def _zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return buffer.getvalue()


CSV = FRAME.to_csv(index=False).encode()
FORMATS = {
    "a.csv": CSV,
    "a.tsv": FRAME.to_csv(index=False, sep="\t").encode(),
    "semicolon.csv": FRAME.to_csv(index=False, sep=";").encode(),
    "bar.txt": FRAME.to_csv(index=False, sep="|").encode(),
    "crlf.csv": FRAME.to_csv(index=False, lineterminator="\r\n")
    .replace("two\r\nlines", "two\nlines")
    .encode(),
    "list.json": json.dumps(OBJECTS, indent=2).encode(),
    "columns.json": json.dumps(FRAME.to_dict("list")).encode(),
    "pandas.json": FRAME.to_json().encode(),
    "wrapped.json": json.dumps({"version": 1, "data": OBJECTS}).encode(),
    "a.jsonl": "".join(json.dumps(o) + "\n" for o in OBJECTS).encode(),
    "lines.json": "".join(json.dumps(o) + "\n" for o in OBJECTS).encode(),
    "a.parquet": _bytes(FRAME.to_parquet),
    "a.xlsx": _bytes(lambda to: FRAME.to_excel(to, index=False)),
    "a.csv.gz": gzip.compress(CSV),
    "a.parquet.gz": gzip.compress(_bytes(FRAME.to_parquet)),
    "one.zip": _zipped(**{"folder/a.csv": CSV, "README.md": b"hello", "__MACOSX/a.csv": b"x"}),
    "nested.zip": _zipped(**{"a.csv.gz": gzip.compress(CSV)}),
    "no-ending": CSV,
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    raw = data.read(write(tmp_path / name, FORMATS[name]))
    frame = raw.parts["all"]
    assert raw.columns == ("text", "label")
    assert list(zip(frame["text"], frame["label"])) == PAIRS
    assert frame[LINE].is_monotonic_increasing


def test_lists_and_objects_are_json_text_and_bytes_are_left_out(tmp_path: Path) -> None:
    frame = FRAME.assign(turns=[[{"role": "user", "content": t}] for t in FRAME["text"]], picture=b"x")
    raw = data.read(write(tmp_path / "a.parquet", _bytes(frame.to_parquet)))
    assert (raw.columns, raw.flat_columns) == (("text", "label", "turns"), ("text", "label"))
    assert json.loads(raw.parts["all"]["turns"][0]) == [{"role": "user", "content": PAIRS[0][0]}]
    assert any("picture left out" in note for note in raw.notes)
    assert data.prepare(tmp_path / "a.parquet").spec.fingerprint == (
        data.prepare(write(tmp_path / "a.csv", CSV)).spec.fingerprint
    )


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    lines = {
        name: data.read(write(tmp_path / name, FORMATS[name])).parts["all"][LINE].tolist() for name in FORMATS
    }
    assert lines["a.csv"][:2] == [2, 3]
    assert lines["a.csv"][-2:] == [27, 29]
    assert lines["a.jsonl"][:2] == [1, 2]
    assert lines["list.json"][:3] == [2, 6, 10]
    assert lines["a.xlsx"][:2] == [2, 3]
    assert lines["a.parquet"][:2] == [1, 2]


def test_parts_in_one_json_file_as_lists_of_pairs(tmp_path: Path) -> None:
    parts = {
        "train": rows(30),
        "val": rows(10, start=50),
        "test": rows(10, start=80),
        "oos_train": rows(3, ("x",)),
    }
    prepared = data.prepare(write(tmp_path / "a.json", json.dumps(parts, indent=1)))
    assert {part: len(found) for part, found in prepared.rows.items()} == {
        "train": 30,
        "validation": 10,
        "test": 10,
    }
    assert "oos_train left out" in " ".join(data.check(tmp_path / "a.json").notes)


@pytest.mark.parametrize("packed", [False, True])
def test_parts_named_by_files(tmp_path: Path, packed: bool) -> None:
    files = {
        "train.csv": csv(rows(30)),
        "dev.csv": csv(rows(10, start=50)),
        "test_official.csv": csv(rows(12, start=80)),
    }
    for name, content in files.items():
        write(tmp_path / "set" / name, content)
    write(tmp_path / "set" / "notes.md", "hello")
    source = tmp_path / "set"
    if packed:
        content = _zipped(**{f"deep/{name}": text.encode() for name, text in files.items()})
        source = write(tmp_path / "set.zip", content)
    prepared = data.prepare(source)
    assert {part: len(found) for part, found in prepared.rows.items()} == {
        "train": 30,
        "validation": 10,
        "test": 12,
    }


def test_parts_given_as_paths_with_columns_of_other_names(tmp_path: Path) -> None:
    train = write(
        tmp_path / "a.tsv", "label\tsentence\n" + "".join(f"{n}\t{t}\n" for t, n in rows(40, ("0", "1")))
    )
    dev = write(
        tmp_path / "b.tsv", "label\tcontent\n" + "".join(f"{n}\t{t}\n" for t, n in rows(10, ("0", "1"), 90))
    )
    prepared = data.prepare(parts={"train": str(train), "test": str(dev)})
    assert prepared.spec.text == "sentence"
    assert prepared.spec.parts == {"train": str(train), "test": str(dev)}
    assert len(prepared.rows["test"]) == 10
    assert len(prepared.rows["train"]) + len(prepared.rows["validation"]) == 40


def test_an_unlabelled_test_part_is_left_out_and_said(tmp_path: Path) -> None:
    write(tmp_path / "train.tsv", "sentence\tlabel\n" + "".join(f"{t}\t{n}\n" for t, n in rows(40)))
    for content in ("index\tsentence\n0\tsome text\n", "sentence\tlabel\nsome text\t-1\nmore text\t-1\n"):
        write(tmp_path / "test.tsv", content)
        report = data.check(tmp_path)
        assert "the test part (test.tsv) has no labels and is left out" in report.notes
        assert sum(report.parts.values()) == 40


def test_quotes_in_glue_files_are_text(tmp_path: Path) -> None:
    lines = [f"{t}\t{n}" for t, n in rows(20)]
    lines[3] = '"unclosed and\tbad'
    lines[5] = 'closed here"\tgood'
    raw = data.read(write(tmp_path / "a.tsv", "\n".join(["text\tlabel", *lines])))
    assert raw.rows == 20
    assert raw.parts["all"]["text"][3] == '"unclosed and'


def test_a_missing_header_is_noticed(tmp_path: Path) -> None:
    raw = data.read(
        write(tmp_path / "a.csv", "\n".join(f"{n},{t}" for t, n in rows(20, ("question", "order"))))
    )
    assert raw.columns == ("column 1", "column 2")
    assert raw.rows == 20
    assert data.guess_columns(raw) == ("column 2", "column 1")


def test_names_of_columns_are_made_clean_and_unique(tmp_path: Path) -> None:
    raw = data.read(
        write(tmp_path / "a.csv", " text ,,label,label\n" + "".join(f"{t},x,{n},y\n" for t, n in rows(6)))
    )
    assert raw.columns == ("text", "column 2", "label", "label (2)")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.pkl", b"anything", "pickle-type"),
        ("a.csv", b"\x80\x04\x95abc", "pickle-type"),
        ("model.pt", b"PK\x03\x04", "pickle-type"),
        ("a.zip", _zipped(**{"a.pkl": b"x"}), "pickle-type"),
        ("a.zip", b"PK\x03\x04broken", "damaged zip"),
        ("a.gz", b"\x1f\x8bbroken", "damaged gzip"),
        ("a.csv.gz", gzip.compress(CSV)[:-20], "damaged gzip"),
        ("a.csv.gz", b"text,label", "no gzip file"),
        ("a.parquet", b"PAR1 broken", "can't be read as Parquet"),
        ("a.xlsx", _zipped(**{"xl/workbook.xml": b"<broken"}), "can't be read as Excel"),
        ("a.xls", b"\xd0\xcf\x11\xe0", "save it as .xlsx"),
        ("a.json", b'[{"text": "a",}]', "no valid JSON"),
        ("a.json", b"[" * 100_000, "nested too deeply"),
        ("a.json", b'{"banking": ["a"], "home": ["b", "c"]}', "different lengths"),
        ("a.zip", _zipped(**{"a.csv": CSV, "b.csv": CSV}), "none is named train"),
        ("a.zip", _zipped(**{"../a.csv": CSV}), "leads out of the archive"),
        ("a.zip", _zipped(**{"/a.csv": CSV}), "leads out of the archive"),
        ("a.zip", _zipped(**{"..\\a.csv": CSV}), "leads out of the archive"),
        ("a.zip", _zipped(**{f"{i}.csv": b"x" for i in range(1001)}), "holds 1,001 files"),
    ],
)
def test_what_can_not_be_read_says_so_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        data.read(write(tmp_path / name, content))
    assert "\n" not in str(caught.value)


def test_torn_files_never_end_in_a_traceback(tmp_path: Path) -> None:
    draw = random.Random(0)
    junk = [b'"', b"\n", b"\r", b",", b"{", b"]", b"\\ud800", b"\x00", b"9" * 5000, b"NaN", b"\xe2\x80\xa8"]
    said: list[str] = []
    for number in range(1500):
        name = draw.choice(list(FORMATS))
        content = bytearray(FORMATS[name])
        for _ in range(draw.randint(1, 5)):
            at = draw.randrange(len(content))
            content[at : at + draw.choice([0, 1, 1, 20])] = draw.choice(
                [b"", bytes([draw.randrange(256)]), *junk]
            )
        try:
            report = data.examine(
                data.read(write(tmp_path / name, bytes(content)), skip_broken=number % 2 == 0)
            )
            assert report.to_json().encode()
        except DataError as error:
            said.append(str(error))
    assert 300 < len(said) < 1500
    assert all(sentence.isprintable() for sentence in said)


def test_surrogates_from_json_escapes_are_replaced(tmp_path: Path) -> None:
    lines = [json.dumps({"te\ud800xt": text + "\udfff", "label": label}) for text, label in rows(30)]
    prepared = data.prepare(write(tmp_path / "a.jsonl", "\n".join(lines)))
    assert prepared.spec.text == "te\ufffdxt"
    assert prepared.rows["train"][0]["text"].endswith("\ufffd")


def test_bombs_are_refused(tmp_path: Path) -> None:
    zeros = b"a,b\n" + b"0,0\n" * 5_000_000
    limits = data.Limits(unpacked_bytes=10**9)
    for name, content in (("a.csv.gz", gzip.compress(zeros)), ("a.zip", _zipped(**{"a.csv": zeros}))):
        with pytest.raises(DataError, match="unpacks to more than is taken") as caught:
            data.read(write(tmp_path / name, content), limits=limits)
        assert caught.value.code == "too_large"
    once = gzip.compress(gzip.compress(gzip.compress(CSV)))
    with pytest.raises(DataError, match="more than 2 times over"):
        data.read(write(tmp_path / "a.csv.gz", once))


def test_a_parquet_file_of_repeated_long_texts_is_stopped(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": pd.Categorical(["x" * 50_000] * 5_000), "label": ["a"] * 5_000})
    path = tmp_path / "a.parquet"
    frame.to_parquet(path)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(DataError, match="unpacks to more"):
        data.read(path, limits=data.Limits(unpacked_bytes=20_000_000))


def test_links_devices_pipes_and_sockets(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(str(tmp_path / "plug"))
        for path in (tmp_path / "pipe", tmp_path / "plug", Path("/dev/null")):
            with pytest.raises(DataError, match="device, socket or pipe"):
                data.read(str(path))


TRAVERSALS = (
    "../../etc/passwd", "..\\..\\etc\\passwd", "/etc/shadow-not-there", "%2e%2e/%2e%2e/etc", "file:///etc/passwd", "~root-x/y",
    "a/../../b", "CON", "nul.", "name with spaces", "😀", "\u202egnp.csv", "x" * 300, "x\0y", "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0", "a/b/c/d", "hf://datasets/a/b", "https://example.org/a.csv", "", " ", ".", "..", "-", "a//b",
)  # fmt: skip


@pytest.mark.parametrize("text", TRAVERSALS)
@pytest.mark.parametrize("hosted", [False, True])
def test_whatever_is_typed_answers_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, hosted: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_HOSTED", str(int(hosted)))
    with pytest.raises(DataError) as caught:
        data.read(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_a_hosted_page_opens_uploads_but_no_typed_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.csv", csv(rows(30)))
    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    with pytest.raises(DataError, match="a hosted page opens none"):
        data.read(str(path))
    with pytest.raises(DataError, match="a hosted page opens none"):
        data.read(parts={"train": str(path)})
    assert data.prepare(path).spec.source == "a.csv"


def test_wrong_parts_are_named(tmp_path: Path) -> None:
    path = str(write(tmp_path / "a.csv", csv(rows(30))))
    with pytest.raises(DataError, match="parts are train, validation and test"):
        data.read(parts={"train": path, "extra": path})
    with pytest.raises(DataError, match="need a file for train"):
        data.read(parts={"test": path})


def test_bundled_sets_are_read_by_name_and_typos_are_answered() -> None:
    assert data.bundled(), "bundled data sets are shipped"
    for card in data.bundled():
        fill = dict.fromkeys(card.more.get("placeholders", ()), "Robin")
        report = data.check(card.name, task=card.task, fill=fill)
        assert not report.blocks, report.to_text()
        assert report.parts == card.rows
        with pytest.raises(DataError, match=f"did you mean {card.name}"):
            data.read(card.name[:-1])


def test_a_card_is_read_with_what_else_it_says(tmp_path: Path) -> None:
    card = {
        "title": "T",
        "task": "classification",
        "rows": {"train": 3, "test": 2},
        "labels": ["a"],
        "seed": 7,
    }
    write(tmp_path / "set" / "card.json", json.dumps(card))
    [found] = data.bundled(tmp_path)
    assert (found.name, found.total_rows, found.more, found.summary) == ("set", 5, {"seed": 7}, "")
