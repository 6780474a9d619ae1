"""Questions that a background process answers for the page, with the answers remembered as long as they hold."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench import background, fitting, registry
from workbench.spec import canonical_json
from workbench.store import Store
from workbench.uploads import PREFIX, located

MOST_ANSWERS = 2000
Choice = tuple[str, Mapping[str, Any]]
_answers: OrderedDict[str, Any] = OrderedDict()
_searches: dict[str, _Search] = {}
_lock = threading.Lock()
_counting = threading.Lock()


def look_at_data(
    store: Store,
    data: Mapping[str, Any],
    model: str,
    max_length: int,
    owner: str | None,
    *,
    anew: bool = False,
) -> dict[str, Any]:
    """The doctor's report on a plan's data and the spec of what was prepared and kept (None where something blocks)."""
    key, arguments, upload = _data_question(store, data, model, max_length, owner)
    uploads = uploads_of(store, data, owner)
    return _remembered(
        key,
        lambda: _call("look_at_data", str(store.folder), arguments, upload, model, max_length, uploads),
        anew=anew,
        worth=lambda look: look["spec"] is not None,
    )


def uploads_of(store: Store, data: Mapping[str, Any], owner: str | None) -> dict[str, str]:
    """Where the reader's own files lie that a mix names."""
    sources = [str(entry.get("source", "")) for entry in data.get("mix") or () if isinstance(entry, Mapping)]
    return {source: located(store, source, owner) for source in sources if source.startswith(PREFIX)}


def data_question(
    store: Store, data: Mapping[str, Any], owner: str | None
) -> tuple[dict[str, Any], str | None]:
    """The arguments of data.prepare in a plan's data, and where an uploaded file lies."""
    _, arguments, upload = _data_question(store, data, "", 0, owner)
    return arguments, upload


def preview_augmentation(store: Store, fingerprint: str, augment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A few training rows and what would be made of them."""
    return list(_call("preview_augmentation", str(store.folder), fingerprint, dict(augment)))


def why_not_augment(name: str, options: Mapping[str, Any]) -> str | None:
    return _call("why_not_augment", name, dict(options))


def is_data_known(
    store: Store, data: Mapping[str, Any], model: str, max_length: int, owner: str | None
) -> bool:
    """Whether `look_at_data` would answer at once."""
    try:
        key, _, _ = _data_question(store, data, model, max_length, owner)
    except ValueError:
        return False
    with _lock:
        return key in _answers


def _data_question(
    store: Store, data: Mapping[str, Any], model: str, max_length: int, owner: str | None
) -> tuple[str, dict[str, Any], str | None]:
    """The question's key, the arguments of data.prepare, and where an uploaded file lies."""
    source = str(data["source"])
    path = located(store, source, owner)
    upload = path if source.startswith(PREFIX) else None
    arguments = {k: v for k, v in data.items() if k not in ("title", "fingerprint", "labels", "rows")}
    stamp = [_stamp(p) for p in (path, *(data.get("parts") or {}).values())]
    key = canonical_json(["data", str(store.folder), arguments, upload, stamp, model, max_length])
    return key, arguments, upload


def find_rows(store: Store, fingerprint: str, words: str, model: str) -> dict[str, Any]:
    key = canonical_json(["rows", str(store.folder), fingerprint, words, model])
    return _remembered(key, lambda: _call("find_rows", str(store.folder), fingerprint, words, model))


def look_at_model(
    store: Store, ref: str, owner: str | None, task: str, *, anew: bool = False
) -> dict[str, Any]:
    key = canonical_json(["model", str(store.folder), ref, _stamp(ref), owner, task])
    return _remembered(key, lambda: _call("look_at_model", ref, str(store.folder), owner, task), anew=anew)


def known_model(store: Store, ref: str, owner: str | None, task: str) -> dict[str, Any] | None:
    """A model's facts if they were asked before."""
    with _lock:
        return _answers.get(canonical_json(["model", str(store.folder), ref, _stamp(ref), owner, task]))


def known_modules(store: Store, ref: str, owner: str | None, task: str) -> list[str]:
    """Names of a model's linear layers, for options that choose among them; looked up where nobody asked yet."""
    try:
        return list(look_at_model(store, ref, owner, task)["modules"])
    except (ValueError, background.BackgroundError):
        return []  # the form then takes names as they are typed, and the method checks them


def guess_task(store: Store, data: Mapping[str, Any], owner: str | None) -> dict[str, str] | None:
    """The task that the rows of a source look made for, with how sure that is and why; None where nothing speaks for one."""
    arguments, upload = data_question(store, data, owner)
    reading = {name: arguments[name] for name in ("parts", "encoding", "skip_broken") if arguments.get(name)}
    return background.call(
        "workbench.data.guess_task:guess_task_of", str(arguments["source"]), upload, reading, pool="estimate"
    )


def check_task_options(
    store: Store, fingerprint: str, task: str, options: Mapping[str, Any], model: str
) -> dict[str, Any]:
    """The task's options with what the model and the data say to them; ValueError where they don't go together."""
    return _remembered(
        _options_key(store, fingerprint, task, options, model),
        lambda: background.call(
            "workbench.session:complete_options",
            str(store.folder),
            fingerprint,
            task,
            dict(options),
            model,
            None,
            pool="estimate",
        ),
    )


def is_checked(store: Store, fingerprint: str, task: str, options: Mapping[str, Any], model: str) -> bool:
    """Whether `check_task_options` would answer at once."""
    with _lock:
        return _options_key(store, fingerprint, task, options, model) in _answers


def first_batch(
    store: Store,
    fingerprint: str,
    task: str,
    options: Mapping[str, Any],
    labels: Sequence[str],
    model: str,
    max_length: int,
    batch_size: int,
    seed: int,
) -> dict[str, Any]:
    """The first batch of a run as the model sees it."""
    asked = [model, task, dict(options), fingerprint, list(labels), max_length, batch_size, seed]
    key = canonical_json(["batch", str(store.folder), _stamp(model), asked])
    return _remembered(
        key,
        lambda: background.call(
            "workbench.first_batch:first_batch", str(store.folder), *asked, pool="estimate"
        ),
    )


def methods_that_fit(store: Store, model: str, owner: str | None, task: str) -> dict[str, str | None]:
    """Method -> None, or why not."""
    key = _fit_key(store, model, owner, task)
    return _remembered(key, lambda: fitting.methods_that_fit(store.folder, model, task, owner=owner)[0])


def known_fit(store: Store, model: str, owner: str | None, task: str) -> dict[str, str | None] | None:
    """The answer if there is one already: what a card can show without waiting."""
    with _lock:
        return _answers.get(_fit_key(store, model, owner, task))


def fit_as_found(
    store: Store, model: str, owner: str | None, task: str, first: Sequence[str] = ()
) -> Iterator[dict[str, str | None]]:
    """What is known of each method so far, again whenever there is more, until all is known; `first` are asked first.

    One search serves all who wait for the same answer, and goes on when nobody does.
    """
    known = known_fit(store, model, owner, task)
    if known is not None:
        yield known
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
        _remember(key, {name: search.reasons[name] for name in registry.methods()})
    except Exception as error:  # said to everyone who waits for the answer
        search.error = error
    finally:
        with _lock:
            _searches.pop(key, None)
        with search.news:
            search.ended = True
            search.news.notify_all()


def count_choices(
    store: Store, model: str, owner: str | None, choices: Sequence[Choice], task: str, labels: int
) -> list[dict[str, Any]]:
    """What each choice (method, all its options) would train; only those that were not asked before are counted."""
    keys = [_count_key(store, model, owner, choice, task, labels) for choice in choices]
    with _counting:  # whoever comes second finds what the first has counted
        with _lock:
            found = {key: _answers[key] for key in keys if key in _answers}
        missing = {key: choice for key, choice in zip(keys, choices) if key not in found}
        if missing:
            asked = list(missing.values())
            rows = _call("count_choices", str(store.folder), owner, model, asked, task, labels)
            found |= dict(zip(missing, rows))
            for key in missing:
                _remember(key, found[key])
    return [found[key] for key in keys]


def known_count(
    store: Store, model: str, owner: str | None, choice: Choice, task: str, labels: int
) -> dict[str, Any] | None:
    with _lock:
        return _answers.get(_count_key(store, model, owner, choice, task, labels))


def _fit_key(store: Store, model: str, owner: str | None, task: str) -> str:
    return canonical_json(["fit", str(store.folder), model, _stamp(model), owner, task])


def _options_key(store: Store, fingerprint: str, task: str, options: Mapping[str, Any], model: str) -> str:
    return canonical_json(
        ["options", str(store.folder), fingerprint, task, dict(options), model, _stamp(model)]
    )


def _count_key(store: Store, model: str, owner: str | None, choice: Choice, task: str, labels: int) -> str:
    return canonical_json(
        ["count", str(store.folder), model, _stamp(model), owner, list(choice), task, labels]
    )


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
