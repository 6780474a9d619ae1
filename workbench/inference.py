"""One text through finished runs and their base models, side by side, by one engine for each store."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench import asking, registry
from workbench.asking import Answer, Ask
from workbench.engine import Engine
from workbench.engine_bases import base_key
from workbench.store import Store

_engines: dict[Path, Engine] = {}
_lock = threading.Lock()


def engine_for(store: Store) -> Engine:
    """The store's engine in this process: what it has loaded stays loaded."""
    with _lock:
        return _engines.setdefault(Path(store.folder).resolve(), Engine(store))


def forget() -> None:
    """Let go of every engine and all that it holds."""
    with _lock:
        _engines.clear()


def answer(
    store: Store,
    run_ids: Sequence[str],
    text: str = "",
    *,
    with_base: bool = True,
    with_runs: bool = True,
    options: Mapping[str, Any] | None = None,
    messages: Sequence[Mapping[str, str]] = (),
) -> list[Answer]:
    """An answer per run, in order, and one per base model before them; without runs, of their bases alone.

    Each has run_id (`base` for a base model), model, label, probabilities by label, ms, live, truncated and reason:
    where reason is not None, it says in one sentence why there is no answer. A generated answer has text, tokens and
    ended (whether it came to its end token) besides. `options` change the task's own: the decoding of a generated text.
    `messages` are a chat in place of a text.
    """
    asks = questions(
        store, run_ids, text, with_base=with_base, with_runs=with_runs, options=options, messages=messages
    )
    engine = engine_for(store)
    if not asks:
        return []
    texts = writes_text(store, asks[0].run_id)
    return asking.write(engine, asks) if texts else asking.classify(engine, asks, alone=True)


def questions(
    store: Store,
    run_ids: Sequence[str],
    text: str,
    *,
    with_base: bool = True,
    with_runs: bool = True,
    options: Mapping[str, Any] | None = None,
    messages: Sequence[Mapping[str, str]] = (),
) -> list[Ask]:
    """What is asked: each distinct base once, then the runs."""
    bases: dict[str, str] = {}
    for run_id in run_ids:
        bases.setdefault(base_key(store.run(run_id).spec.setting), run_id)
    asked: dict[str, Any] = {"text": text, "messages": tuple(messages), "options": dict(options or {})}
    found = [Ask(run_id, base=True, **asked) for run_id in bases.values()] if with_base else []
    return found + ([Ask(run_id, **asked) for run_id in run_ids] if with_runs else [])


def writes_text(store: Store, run_id: str) -> bool:
    return "text" in registry.task(store.run(run_id).spec.setting.task).silence
