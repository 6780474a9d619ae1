"""What can be said before anything trains: the doctor's report in a model's tokens, a model's facts, what methods train.

Called through `workbench.background`, in a process that may import the deep-learning libraries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.store import Store

SHOWN_ROWS = 8


def look_at_data(
    store_folder: str, arguments: Mapping[str, Any], upload: str | None, model: str, max_length: int
) -> dict[str, Any]:
    """Read, examine and, where nothing blocks, prepare and keep the rows. `upload` is where a reader's file lies."""
    from workbench.data import DataError, Split, check, documents, examine, prepare, read, save_prepared

    store = Store(store_folder)
    given = {key: value for key, value in arguments.items() if value is not None}
    source = Path(upload) if upload else given.pop("source", "")
    given.pop("source", None)
    given.pop("revision", None)
    reading = {key: given.pop(key) for key in ("parts", "encoding", "skip_broken") if key in given}
    split = Split(**{ours: given[theirs] for theirs, ours in _SPLIT.items() if theirs in given})
    looking: dict[str, Any] = {key: given[key] for key in _LOOKING if key in given}
    looking |= {"tokenizer": _tokenizer(model, store), "max_length": max_length, "split": split}
    try:
        cut = documents(given.get("task", "classification"), given.get("format"))
        raw = read(source, **reading, documents=cut)
    except DataError:
        return {"report": check(source, **reading, **looking).to_dict(), "spec": None}
    report = examine(raw, **looking)
    if report.blocks:
        return {"report": report.to_dict(), "spec": None}
    prepared = prepare(source, **reading, **given, raw=raw)
    save_prepared(prepared, store.data_folder(prepared.spec.fingerprint))
    return {"report": report.to_dict(), "spec": asdict(prepared.spec)}


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
