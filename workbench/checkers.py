"""Checkers of answers: programs that come with a bundled data set and give an answer a reward from 0 to 1.

Only what is shipped with the workbench is ever run: code beside a reader's own data is not looked at.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.options import unknown_names

Checker = Callable[[str, str], float]
AUTO, NONE = "auto", "none"
# So many of the prompts must stand in a bundled data set for its checker to be taken for theirs.
SHARE = 0.9


def names() -> tuple[str, ...]:
    """The bundled data sets that have a checker."""
    return tuple(sorted(_files()))


def checker(name: str) -> Checker:
    """`reward(prompt, answer)` of a bundled data set. ValueError where it has none."""
    if name not in _files():
        raise ValueError(unknown_names("checker", [name], (*names(), NONE)))
    return _load(name)


def checker_hash(name: str) -> str:
    """12 hex digits that change when the program does."""
    checker(name)
    return hashlib.sha256(_files()[name].read_bytes()).hexdigest()[:12]


def checker_of(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The bundled data set that nearly all prompts of the test part come from, where it has a checker; else `none`."""
    asked = {str(row["prompt"]) for row in rows.get("test") or rows.get("train") or ()}
    for name in names() if asked else ():
        if len(asked & _prompts(name)) >= SHARE * len(asked):
            return name
    return NONE


@functools.cache
def _files() -> dict[str, Path]:
    from workbench.data.bundled import bundled

    found = {}
    for card in bundled(every=True):
        path = card.folder / str(card.more.get("checker") or "")
        if card.more.get("checker") and path.is_file():
            found[card.name] = path
    return found


@functools.cache
def _prompts(name: str) -> frozenset[str]:
    import json

    found = set()
    for path in _files()[name].parent.glob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            found.add(str(json.loads(line).get("prompt")))
    return frozenset(found)


@functools.cache
def _load(name: str) -> Checker:
    spec = importlib.util.spec_from_file_location(f"workbench_checker_{name}", _files()[name])
    if spec is None or spec.loader is None:
        raise ValueError(f"the checker of {name} can't be read")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    reward: Checker = module.reward
    return reward
