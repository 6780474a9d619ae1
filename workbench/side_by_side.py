"""One text before one model at a time: a run, its base, or a reference. Called in a child process, so that the page stays light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.store import Store

BASE, TFIDF = "base", "tfidf"
REFERENCES = (TFIDF, "nearest")


def ask(
    store_folder: str, who: str, run_id: str, text: str, options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The answer of the run, of its base (`who` is "base"), or of the reference of its task ("tfidf" or "nearest").

    `options` change how the task answers: the decoding of a generated text.
    """
    from workbench.inference import answer

    store = Store(store_folder)
    if who in REFERENCES:
        return _reference_answer(store, run_id, text)
    if who == BASE:
        return answer(store, [run_id], text, with_base=True, options=options)[0]
    return answer(store, [run_id], text, with_base=False, options=options)[0]


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
