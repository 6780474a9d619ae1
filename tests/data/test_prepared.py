"""Prepared data: the spec leads back to the same rows, the fingerprint knows only rows, the folder is all or nothing."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.tables import csv, rows, write
from workbench import data
from workbench.data import DataError
from workbench.data.clean import Row
from workbench.data.fingerprint import fingerprint, in_order
from workbench.spec import DataSpec, Setting


@pytest.fixture
def path(tmp_path: Path) -> Path:
    pairs = [*rows(90), *rows(6), ("<b>odd</b> one", "bad"), ("", "good"), ("rain", "goood")]
    return write(tmp_path / "a.csv", csv(pairs))


FIXES = ("strip_html", "rename:goood=good", "drop_duplicates", "rebalance")


def test_the_spec_is_resolved_and_leads_back_to_the_same_rows(path: Path) -> None:
    one = data.prepare(path, fixes=FIXES[::-1], train_rows=30, test_rows=10, split_seed=5)
    spec = one.spec
    assert (spec.text, spec.label, spec.labels) == ("text", "label", ("bad", "good"))
    assert spec.fixes == ("strip_html", "rename:goood=good", "drop_empty", "drop_duplicates", "rebalance")
    assert (len(one.rows["train"]), len(one.rows["test"])) == (30, 10)
    names = "parts text label fixes train_rows validation_rows test_rows validation_share test_share split_seed encoding"
    again = data.prepare(spec.source, **{name: getattr(spec, name) for name in names.split()})
    assert again == one


def test_the_spec_goes_through_a_setting_and_back(path: Path) -> None:
    spec = data.prepare(path, fixes=FIXES).spec
    assert Setting.from_dict(json.loads(json.dumps(Setting(spec, "m").to_dict()))).data == spec


def test_the_fingerprint_depends_on_rows_alone(tmp_path: Path) -> None:
    one = data.prepare(write(tmp_path / "a.csv", csv(rows(60))))
    lines = "".join(json.dumps({"review": t, "stars": n}) + "\n" for t, n in rows(60))
    other = data.prepare(write(tmp_path / "deep" / "b.jsonl", lines))
    assert one.spec.fingerprint == other.spec.fingerprint
    assert len(one.spec.fingerprint) == 32
    changed = [*rows(59), (rows(60)[-1][0] + ".", rows(60)[-1][1])]
    assert data.prepare(write(tmp_path / "c.csv", csv(changed))).spec.fingerprint != one.spec.fingerprint
    assert data.prepare(tmp_path / "a.csv", split_seed=1).spec.fingerprint != one.spec.fingerprint


WORDS = st.text(min_size=1, max_size=5, alphabet=st.characters(exclude_categories=["Cs"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=2, max_size=6), st.integers(0, 5))
def test_any_change_changes_the_fingerprint(pairs: list[tuple[str, str]], at: int) -> None:
    table = [Row(*pair) for pair in pairs]
    labels = in_order({row.label for row in table})
    one = fingerprint({"train": table, "test": []}, labels)
    assert fingerprint({"test": [], "train": [r._replace(line=9) for r in table]}, labels) == one
    assert fingerprint({"train": table[:-1], "test": table[-1:]}, labels) != one
    other = list(table)
    other[at % len(table)] = Row(table[at % len(table)].text + "x", table[at % len(table)].label)
    assert fingerprint({"train": other, "test": []}, labels) != one


def test_labels_are_in_the_order_of_numbers_where_they_are_numbers() -> None:
    assert in_order({"10", "2", "-1", "2.5"}) == ("-1", "2", "2.5", "10")
    assert in_order({"10", "2", "nan"}) == ("10", "2", "nan")


@settings(max_examples=15, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=4))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    table = [{"text": text, "label": "a\u2028\x85b"} for text in texts]
    found = {"train": table, "validation": table, "test": []}
    labels = ("a\u2028\x85b",)
    mark = fingerprint({p: [Row(r["text"], r["label"]) for r in rows] for p, rows in found.items()}, labels)
    prepared = data.Prepared(DataSpec("x", fixes=("drop_empty",), labels=labels, fingerprint=mark), found)
    folder = tmp_path_factory.mktemp("data") / mark
    data.save_prepared(prepared, folder)
    assert data.load_prepared(folder) == prepared


def test_saving_twice_keeps_the_folder_and_what_others_put_there(path: Path, tmp_path: Path) -> None:
    prepared = data.prepare(path, fixes=FIXES)
    folder = tmp_path / "data" / prepared.spec.fingerprint
    data.save_prepared(prepared, folder)
    write(folder / "references.json", "{}")
    data.save_prepared(prepared, folder)
    assert (folder / "references.json").exists()
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_an_altered_or_torn_folder_is_refused_and_mended(path: Path, tmp_path: Path) -> None:
    prepared = data.prepare(path, fixes=FIXES)
    folder = tmp_path / "data" / prepared.spec.fingerprint
    for harm in (
        lambda: write(
            folder / "train.jsonl", (folder / "train.jsonl").read_text().replace('"bad"', '"good"', 1)
        ),
        lambda: (folder / "test.jsonl").unlink(),
        lambda: write(folder / "data.json", "{"),
        lambda: write(folder / "test.jsonl", '{"text": 1}\n'),
        lambda: write(folder / "data.json", json.dumps({"spec": {"source": "x"}, "fingerprint": "y"})),
    ):
        data.save_prepared(prepared, folder)
        harm()
        with pytest.raises(DataError, match="prepare the data again") as caught:
            data.load_prepared(folder)
        assert caught.value.code == "altered"
    data.save_prepared(prepared, folder)
    assert data.load_prepared(folder) == prepared


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks data\.json"):
        data.load_prepared(tmp_path / "abc")


def test_many_writers_of_the_same_rows(path: Path, tmp_path: Path) -> None:
    prepared = data.prepare(path, fixes=FIXES)
    folder = tmp_path / "data" / prepared.spec.fingerprint
    errors: list[Exception] = []

    def save() -> None:
        try:
            data.save_prepared(prepared, folder)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=save) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert data.load_prepared(folder) == prepared
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_too_few_rows_for_the_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv(rows(60, ("a", "b", "c"))))
    with pytest.raises(DataError, match="train_rows is 2: There are 3 labels"):
        data.prepare(path, train_rows=2)
    assert len(data.prepare(path, train_rows=10**6).rows["train"]) == 39


def test_labels_of_a_small_training_part_are_complete(tmp_path: Path) -> None:
    names = tuple("abcdefgh")
    prepared = data.prepare(write(tmp_path / "a.csv", csv(rows(400, names))), train_rows=8)
    assert prepared.spec.labels == names
    assert {row["label"] for row in prepared.rows["train"]} == set(names)


def test_raw_data_already_read_is_used(path: Path) -> None:
    raw = data.read(path)
    path.unlink()
    assert data.prepare(raw=raw, fixes=FIXES).spec.source == str(path)
