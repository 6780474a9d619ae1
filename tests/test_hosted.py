"""A hosted page: who a visitor is, and how much one may ask for."""

import dataclasses
import os
import tomllib

import pytest

from workbench import hosted, presets
from workbench.data import Prepared
from workbench.home import shipped
from workbench.hosted import owners
from workbench.spec import DataSpec
from workbench.store import Store
from workbench.uploads import KEPT, clean_file_name, keep_upload, located, shown_source

KEYS = [b"a secret that is long enough for a test"]


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
    owner = owners.new_owner()
    token = owners.sign(owner, KEYS)
    assert owners.verified(token, KEYS) == owner
    other = owners.new_owner()
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
        assert owners.verified(wrong, KEYS) is None
    assert owners.verified(token, [b"another secret"]) is None


def test_the_secret_is_kept_private_and_stays_the_same(tmp_path, monkeypatch):
    monkeypatch.delenv("WORKBENCH_SECRET", raising=False)
    first = owners.signing_keys(tmp_path)
    assert owners.signing_keys(tmp_path) == first
    assert os.stat(tmp_path / "secret").st_mode & 0o077 == 0
    (tmp_path / "secret").write_text("short")
    with pytest.raises(ValueError, match="delete it"):
        owners.signing_keys(tmp_path)
    monkeypatch.setenv("WORKBENCH_SECRET", "n" * 32 + ", " + "o" * 32)
    assert owners.signing_keys(tmp_path) == (b"n" * 32, b"o" * 32)
    monkeypatch.setenv("WORKBENCH_SECRET", "short")
    with pytest.raises(ValueError, match="at least 32 characters"):
        owners.signing_keys(tmp_path)


def test_a_rotated_key_signs_and_the_one_before_it_is_still_good_once(tmp_path, monkeypatch):
    monkeypatch.delenv("WORKBENCH_SECRET", raising=False)
    keys = owners.Keys(tmp_path)
    owner = owners.new_owner()
    old = owners.sign(owner, keys())
    owners.rotate(tmp_path)
    assert owners.verified(old, keys()) == owner, "a running page takes the new key"
    assert not owners.is_fresh(old, keys())
    assert owners.is_fresh(owners.sign(owner, keys()), keys())
    assert os.stat(tmp_path / "secret").st_mode & 0o077 == 0
    owners.rotate(tmp_path)
    assert owners.verified(old, owners.signing_keys(tmp_path)) is None
    monkeypatch.setenv("WORKBENCH_SECRET", "n" * 32)
    with pytest.raises(ValueError, match="put a new one before it"):
        owners.rotate(tmp_path)


def test_an_account_is_the_same_owner_everywhere_and_none_other():
    one = owners.account_owner("huggingface", "123")
    assert one == owners.account_owner("huggingface", "123")
    assert one != owners.account_owner("password", "123")
    assert owners.verified(owners.sign(one, KEYS), KEYS) == one


def test_a_small_plan_is_taken():
    hosted.check_plan(preset(), prepared(), hosted.Limits())


def test_each_size_of_a_learning_curve_counts():
    hosted.check_plan(preset(), prepared(), hosted.Limits(), settings=8)
    with pytest.raises(ValueError, match="this would be 18"):
        hosted.check_plan(preset(), prepared(), hosted.Limits(), settings=9)


@pytest.mark.parametrize(
    ("changes", "rows", "active", "sentence"),
    [
        ({"seeds": list(range(9))}, 100, 0, "takes 16 runs"),
        ({}, 100, 11, "11 of yours are not done yet"),
        ({}, 100, 3, "takes 4 runs of a visitor at a time; this would be 2, and 3 of yours"),
        (
            {"search_trials": 20, "budget": {"steps": 100}},
            100,
            0,
            "at most 1,000 steps for each run, not 2,100",
        ),
        (
            {"search_trials": 4, "budget": {"seconds": 100}},
            100,
            0,
            "at most 300 seconds for each run, not 400",
        ),
        ({"evaluations": 21}, 100, 0, "at most 20 evaluations"),
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


@pytest.mark.parametrize("name", ["quickstart", "workshop"])
def test_the_first_comparisons_fit_into_a_visitors_limits(name):
    one = presets.load(name)
    hosted.check_plan(one, prepared(1600), hosted.Limits())


def test_the_limits_are_said_in_words_with_their_own_figures():
    limits = dataclasses.replace(hosted.Limits(), runs=3, steps=77)
    assert "at most 3 runs" in limits.sentence()
    assert "77 steps" in limits.sentence()


def test_every_limit_is_in_the_shipped_file_and_said_to_visitors():
    known = {one.name for one in dataclasses.fields(hosted.Limits)}
    given = tomllib.loads((shipped("assets") / "hosted.toml").read_text())
    assert set(given) == known
    # A figure that no sentence shows would be a limit that a visitor only meets by failing.
    plain = {"origins", "snapshot_file", "snapshot_minutes", "store_all_megabytes", "models"}
    for number, name in enumerate(sorted(known - plain)):
        value = 60 * (7001 + number) if name.endswith("seconds") else 7001 + number
        value = value * 1_000_000 if name == "model_parameters" else value
        words = str(dataclasses.replace(hosted.Limits(), **{name: value}).words())
        assert f"{7001 + number:,}" in words or str(7001 + number) in words, name


def test_a_stores_own_file_changes_single_limits(own_home, monkeypatch, tmp_path):
    assert hosted.load_limits() == hosted.Limits()
    (own_home / "hosted.toml").write_text("steps = 5\nmodels = ['a/b']\n")
    assert hosted.load_limits() == hosted.Limits(steps=5, models=("a/b",))
    other = tmp_path / "other.toml"
    monkeypatch.setenv("WORKBENCH_HOSTED_SETTINGS", str(other))
    with pytest.raises(ValueError, match="is not there"):
        hosted.load_limits()
    other.write_text("keep_days = 0\n")
    assert hosted.load_limits() == hosted.Limits(keep_days=0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("stesp = 5", "unknown setting.*did you mean steps"),
        ("steps = 0", "steps is a whole number from 1 up, not 0"),
        ("steps = 'all'", "steps is a whole number"),
        ("running = true", "running is a whole number"),
        ("models = 'a/b'", "models is a list of texts"),
        ("snapshot_file = 3", "snapshot_file is a text"),
        ("steps 5", "no TOML file"),
    ],
)
def test_a_wrong_settings_file_is_said_with_its_name(own_home, text, sentence):
    (own_home / "hosted.toml").write_text(text)
    with pytest.raises(ValueError, match=sentence) as caught:
        hosted.load_limits()
    assert "hosted.toml" in str(caught.value)


def test_a_models_size_counts_whatever_its_name():
    small = hosted.Limits(model_parameters=1_000_000)
    with pytest.raises(ValueError, match="at most 1,000,000 weights in a model, not"):
        hosted.check_model("embedded:fable-8m", small)
    anything = hosted.Limits(models=("*",))
    hosted.check_model("distilbert/distilbert-base-uncased", anything)
    with pytest.raises(ValueError, match="weights in a model"):
        hosted.check_model("meta-llama/Llama-3.2-3B", anything)
    for path in ("/etc", "./models", "~/models", "embedded:none", "upload:x/y"):
        with pytest.raises(ValueError, match="small models only"):
            hosted.check_model(path, anything)
    with pytest.raises(ValueError, match="can't be found out"):
        hosted.check_model("nobody/knows-this-one", anything)


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
