"""Questions that a background process answers for the page, with the answers remembered as long as they hold."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench import background
from workbench.spec import canonical_json
from workbench.store import Store
from workbench.uploads import PREFIX, located

MOST_ANSWERS = 500
_answers: OrderedDict[str, Any] = OrderedDict()
_lock = threading.Lock()


def look_at_data(
    store: Store, data: Mapping[str, Any], model: str, max_length: int, owner: str | None, *, anew: bool = False
) -> dict[str, Any]:
    """The doctor's report on a plan's data and the spec of what was prepared and kept (None where something blocks)."""
    source = str(data["source"])
    path = located(store, source, owner)
    upload = path if source.startswith(PREFIX) else None
    arguments = {k: v for k, v in data.items() if k not in ("title", "fingerprint", "labels", "rows")}
    stamp = [_stamp(p) for p in (path, *(data.get("parts") or {}).values())]
    key = canonical_json(["data", str(store.folder), arguments, upload, stamp, model, max_length])
    return _remembered(
        key,
        lambda: _call("look_at_data", str(store.folder), arguments, upload, model, max_length),
        anew=anew,
        worth=lambda look: look["spec"] is not None,
    )


def find_rows(store: Store, fingerprint: str, words: str, model: str) -> dict[str, Any]:
    key = canonical_json(["rows", str(store.folder), fingerprint, words, model])
    return _remembered(key, lambda: _call("find_rows", str(store.folder), fingerprint, words, model))


def look_at_model(store: Store, ref: str, owner: str | None, task: str, *, anew: bool = False) -> dict[str, Any]:
    key = canonical_json(["model", str(store.folder), ref, _stamp(ref), owner, task])
    return _remembered(key, lambda: _call("look_at_model", ref, str(store.folder), owner, task), anew=anew)


def methods_that_fit(store: Store, model: str, task: str) -> dict[str, str | None]:
    """Method -> None, or why not."""
    key = canonical_json(["fit", str(store.folder), model, _stamp(model), task])
    return _remembered(key, lambda: _call("methods_that_fit", str(store.folder), model, task))


def count_choices(
    store: Store, model: str, choices: Sequence[tuple[str, Mapping[str, Any]]], task: str, labels: int
) -> list[dict[str, Any]]:
    """What each choice would train; only those that were not asked before are counted."""
    keys = [count_key(store, model, name, options, task, labels) for name, options in choices]
    with _lock:
        missing = [i for i, key in enumerate(keys) if key not in _answers]
    if missing:
        asked = [(choices[i][0], dict(choices[i][1])) for i in missing]
        found = _call("count_choices", str(store.folder), model, asked, task, labels)
        for i, row in zip(missing, found):
            _remember(keys[i], row)
    with _lock:
        return [_answers[key] for key in keys]


def known_count(
    store: Store, model: str, method: str, options: Mapping[str, Any], task: str, labels: int
) -> dict[str, Any] | None:
    """The answer if there is one already: what a card can show without waiting."""
    with _lock:
        return _answers.get(count_key(store, model, method, options, task, labels))


def known_fit(store: Store, model: str, task: str) -> dict[str, str | None] | None:
    with _lock:
        return _answers.get(canonical_json(["fit", str(store.folder), model, _stamp(model), task]))


def count_key(
    store: Store, model: str, method: str, options: Mapping[str, Any], task: str, labels: int
) -> str:
    return canonical_json(["count", str(store.folder), model, _stamp(model), method, dict(options), task, labels])


def forget() -> None:
    with _lock:
        _answers.clear()


def _call(function: str, *arguments: Any) -> Any:
    return background.call(f"workbench.preview:{function}", *arguments, pool="estimate")


def _remembered(
    key: str, ask: Callable[[], Any], *, anew: bool = False, worth: Callable[[Any], bool] = lambda _: True
) -> Any:
    with _lock:
        if key in _answers and not anew:
            _answers.move_to_end(key)
            return _answers[key]
    answer = ask()
    if worth(answer):
        _remember(key, answer)
    return answer


def _remember(key: str, answer: Any) -> None:
    with _lock:
        _answers[key] = answer
        while len(_answers) > MOST_ANSWERS:
            _answers.popitem(last=False)


def _stamp(path: str) -> list[int] | None:
    """Of a local file or folder: a changed one is looked at again."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return [found.st_mtime_ns, found.st_size]
