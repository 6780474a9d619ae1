"""One text before one model at a time: a run, its base, or a reference. Called in a child process, so that the page stays light."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.store import Store

BASE, TFIDF = "base", "tfidf"
REFERENCES = (TFIDF, "nearest", "ngram")


def ask(
    store_folder: str,
    who: str,
    run_id: str,
    text: str,
    options: Mapping[str, Any] | None = None,
    stop_file: str = "",
) -> dict[str, Any]:
    """The answer of the run, of its base (`who` is "base"), or of the reference of its task ("tfidf", "nearest" or "ngram").

    `options` change how the task answers: the decoding of a generated text. Once `stop_file` exists the answer ends
    where it is.
    """
    store = Store(store_folder)
    if who in REFERENCES:
        return _reference_answer(store, run_id, text)
    from workbench.inference import answer

    of_base = who == BASE
    with _stoppable(stop_file):
        return answer(store, [run_id], text, with_base=of_base, with_runs=not of_base, options=options)[0]


def _stoppable(stop_file: str) -> contextlib.AbstractContextManager[None]:
    if not stop_file:
        return contextlib.nullcontext()
    from workbench import generating

    return generating.stopped_when(Path(stop_file).exists)


def _reference_answer(store: Store, run_id: str, text: str) -> dict[str, Any]:
    from workbench import registry
    from workbench.references import ask_reference

    setting = store.run(run_id).spec.setting
    folder = store.data_folder(setting.data.fingerprint)
    found = ask_reference(folder, setting.task, setting.task_options, text)
    return {
        "run_id": registry.task(setting.task).yardstick,
        **found,
        "live": None,
        "truncated": False,
        "reason": None,
    }
