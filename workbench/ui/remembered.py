"""Answers that are remembered as long as they hold, the least asked for go first."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

MOST_ANSWERS = 2000
_answers: OrderedDict[str, Any] = OrderedDict()
_lock = threading.Lock()


def known(key: str) -> Any:
    """The answer if there is one; None otherwise."""
    with _lock:
        return _answers.get(key)


def is_known(key: str) -> bool:
    with _lock:
        return key in _answers


def forget() -> None:
    with _lock:
        _answers.clear()


def remembered(
    key: str,
    ask: Callable[[], Any],
    *,
    anew: bool = False,
    worth: Callable[[Any], bool] = lambda _: True,
    holds: Callable[[Any], bool] = lambda _: True,
) -> Any:
    """The remembered answer if it still `holds`; otherwise what `ask` says, which is remembered if it is `worth` it."""
    with _lock:
        if key in _answers and not anew and holds(_answers[key]):
            _answers.move_to_end(key)
            return _answers[key]
    answer = ask()
    if worth(answer):
        remember(key, answer)
    return answer


def remember(key: str, answer: Any) -> None:
    with _lock:
        _answers[key] = answer
        while len(_answers) > MOST_ANSWERS:
            _answers.popitem(last=False)


def stamp(path: str) -> list[int] | None:
    """Of a local file or folder: a changed one is looked at again."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return [found.st_mtime_ns, found.st_size]
