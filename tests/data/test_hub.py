"""Hub data sets: saved and cached folders are read, and each way to fail is one sentence that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.data.tables import rows
from workbench import data
from workbench.data import DataError, hub

datasets = pytest.importorskip("datasets")


def table(number: int = 40, labelled: bool = True) -> Any:
    features = datasets.Features(
        text=datasets.Value("string"),
        label=datasets.ClassLabel(names=["bad", "good"]),
        scores=datasets.Sequence(datasets.Value("float32")),
    )
    pairs = rows(number, start=0 if labelled else 500)
    names = [("bad", "good").index(n) if labelled else -1 for _, n in pairs]
    columns = {"text": [t for t, _ in pairs], "label": names, "scores": [[1.0]] * number}
    return datasets.Dataset.from_dict(columns, features=features)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_a_saved_folder_with_class_names_and_an_unlabelled_test_part(tmp_path: Path) -> None:
    saved = datasets.DatasetDict(train=table(), test=table(10, labelled=False), unsupervised=table(5))
    saved.save_to_disk(str(tmp_path / "saved"))
    report = data.check(tmp_path / "saved")
    assert report.labels == {"bad": 20, "good": 20}
    assert report.parts == {"train": 26, "validation": 6, "test": 8}
    notes = " ".join(report.notes)
    assert "unsupervised left out" in notes
    assert "scores left out" in notes
    assert "test part (saved (test)) has no labels" in notes


def test_parquet_files_of_a_hub_set_keep_their_class_names(tmp_path: Path) -> None:
    folder = tmp_path / "copy" / "data"
    folder.mkdir(parents=True)
    table(30).to_parquet(str(folder / "train-00000-of-00002.parquet"))
    table(40).select(range(30, 40)).to_parquet(str(folder / "train-00001-of-00002.parquet"))
    prepared = data.prepare(tmp_path / "copy")
    assert prepared.spec.labels == ("bad", "good")
    assert sum(map(len, prepared.rows.values())) == 40


def test_load_reads_tables_only(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    table().to_parquet(str(folder / "train.parquet"))
    grids = hub.load(str(folder), data.Limits())
    assert grids["train"].columns == ("text", "label", "scores")
    assert grids["train"].nested == {"scores"}
    assert grids["train"].rows[1][1] == "good"
    images = tmp_path / "texts"
    images.mkdir()
    (images / "train.txt").write_text("a\nb\n")
    with pytest.raises(DataError, match="holds text files; only tables are read"):
        hub.load(str(images), data.Limits())
    with pytest.raises(DataError, match="at most 10 are taken"):
        hub.load(str(folder), data.Limits(rows=10))


def _raising(error: BaseException) -> Any:
    def dataset_info(*_: Any, **__: Any) -> None:
        raise error

    return dataset_info


def _hub_error(name: str) -> BaseException:
    """An error of huggingface_hub as it is raised, without the HTTP response that it was made from."""
    from huggingface_hub import errors

    kind = getattr(errors, name)
    return kind.__new__(kind)


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        (
            "RepositoryNotFoundError",
            "stanfordnlp/imbd",
            r"no data set 'stanfordnlp/imbd'.*did you mean stanfordnlp/imdb",
        ),
        ("RepositoryNotFoundError", "me/private", "log in if it is private"),
        ("GatedRepoError", "org/gated", r"accept its terms at https://huggingface.co/datasets/org/gated"),
        ("RevisionNotFoundError", "org/set@v9", "no revision 'v9'"),
        ("OfflineModeIsEnabled", "org/set", r"can't be reached \(HF_HUB_OFFLINE is set\)"),
    ],
)
def test_each_failure_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, source: str, said: str
) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", _raising(_hub_error(name)))
    with pytest.raises(DataError, match=said):
        data.read(source)


def test_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", _raising(OSError("Name or service not known")))
    with pytest.raises(
        DataError, match=r"can't be reached \(no connection, or it didn't answer\), and org/set isn't in"
    ):
        data.read("org/set")


def test_a_found_set_is_read_at_its_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    asked: dict[str, Any] = {}
    saved = datasets.DatasetDict(train=table(), test=table(10).map(lambda r: {"text": "new " + r["text"]}))

    class Builder:
        info = datasets.DatasetInfo(features=table().features)

    Builder.__module__ = "datasets.packaged_modules.parquet.parquet"

    def load(path: str, **arguments: Any) -> Any:
        asked.update(arguments, path=path)
        return saved

    class Info:
        sha = "0123abc"

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: Info())
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *_, **__: Builder())
    monkeypatch.setattr(datasets, "load_dataset", load)
    prepared = data.prepare("org/set:small")
    assert asked == {"path": "org/set", "name": "small", "revision": "0123abc", "token": None}
    assert prepared.spec.revision == "0123abc"
    assert prepared.spec.labels == ("bad", "good")
    assert len(prepared.rows["test"]) == 10
    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    data.prepare("org/set")
    assert asked["token"] is False


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ValueError("Config name is missing. Available: ['sst2', 'cola']"),
            r"several configurations.*org/set:NAME.*sst2, cola",
        ),
        (
            RuntimeError("Dataset scripts are no longer supported, but found set.py"),
            "loading script, which is never run",
        ),
        (KeyError("strange"), "can't be loaded"),
    ],
)
def test_what_datasets_raises(monkeypatch: pytest.MonkeyPatch, error: Exception, said: str) -> None:
    import huggingface_hub

    class Info:
        sha = "0123abc"

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: Info())
    monkeypatch.setattr(datasets, "load_dataset_builder", _raising(error))
    with pytest.raises(DataError, match=said):
        data.read("org/set")


def test_a_local_folder_is_never_taken_for_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "set").mkdir(parents=True)
    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    with pytest.raises(DataError, match="a path, and a hosted page opens none"):
        data.read("org/set")
    with pytest.raises(DataError, match="local path, not a Hub id"):
        hub.read_hub("org/set", data.Limits())
