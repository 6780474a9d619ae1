"""Data sets from the Hugging Face Hub and folders written by `datasets`: tables only, no loading scripts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench import home
from workbench.data.bundled import bundled_folders
from workbench.data.column_names import PARTS
from workbench.data.faults import DataError, listed, shown
from workbench.data.grid import Grid, from_records
from workbench.data.limits import Limits

# Formats that hold tables and run no code; Hub sets of pickles, images or archives are not read.
BUILDERS = ("parquet", "csv", "json", "arrow")
KNOWN_IDS = (
    "stanfordnlp/imdb", "stanfordnlp/sst2", "fancyzhx/ag_news", "nyu-mll/glue", "dair-ai/emotion", "SetFit/sst2",
    "cornell-movie-review-data/rotten_tomatoes", "PolyAI/banking77", "clinc/clinc_oos", "fancyzhx/dbpedia_14",
    "Yelp/yelp_review_full", "fancyzhx/yelp_polarity", "CogComp/trec", "cardiffnlp/tweet_eval", "SetFit/20_newsgroups",
    "ucirvine/sms_spam", "takala/financial_phrasebank", "seamew/ChnSentiCorp",
)  # fmt: skip
_ID = re.compile(
    r"(?P<id>[\w.-]+(?:/[\w.-]+)?)(?::(?P<config>[\w.-]+))?(?:@(?P<revision>[\w./-]+))?\Z", re.ASCII
)
# The Hub's own limit.
_ID_LENGTH = 96
_TIMEOUT_SECONDS = 5.0


def is_hub_id(source: str) -> bool:
    match = _ID.match(source)
    if match is None or len(match["id"]) > _ID_LENGTH or ".." in source or "--" in match["id"]:
        return False
    return all(word[0] not in ".-" and word[-1] not in ".-" for word in match["id"].split("/"))


def read_hub(source: str, limits: Limits) -> tuple[dict[str, Grid], str | None]:
    """The parts of `owner/name`, `owner/name:config` or `owner/name@revision`, and the revision that was read."""
    match = _ID.match(source)
    if not match or not is_hub_id(source):
        raise DataError(
            f"{shown(source)!r} is no Hub id; right would be owner/name, for example stanfordnlp/sst2"
        )
    name, config, revision = match["id"], match["config"], match["revision"]
    if Path(name).exists():
        raise DataError(
            f"{shown(name)!r} is a local path, not a Hub id; give the id of a data set on the Hub"
        )
    # A hosted page must not lend its own Hub login to visitors.
    token = False if home.is_hosted() else None
    found = _look_up(name, revision, token)
    return load(name, limits, config=config, revision=found or revision, token=token), found or revision


def _look_up(name: str, revision: str | None, token: bool | None) -> str | None:
    """The commit behind an id, asked within seconds; None when the Hub can't be reached but the cache has the data."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return HfApi().dataset_info(name, revision=revision, timeout=_TIMEOUT_SECONDS, token=token).sha
    except GatedRepoError:
        raise _gated(name) from None
    except RepositoryNotFoundError:
        raise _unknown(name) from None
    except RevisionNotFoundError:
        raise DataError(
            f"{name} has no revision {shown(str(revision))!r} on the Hub; give a branch, tag or commit of it"
        ) from None
    except HFValidationError:
        raise DataError(f"{shown(name)!r} is no Hub id; right would be owner/name") from None
    except Exception as error:  # what a missing connection raises depends on the HTTP library in use
        if _is_cached(name):
            return None
        raise _unreachable(name, error) from None


def _is_cached(name: str) -> bool:
    from datasets import config

    return (Path(config.HF_DATASETS_CACHE) / name.replace("/", "___")).is_dir()


def load(
    path: str,
    limits: Limits,
    *,
    config: str | None = None,
    revision: str | None = None,
    token: bool | None = None,
) -> dict[str, Grid]:
    """`datasets.load_dataset`, for an id or a local folder of tables, with its errors as sentences."""
    import datasets

    arguments: dict[str, Any] = {"name": config, "revision": revision, "token": token}
    try:
        builder = datasets.load_dataset_builder(path, **arguments)
        kind = type(builder).__module__.split(".")[-1]
        if kind not in BUILDERS:
            raise DataError(f"{path} holds {kind} files; only tables are read ({', '.join(BUILDERS)})")
        limits.check_unpacked(path, limits.unpacked_bytes, builder.info.download_size or 0)
        rows = sum(split.num_examples or 0 for split in (builder.info.splits or {}).values())
        limits.check_shape(path, rows, len(builder.info.features or ()))
        loaded = datasets.load_dataset(path, **arguments)
    except DataError:
        raise
    except Exception as error:  # datasets passes on whatever its file system and format layers raise
        raise _sentence(path, config, error) from None
    return from_datasets(loaded, path, limits)


def load_saved(folder: Path, limits: Limits) -> dict[str, Grid]:
    """A folder written by `Dataset.save_to_disk` or `DatasetDict.save_to_disk`."""
    import datasets

    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:
        raise DataError(
            f"{folder.name} can't be read as a saved data set ({_first_line(error)}); save it again"
        ) from None
    return from_datasets(loaded, folder.name, limits)


def is_saved(folder: Path) -> bool:
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def from_datasets(loaded: Any, name: str, limits: Limits) -> dict[str, Grid]:
    """Grids from a Dataset or DatasetDict; class numbers become their names, splits of other names are left out."""
    splits: Mapping[str, Any] = loaded if isinstance(loaded, dict) else {"all": loaded}
    grids: dict[str, Grid] = {}
    left_out = []
    for key, dataset in splits.items():
        part = "all" if key == "all" else PARTS.get(str(key).casefold())
        if part is None and len(splits) == 1:
            part = "all"
        if part is None or part in grids:
            left_out.append(str(key))
        else:
            grids[part] = _grid(dataset, f"{name} ({key})" if len(splits) > 1 else name, limits)
    if not grids:
        raise DataError(f"{name} has no part named train; it has {listed(left_out)}", code="no_rows")
    if left_out:
        first = next(iter(grids))
        note = f"{name}: {', '.join(left_out)} left out (not train, validation or test)"
        grid = grids[first]
        grids[first] = replace(grid, notes=(*grid.notes, note))
    return grids


def _grid(dataset: Any, file: str, limits: Limits) -> Grid:
    from datasets import ClassLabel

    limits.check_shape(file, len(dataset), len(dataset.features))
    readable = [name for name, feature in dataset.features.items() if _holds_texts(feature)]
    names = {n: f.names for n, f in dataset.features.items() if isinstance(f, ClassLabel)}
    others = [name for name in dataset.features if name not in readable]
    if not readable:
        raise DataError(f"{file} has no column of texts (columns: {listed(others)})", code="columns")
    table = dataset.select_columns(readable).with_format(None)
    limits.check_unpacked(file, limits.unpacked_bytes, table.data.nbytes)
    grid = from_records(_records(table, names, file, limits), file, limits, place="row")
    notes = (f"{file}: {', '.join(others)} left out (not texts)",) if others else ()
    return replace(grid, columns=grid.columns or tuple(readable), notes=grid.notes + notes)


def _holds_texts(feature: Any) -> bool:
    """Texts, numbers, and lists and objects of them; no images, sounds or bytes."""
    from datasets import ClassLabel, Value

    if isinstance(feature, ClassLabel | Value):
        return str(getattr(feature, "dtype", "")) not in ("binary", "large_binary")
    if isinstance(feature, dict):
        return all(_holds_texts(inner) for inner in feature.values())
    if isinstance(feature, list):
        return all(_holds_texts(inner) for inner in feature)
    inner = getattr(feature, "feature", None)
    return inner is not None and _holds_texts(inner)


def _records(
    table: Any, names: Mapping[str, list[str]], file: str, limits: Limits
) -> Iterator[tuple[int, dict[str, Any]]]:
    row = size = 0
    for batch in table.iter(batch_size=1000):
        for cells in zip(*batch.values()):
            row += 1
            record = dict(zip(batch, cells))
            for column, classes in names.items():
                number = record[column]
                # -1 marks an example without a label, as in the test parts of GLUE.
                record[column] = classes[number] if number is not None and 0 <= number < len(classes) else ""
            size += sum(len(cell) for cell in record.values() if isinstance(cell, str))
            yield row, record
        limits.check_unpacked(file, limits.unpacked_bytes, size)


def _sentence(name: str, config: str | None, error: Exception) -> DataError:
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    text = str(error)
    if isinstance(error, DatasetNotFoundError):
        if "gated" in text:
            return _gated(name)
        return _unknown(name)
    if isinstance(error, ConnectionError) or type(error).__name__ in (
        "OfflineModeIsEnabled",
        "LocalEntryNotFoundError",
    ):
        return _unreachable(name, error)
    if isinstance(error, ValueError) and "onfig" in text:
        configs = re.findall(r"'([\w.-]+)'", text.split("Available", 1)[-1])
        given = f"has no configuration {config!r}" if config else "has several configurations"
        return DataError(
            f"{name} {given}; give one as {name}:NAME, where NAME is one of {listed(configs, 12)}"
        )
    if isinstance(error, RuntimeError) and "script" in text:
        return DataError(
            f"{name} needs its own loading script, which is never run; give a data set stored as Parquet, CSV or JSON"
        )
    kind = "can't be read" if isinstance(error, DatasetsError) else "can't be loaded"
    return DataError(
        f"{name} {kind} ({_first_line(error)}); check it on https://huggingface.co/datasets/{name}"
    )


def _unknown(name: str) -> DataError:
    known = [*KNOWN_IDS, *bundled_folders()]
    short = {known_id.split("/")[-1].casefold(): known_id for known_id in known}
    near = difflib.get_close_matches(name, known, n=2) or [
        short[match] for match in difflib.get_close_matches(name.split("/")[-1].casefold(), list(short), n=2)
    ]
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    return DataError(
        f"the Hub has no data set {shown(name)!r} that can be seen from here{hint}; check its spelling, or log in if it is private"
    )


def _gated(name: str) -> DataError:
    return DataError(
        f"{name} asks for consent: accept its terms at https://huggingface.co/datasets/{name}, then log in"
        " (hf auth login) or set HF_TOKEN"
    )


def _unreachable(name: str, error: BaseException) -> DataError:
    offline = type(error).__name__ == "OfflineModeIsEnabled" or "OfflineMode" in str(error)
    why = "HF_HUB_OFFLINE is set" if offline else "no connection, or it didn't answer"
    return DataError(
        f"the Hub can't be reached ({why}), and {shown(name)} isn't in the cache; give a file or a bundled data set,"
        " or try again later"
    )


def _first_line(error: BaseException) -> str:
    return shown((str(error) or type(error).__name__).splitlines()[0], 120)
