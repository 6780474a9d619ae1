"""What the page asks for in its background process: a form made and packed, every form scored, the code, the card.

Light itself; progress stands in the run's folder meanwhile, and `progress` reads it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from workbench.store import Store

EXPORTS, PROGRESS, NOTE = "exports", "progress.json", "export.json"


def make(
    store_folder: str, run_id: str, form: str, pack_into: str, share: float, license: str
) -> dict[str, Any]:
    """The form in the run's own folder, in place of an earlier one, and packed as a zip."""
    from workbench.exporting.write import export

    store = Store(store_folder)
    run = store.run(run_id)
    to = exports(store, run_id) / form
    shutil.rmtree(to, ignore_errors=True)
    try:
        done = export(
            store,
            run,
            form,
            to,
            share=share,
            license=license,
            progress=lambda w, s: _say(store, run_id, w, 0.9 * s),
        )
        _say(store, run_id, "Packing it", 0.92)
        packed = shutil.make_archive(str(Path(pack_into) / f"{form}-{run.id}"), "zip", to)
    finally:
        _end(store, run_id)
    return done.to_dict() | {"zip": packed, "zip_bytes": os.path.getsize(packed)}


def score(store_folder: str, run_id: str, share: float) -> dict[str, Any]:
    from workbench.deployed import measure_forms

    store = Store(store_folder)
    try:
        return measure_forms(
            store, store.run(run_id), share=share, progress=lambda w, s: _say(store, run_id, w, s)
        )
    finally:
        _end(store, run_id)


def code(store_folder: str, run_id: str, pack_into: str) -> dict[str, Any]:
    """The script's text, and its whole folder as a zip."""
    from workbench.standalone.script import write_code

    store = Store(store_folder)
    run = store.run(run_id)
    folder = Path(pack_into) / f".code-{run.id}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        found = write_code(store, run, folder)
        packed = shutil.make_archive(str(Path(pack_into) / f"code-{run.id}"), "zip", folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"script": found.script, "lines": found.lines, "zip": packed, "zip_bytes": os.path.getsize(packed)}


def exports(store: Store, run_id: str) -> Path:
    """Where the page keeps a run's exports: in the run's own folder, so that they go with it."""
    return store.run_folder(run_id) / EXPORTS


def made(store: Store, run_id: str) -> dict[str, dict[str, Any]]:
    """By form: what export.json says of those that are there, and their size."""
    found = {}
    folder = exports(store, run_id)
    for note in sorted(folder.glob(f"*/{NOTE}")) if folder.is_dir() else ():
        with contextlib.suppress(OSError, ValueError):
            values = json.loads(note.read_text(encoding="utf-8"))
            size = sum(path.stat().st_size for path in note.parent.rglob("*") if path.is_file())
            found[note.parent.name] = values | {"bytes": size}
    return found


def progress(store: Store, run_id: str) -> tuple[str, float] | None:
    """What is being done and how far it is; None where nothing is, or no word came yet."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        found = json.loads((exports(store, run_id) / PROGRESS).read_text(encoding="utf-8"))
        return str(found["words"]), float(found["share"])
    return None


def _say(store: Store, run_id: str, words: str, share: float) -> None:
    folder = exports(store, run_id)
    with contextlib.suppress(OSError):  # who can't read it waits without a word
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{PROGRESS}.{os.getpid()}"
        partial.write_text(json.dumps({"words": words, "share": share}), encoding="utf-8")
        os.replace(partial, folder / PROGRESS)


def _end(store: Store, run_id: str) -> None:
    with contextlib.suppress(OSError):
        (exports(store, run_id) / PROGRESS).unlink(missing_ok=True)
