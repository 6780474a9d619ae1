"""What can be said before anything trains: the doctor's report in a model's tokens, a model's facts, what methods train.

Called through `workbench.background`, in a process that may import the deep-learning libraries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.store import Store

if TYPE_CHECKING:
    from workbench.data import Prepared

SHOWN_ROWS = 8


def look_at_data(
    store_folder: str,
    arguments: Mapping[str, Any],
    upload: str | None,
    model: str,
    max_length: int,
    uploads: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Read, examine and, where nothing blocks, prepare and keep the rows. `upload` is where a reader's file lies, `uploads`
    where further ones of a mix do. `spec` is None where something blocks; with learning-curve subsets it is that of the
    largest, and `fingerprints` are those of all."""
    from workbench.data import DataError, Split, check, documents, examine, read
    from workbench.data.tools import blocked, with_tools

    store = Store(store_folder)
    given = {key: value for key, value in arguments.items() if value is not None}
    source = Path(upload) if upload else given.pop("source", "")
    given.pop("source", None)
    given.pop("revision", None)
    reading: dict[str, Any] = {
        key: given.pop(key) for key in ("parts", "encoding", "skip_broken") if key in given
    }
    split = Split(**{ours: given[theirs] for theirs, ours in _SPLIT.items() if theirs in given})
    looking: dict[str, Any] = {key: given[key] for key in _LOOKING if key in given}
    looking |= {"tokenizer": _tokenizer(model, store), "max_length": max_length, "split": split}
    nothing: dict[str, Any] = {"spec": None, "fingerprints": [], "new": {}, "sources": {}}
    try:
        cut = documents(given.get("task", "classification"), given.get("format"))
        raw = read(source, **reading, documents=cut)
    except DataError:
        return {"report": check(source, **reading, **looking).to_dict(), **nothing}
    report = examine(raw, **looking)
    if report.blocks:
        return {"report": report.to_dict(), **nothing}
    try:
        found = _prepared(store, source, {**reading, **given, "raw": raw, "wait": False}, uploads)
    except DataError as error:
        if not any(given.get(tool) for tool in ("mix", "augment", "subsets")):
            raise
        return {"report": blocked(report, error).to_dict(), **nothing}
    report, counts = with_tools(report, found[-1])
    fingerprints = [one.spec.fingerprint for one in found]
    return {
        "report": report.to_dict(),
        "spec": asdict(found[-1].spec),
        "fingerprints": fingerprints,
        **counts,
    }


def _prepared(
    store: Store, source: str | Path, arguments: dict[str, Any], uploads: Mapping[str, str] | None
) -> list[Prepared]:
    from workbench.data import prepare_subsets, save_prepared

    located = {name: Path(path) for name, path in (uploads or {}).items()}
    subsets = arguments.pop("subsets", ())
    found = prepare_subsets(source, subsets=subsets, located=located, **arguments)
    for prepared in found:
        save_prepared(prepared, store.data_folder(prepared.spec.fingerprint))
    return found


def augment_slowly(
    store_folder: str,
    arguments: Mapping[str, Any],
    upload: str | None,
    uploads: Mapping[str, str] | None,
    progress_file: str,
) -> None:
    """Prepare the data with an augmentation that takes minutes; how far it is stands in the file as JSON."""
    path = Path(progress_file)

    def tell(name: str, done: int, total: int) -> None:
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"name": name, "done": done, "total": total}), encoding="utf-8")
        part.replace(path)

    given = {key: value for key, value in arguments.items() if value is not None and key != "revision"}
    source = given.pop("source", "")
    _prepared(Store(store_folder), Path(upload) if upload else source, {**given, "progress": tell}, uploads)


def preview_augmentation(
    store_folder: str, fingerprint: str, augment: Mapping[str, Any], count: int = 3
) -> list[dict[str, Any]]:
    """A few training rows with the new texts that would be made of them: what a reader looks at before applying."""
    from workbench.data import load_prepared
    from workbench.data.tools import before_and_after

    prepared = load_prepared(Store(store_folder).data_folder(fingerprint))
    return before_and_after(prepared, augment, count)


def why_not_augment(name: str, options: Mapping[str, Any]) -> str | None:
    """None, or the sentence that says why this way of augmenting can't be used here."""
    from workbench.data.augment import augmenter, check_augment

    tool = augmenter(name)
    return tool.unusable(tool.options.from_dict(check_augment({name: options})[name]))


_LOOKING = ("text", "label", "fixes", "task", "format", "columns", "fill")
_SPLIT = {
    "validation_share": "validation_share",
    "test_share": "test_share",
    "split_seed": "seed",
    "train_rows": "train_rows",
    "validation_rows": "validation_rows",
    "test_rows": "test_rows",
}


def find_rows(store_folder: str, fingerprint: str, words: str, model: str) -> dict[str, Any]:
    """The first prepared rows that hold all the words, with their lengths; and how many do."""
    from workbench.data import data_task, load_prepared
    from workbench.data.lengths import count_lengths

    store = Store(store_folder)
    prepared = load_prepared(store.data_folder(fingerprint))
    entry = data_task(prepared.spec.task)
    wanted = words.casefold().split()
    found = [
        (part, row)
        for part, rows in prepared.rows.items()
        for row in rows
        if all(word in entry.words(row).casefold() for word in wanted)
    ]
    tokenizer = _tokenizer(model, store)
    rows = []
    for part, row in found[:SHOWN_ROWS]:
        rows.append({**entry.shown(row), "part": part})
        if tokenizer is not None:
            rows[-1]["length"] = entry.total(count_lengths(list(entry.texts(row).values()), tokenizer))
    return {"rows": rows, "found": len(found)}


def look_at_model(ref: str, store_folder: str, owner: str | None, task: str) -> dict[str, Any]:
    """A model's facts from its config and files, no weights loaded. ModelError says why it can't be used."""
    from workbench import architecture, models

    store = Store(store_folder)
    source = models.resolve(ref, store=store, owner=owner)
    config = models.load_config(source, store=store)
    model = models.load_model(source, task, ["a", "b"], meta=True, store=store)
    heads = architecture.head_names(model)
    body = sum(p.numel() for name, p in model.named_parameters() if name.split(".")[0] not in heads)
    text = getattr(config, "get_text_config", lambda: config)()
    return {
        "ref": ref,
        "title": source.title,
        "kind": source.kind,
        "revision": source.revision,
        "parameters": body,
        "layers": getattr(text, "num_hidden_layers", None),
        "width": getattr(text, "hidden_size", None),
        "heads": getattr(text, "num_attention_heads", None),
        "vocabulary": getattr(text, "vocab_size", None),
        "longest_input": getattr(text, "max_position_embeddings", None),
        "bytes": _bytes_on_disk(source.path_or_id) if source.kind in ("embedded", "folder") else None,
        "bias_terms": bool(architecture.bias_names(model)),
        "modules": architecture.linear_names(model),
        "license": None,
    }


def methods_that_fit(
    store_folder: str, owner: str | None, model: str, task: str, methods: Sequence[str]
) -> tuple[dict[str, str | None], str]:
    """Method -> None, or the sentence that says why this model or task can't take it; and what could not be tried."""
    from workbench.probe import findings

    store = _checked_store(store_folder, owner, model)
    found = findings(model, task, store=store, cache=store.folder / "cache", methods=methods)
    return found.reasons, found.note


def count_choices(
    store_folder: str,
    owner: str | None,
    model: str,
    choices: Sequence[tuple[str, Mapping[str, Any]]],
    task: str,
    labels: int,
) -> list[dict[str, Any]]:
    """What each choice would train: the estimate's rows, in the order of the choices."""
    from workbench.estimate import estimates

    store = _checked_store(store_folder, owner, model)
    return list(estimates(model, choices, task=task, labels=labels, store=store))


def _checked_store(store_folder: str, owner: str | None, model: str) -> Store:
    """An earlier run of somebody else is as good as none."""
    from workbench.sources import resolve

    store = Store(store_folder)
    if model.startswith("run:"):
        resolve(model, store=store, owner=owner)
    return store


def _tokenizer(model: str, store: Store) -> Any:
    """The model's tokenizer; None where there is no model, or none that can be had: lengths are words then."""
    from workbench import models

    try:
        return models.load_tokenizer(models.resolve(model, store=store), store=store) if model else None
    except ValueError:
        return None


def _bytes_on_disk(folder: str) -> int:
    return sum(path.stat().st_size for path in Path(folder).iterdir() if path.is_file())
