"""A hosted page: who a visitor is, and how much one may ask for."""

import dataclasses
import os

import pytest

from workbench import hosted, presets
from workbench.data import Prepared
from workbench.spec import DataSpec
from workbench.store import Store
from workbench.uploads import KEPT, clean_file_name, keep_upload, located, shown_source

SECRET = b"a secret that is long enough for a test"


def prepared(rows=100):
    row = {"text": "good", "label": "yes"}
    parts = {"train": [row] * rows, "validation": [row] * 10, "test": [row] * 10}
    return Prepared(DataSpec("reviews", labels=("no", "yes")), parts)


def preset(**values):
    start = {
        "model": "embedded:fable-8m",
        "data": "reviews",
        "methods": ["full", "lora"],
        "budget": {"steps": 10},
    }
    return presets.from_values({**start, **values}, name="test")


def test_a_signed_owner_is_known_again_and_nothing_else_is():
    owner = hosted.new_owner()
    token = hosted.sign(owner, SECRET)
    assert hosted.verified(token, SECRET) == owner
    other = hosted.new_owner()
    for wrong in (
        "",
        owner,
        f"{owner}.",
        token[:-1],
        f"{other}.{token.split('.')[1]}",
        token + "é",
        "../../x.y",
        "." + token,
    ):
        assert hosted.verified(wrong, SECRET) is None
    assert hosted.verified(token, b"another secret") is None


def test_the_secret_is_kept_private_and_stays_the_same(tmp_path, monkeypatch):
    monkeypatch.delenv("WORKBENCH_SECRET", raising=False)
    first = hosted.signing_secret(tmp_path)
    assert hosted.signing_secret(tmp_path) == first
    assert os.stat(tmp_path / "secret").st_mode & 0o077 == 0
    (tmp_path / "secret").write_text("short")
    with pytest.raises(ValueError, match="delete it"):
        hosted.signing_secret(tmp_path)
    monkeypatch.setenv("WORKBENCH_SECRET", "given")
    assert hosted.signing_secret(tmp_path) == b"given"


def test_a_small_plan_is_taken():
    hosted.check_plan(preset(), prepared(), hosted.Limits())


def test_each_size_of_a_learning_curve_counts():
    hosted.check_plan(preset(), prepared(), hosted.Limits(), settings=6)
    with pytest.raises(ValueError, match="the plan has 14"):
        hosted.check_plan(preset(), prepared(), hosted.Limits(), settings=7)


@pytest.mark.parametrize(
    ("changes", "rows", "active", "sentence"),
    [
        ({"seeds": list(range(7))}, 100, 0, "takes 12 runs"),
        ({}, 100, 11, "11 of yours are not done yet"),
        ({"budget": {"steps": 1001}}, 100, 0, "at most 1,000 steps"),
        ({"budget": {"epochs": 100}}, 1600, 0, "at most 1,000 steps for each run, not 10,000"),
        ({"budget": {"seconds": 301}}, 100, 0, "at most 300 seconds"),
        ({"max_length": 257}, 100, 0, "at most 256 tokens"),
        ({"batch_size": 64, "gradient_accumulation": 2}, 100, 0, "at most 64 rows per batch"),
        ({}, 10_000, 0, "at most 10,000 rows"),
        ({"model": "meta-llama/Llama-3.2-3B"}, 100, 0, "small models only"),
    ],
)
def test_what_is_too_much_is_refused_in_words(changes, rows, active, sentence):
    with pytest.raises(ValueError, match=sentence):
        hosted.check_plan(preset(**changes), prepared(rows), hosted.Limits(), active=active)


def test_the_limits_are_said_in_words_with_their_own_figures():
    limits = dataclasses.replace(hosted.Limits(), runs=3, steps=77)
    assert "at most 3 runs" in limits.sentence()
    assert "77 steps" in limits.sentence()


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "..\\..\\boot.ini", "/abs/olute.csv", "%2e%2e/x.csv", "a" * 300 + ".csv", "отзывы 😀.csv", "CON", "",
     "..", ".hidden.csv", "trailing.", "x\0y.csv", "a/b\nc.csv", "\u202egnp.csv"],
)  # fmt: skip
def test_an_upload_stays_in_its_folder_whatever_it_is_called(name, tmp_path):
    store = Store(tmp_path / "store")
    file = tmp_path / "given"
    file.write_text("text,label\n")
    source = keep_upload(store, file, name, "0" * 32)
    kept = located(store, source, "0" * 32)
    root = (tmp_path / "store" / "uploads" / ("0" * 32)).resolve()
    from pathlib import Path

    assert Path(kept).resolve().is_relative_to(root)
    assert Path(kept).read_text() == "text,label\n"
    assert len(clean_file_name(name)) <= 100
    assert shown_source(source) == clean_file_name(name)


def test_an_upload_belongs_to_its_owner(tmp_path):
    store = Store(tmp_path / "store")
    file = tmp_path / "mine.csv"
    file.write_text("text,label\n")
    source = keep_upload(store, file, "mine.csv", "a" * 32)
    for owner in ("b" * 32, None):
        with pytest.raises(ValueError, match="no longer kept"):
            located(store, source, owner)


@pytest.mark.parametrize(
    "source", ["upload:../../x/y", "upload:0123456789abcdef/../../secret", "upload:", "upload:zz/x"]
)
def test_a_made_up_upload_is_refused(source, tmp_path):
    with pytest.raises(ValueError, match="upload it again"):
        located(Store(tmp_path), source, "a" * 32)


def test_only_the_newest_uploads_are_kept(tmp_path):
    store = Store(tmp_path / "store")
    file = tmp_path / "f.csv"
    file.write_text("x")
    sources = [keep_upload(store, file, "f.csv", None) for _ in range(KEPT + 2)]
    assert located(store, sources[-1], None)
    assert len(list((store.folder / "uploads" / "own").iterdir())) == KEPT
