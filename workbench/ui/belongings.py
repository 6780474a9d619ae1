"""Which sessions and which of Gradio's temporary files belong to which visitor, as long as the page runs."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

MOST = 50_000
# An inner quotation mark would be escaped, so a text that only looks like this can't be taken for it.
_PATH = re.compile(rb'"path":\s*("(?:[^"\\]|\\.)*")')


class Belongings:
    """Bounded: the oldest are forgotten, and with them the right to them."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._files: OrderedDict[str, set[str]] = OrderedDict()

    def takes(self, session: str, owner: str) -> bool:
        """Whether a session is this visitor's; one that nobody has begun is from now on."""
        first = self._sessions.setdefault(session, owner)
        self._sessions.move_to_end(session)
        _bound(self._sessions, self.most)
        return first == owner

    def give(self, path: str, owner: str) -> None:
        self._files.setdefault(path, set()).add(owner)
        self._files.move_to_end(path)
        _bound(self._files, self.most)

    def has(self, path: str, owner: str) -> bool:
        return owner in self._files.get(path, ())


def paths_in(value: Any) -> Iterator[str]:
    """The paths of files anywhere in a request."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(path := one.get("path"), str) and path:
                yield path
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def shown_paths(message: bytes) -> Iterator[str]:
    """The paths of files that an event hands to the page."""
    for found in _PATH.findall(message):
        yield str(json.loads(found))


def _bound(kept: OrderedDict[str, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
