"""Which methods a model can take, as the search of a background process finds it: one search serves all who wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from workbench import fitting, registry
from workbench.spec import canonical_json
from workbench.store import Store
from workbench.ui.remembered import known, remember, remembered, stamp

_searches: dict[str, _Search] = {}
_lock = threading.Lock()


def methods_that_fit(store: Store, model: str, owner: str | None, task: str) -> dict[str, str | None]:
    """Method -> None, or why not."""
    key = _fit_key(store, model, owner, task)
    found: dict[str, str | None] = remembered(
        key, lambda: fitting.methods_that_fit(store.folder, model, task, owner=owner)[0]
    )
    return found


def known_fit(store: Store, model: str, owner: str | None, task: str) -> dict[str, str | None] | None:
    """The answer if there is one already: what a card can show without waiting."""
    found: dict[str, str | None] | None = known(_fit_key(store, model, owner, task))
    return found


def fit_as_found(
    store: Store, model: str, owner: str | None, task: str, first: Sequence[str] = ()
) -> Iterator[dict[str, str | None]]:
    """What is known of each method so far, again whenever there is more, until all is known; `first` are asked first.

    One search serves all who wait for the same answer, and goes on when nobody does.
    """
    told = known_fit(store, model, owner, task)
    if told is not None:
        yield told
        return
    key = _fit_key(store, model, owner, task)
    with _lock:
        search = _searches.get(key)
        if search is None:
            search = _searches[key] = _Search()
            names = list(dict.fromkeys([*(n for n in first if n in registry.methods()), *registry.methods()]))
            asked = (key, search, names, str(store.folder), model, task, owner)
            threading.Thread(target=_look_for_fit, args=asked, daemon=True).start()
    seen = -1
    while True:
        with search.news:
            while not search.ended and len(search.reasons) <= seen:
                search.news.wait()
            found, ended = dict(search.reasons), search.ended
        seen = len(found)
        if search.error is not None:
            raise search.error
        yield found
        if ended:
            return


@dataclass
class _Search:
    """Answers as they come, and the condition that tells of them."""

    reasons: dict[str, str | None] = field(default_factory=dict)
    error: Exception | None = None
    ended: bool = False
    news: threading.Condition = field(default_factory=threading.Condition)


def _look_for_fit(
    key: str, search: _Search, names: list[str], folder: str, model: str, task: str, owner: str | None
) -> None:
    try:
        for found in fitting.fit_as_found(folder, model, task, names, owner=owner):
            with search.news:
                search.reasons |= found
                search.news.notify_all()
        remember(key, {name: search.reasons[name] for name in registry.methods()})
    except Exception as error:  # said to everyone who waits for the answer
        search.error = error
    finally:
        with _lock:
            _searches.pop(key, None)
        with search.news:
            search.ended = True
            search.news.notify_all()


def _fit_key(store: Store, model: str, owner: str | None, task: str) -> str:
    return canonical_json(["fit", str(store.folder), model, stamp(model), owner, task])
