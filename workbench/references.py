"""Reference rows of a table: what can be had without deep learning, computed once per data and task and kept with them."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import registry
from workbench.spec import canonical_json

if TYPE_CHECKING:
    from workbench.data import Prepared

FILE = "references.json"
VERSION = 1


def reference_results(
    prepared: Prepared,
    folder: Path | None = None,
    task: str = "classification",
    task_options: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """One record per reference, with per-example outcomes on the test part. Computed once, then read from `folder`."""
    path = None if folder is None else Path(folder) / file_name(task, task_options or {})
    if path is not None and (found := _read(path)) is not None:
        return found
    known = registry.task(task)
    records = known.references(prepared, known.options.from_dict(task_options or {}))
    if path is not None:
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_text(
            json.dumps({"version": VERSION, "records": records}, ensure_ascii=False), encoding="utf-8"
        )
        part.replace(path)
    return records


def ask_reference(
    folder: Path, task: str, task_options: Mapping[str, Any] | None, text: str
) -> dict[str, Any]:
    """What the task's yardstick says to one text, from the prepared rows in `folder`."""
    return _asked(Path(folder), task, canonical_json(dict(task_options or {})))(text)


def file_name(task: str, task_options: Mapping[str, Any]) -> str:
    """One file for each way of scoring the same rows: the options of a task that has any say which."""
    if not task_options:
        return FILE
    digest = hashlib.sha256(canonical_json(dict(task_options)).encode()).hexdigest()[:12]
    return f"references-{task}-{digest}.json"


@functools.lru_cache(maxsize=4)
def _asked(folder: Path, task: str, options_json: str) -> Callable[[str], dict[str, Any]]:
    from workbench.data import load_prepared

    known, values = registry.task(task), json.loads(options_json)
    prepared = load_prepared(folder)
    records = reference_results(prepared, folder, task, values)
    record = next(r for r in records if r["method"] == known.yardstick)
    return known.refer(prepared, known.options.from_dict(values), record)


def _read(path: Path) -> list[dict[str, Any]] | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return list(kept["records"]) if kept["version"] == VERSION else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
