"""Mix, augmentation and subsets through `prepare`: recorded, in the fingerprint, the test part untouched, the doctor by name."""

import json
from pathlib import Path

import pytest

from tests.data.tables import csv, write
from workbench import data
from workbench.data import DataError, prepare_subsets
from workbench.data.augment import is_new
from workbench.data.clean import key
from workbench.data.subsets import check_subsets
from workbench.data.tools import before_and_after, with_tools
from workbench.spec import Setting

WORDS = ("wonderful film", "terrible book", "happy child", "boring song")


def table(count: int, tag: str = "", labels: tuple[str, ...] = ("good", "bad")) -> list[tuple[str, str]]:
    return [(f"It was a {WORDS[i % 4]}, number {tag}{i}", labels[i % len(labels)]) for i in range(count)]


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return write(tmp_path / "one.csv", csv(table(200)))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return write(tmp_path / "two.csv", csv([*table(100, "x", ("good", "odd")), ("", "good")]))


def texts(prepared, part):
    return [row["text"] for row in prepared.rows[part]]


def test_augmentation_adds_training_rows_and_nothing_else_changes(one: Path) -> None:
    plain = data.prepare(one)
    found = data.prepare(one, augment={"synonyms": {"copies": 2}})
    assert found.rows["validation"] == plain.rows["validation"]
    assert found.rows["test"] == plain.rows["test"]
    assert found.rows["train"][: len(plain.rows["train"])] == plain.rows["train"]
    new = [row for row in found.rows["train"] if is_new(row)]
    assert len(new) > len(plain.rows["train"])
    everything = {key(text) for part in plain.rows for text in texts(plain, part)}
    assert not everything & {key(row["text"]) for row in new}
    assert found.spec.fingerprint != plain.spec.fingerprint
    assert found.spec.augment["synonyms"]["copies"] == 2
    assert found.spec.labels == plain.spec.labels


def test_the_spec_with_tools_leads_back_to_the_same_rows_and_survives_a_folder(
    one: Path, two: Path, tmp_path: Path
) -> None:
    found = data.prepare(one, mix=[{"source": str(two), "rows": 20}], augment="synonyms", train_rows=60)
    spec = found.spec
    again = data.prepare(spec.source, mix=spec.mix, augment=spec.augment, train_rows=spec.train_rows)
    assert again == found
    assert Setting.from_dict(json.loads(json.dumps(Setting(spec, "m").to_dict()))).data == spec
    data.save_prepared(found, tmp_path / "kept")
    assert data.load_prepared(tmp_path / "kept") == found


def test_without_tools_nothing_hashes_otherwise_than_before(one: Path) -> None:
    plain = data.prepare(one)
    assert data.prepare(one, mix=(), augment={}).spec == plain.spec
    assert set(plain.rows["train"][0]) == {"text", "label"}


def test_a_mix_unites_labels_names_sources_and_the_doctor_speaks_of_each_by_name(
    one: Path, two: Path
) -> None:
    found = data.prepare(
        one, mix=[{"source": str(two), "share": 0.25, "labels": {"odd": "bad"}, "prefix": "new "}]
    )
    assert found.spec.labels == ("bad", "good", "new good")
    rows = found.rows["train"]
    shares = sum(row["source"] == "two.csv" for row in rows) / len(rows)
    assert shares == pytest.approx(0.25, abs=0.01)
    assert {row["source"] for row in found.rows["test"]} == {"one.csv", "two.csv"}
    empty = [fault for fault in found.faults if fault.code == "empty_cell" or "empty" in fault.title.lower()]
    assert empty
    assert all(fault.file.startswith("two.csv") for fault in empty)
    report, counts = with_tools(data.check(one), found)
    assert report.fingerprint == found.spec.fingerprint
    assert report.labels.keys() == {"bad", "good", "new good"}
    assert set(counts["sources"]) == {"one.csv", "two.csv"}


def test_a_broken_source_of_a_mix_is_refused_by_its_name(one: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "single.csv", csv([(f"text {i}", "same") for i in range(30)]))
    with pytest.raises(DataError, match=r"single\.csv: Every row"):
        data.prepare(one, mix=[{"source": str(path)}])


def test_only_the_program_may_say_where_an_upload_lies(one: Path, two: Path) -> None:
    with pytest.raises(DataError):
        data.prepare(one, mix=[{"source": "upload:0123456789abcdef/two.csv"}])
    found = data.prepare(
        one, mix=[{"source": "upload:0123456789abcdef/two.csv", "name": "two.csv"}],
        located={"upload:0123456789abcdef/two.csv": two},
    )  # fmt: skip
    assert found.spec.mix[0]["source"] == "upload:0123456789abcdef/two.csv"
    assert {row["source"] for row in found.rows["train"]} == {"one.csv", "two.csv"}


@pytest.mark.parametrize("tools", [{}, {"augment": "synonyms"}])
def test_subsets_nest_and_share_validation_and_test(one: Path, tools: dict) -> None:
    found = prepare_subsets(one, subsets=[100, 10, 40], **tools)
    assert [one.spec.train_rows for one in found] == [10, 40, 100]
    real = [[row["text"] for row in one.rows["train"] if not is_new(row)] for one in found]
    assert [len(rows) for rows in real] == [10, 40, 100]
    assert set(real[0]) < set(real[1]) < set(real[2])
    new = [{row["text"] for row in one.rows["train"] if is_new(row)} for one in found]
    assert new[0] <= new[1] <= new[2]
    assert bool(new[0]) == bool(tools)
    for part in ("validation", "test"):
        assert found[0].rows[part] == found[1].rows[part] == found[2].rows[part]
    labels = [row["label"] for row in found[0].rows["train"] if not is_new(row)]
    assert labels.count("good") == labels.count("bad") == 5
    assert len({one.spec.fingerprint for one in found}) == 3
    spec = found[0].spec
    again = data.prepare(
        spec.source,
        train_rows=spec.train_rows,
        validation_rows=spec.validation_rows,
        test_rows=spec.test_rows,
        **tools,
    )
    assert again.spec.fingerprint == spec.fingerprint


def test_subsets_of_bundled_data_share_the_given_parts() -> None:
    found = prepare_subsets("reviews", subsets=[10, 50])
    assert found[0].rows["test"] == found[1].rows["test"] == data.prepare("reviews").rows["test"]


def test_subsets_of_a_generation_task() -> None:
    found = prepare_subsets("instructions", subsets=[20, 60], task="generation", augment="synonyms")
    prompts = [{row["prompt"] for row in one.rows["train"] if not is_new(row)} for one in found]
    assert [len(rows) for rows in prompts] == [20, 60]
    assert prompts[0] < prompts[1]
    assert found[0].rows["test"] == found[1].rows["test"]
    assert any(is_new(row) for row in found[0].rows["train"])


@pytest.mark.parametrize(
    ("subsets", "sentence"),
    [
        ([10, 10], "names one number twice"),
        (["10"], "a list of numbers"),
        ([0], "a list of numbers"),
        (
            [10, 5000],
            "5,000 training rows are asked for, and the training part has 130: give sizes up to 130",
        ),
        ([1, 10], "each needs a row"),
    ],
)
def test_wrong_sizes_are_refused(one: Path, subsets: list, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        prepare_subsets(one, subsets=subsets)
    with pytest.raises(DataError, match="not both"):
        prepare_subsets(one, subsets=[10], train_rows=10)


def test_no_subsets_are_one_preparation(one: Path) -> None:
    assert check_subsets(None) == ()
    assert prepare_subsets(one, subsets=()) == [data.prepare(one)]


def test_what_takes_minutes_is_not_begun_unasked(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.data import translate
    from workbench.sources import ModelSource

    monkeypatch.setattr(translate, "resolve", lambda ref: ModelSource(ref, ref, "1", "folder", ref))
    monkeypatch.setattr(
        translate, "load_translator", lambda source: lambda texts, options, seed: [f"{t} too" for t in texts]
    )
    with pytest.raises(DataError, match="takes minutes and is not done yet") as error:
        data.prepare(one, augment="back_translation", wait=False)
    assert error.value.code == "waiting"
    steps = []
    found = data.prepare(one, augment="back_translation", progress=lambda *step: steps.append(step))
    assert steps[-1] == ("back_translation", 130, 130)
    assert data.prepare(one, augment="back_translation", wait=False) == found
    pairs = before_and_after(found, {"back_translation": {}}, 2)
    assert [pair["pieces"][-1] for pair in pairs] == [(" too too", "new")] * 2


def test_before_and_after_marks_the_changed_words(one: Path) -> None:
    (pair,) = before_and_after(data.prepare(one), {"synonyms": {"share": 0.3}}, 1)
    assert "".join(text for text, kind in pair["pieces"] if kind != "new") == pair["text"]
    assert any(kind == "new" for _, kind in pair["pieces"])
