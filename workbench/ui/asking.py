"""Questions that a background process answers for the page, with the answers remembered as long as they hold."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from workbench import background
from workbench.spec import canonical_json
from workbench.store import Store
from workbench.ui.asking_fit import fit_as_found as fit_as_found
from workbench.ui.asking_fit import known_fit as known_fit
from workbench.ui.asking_fit import methods_that_fit as methods_that_fit
from workbench.ui.plan import DATA_FACTS
from workbench.ui.remembered import forget as forget
from workbench.ui.remembered import is_known, known, remember, remembered, stamp
from workbench.uploads import PREFIX, located

Choice = tuple[str, Mapping[str, Any]]
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
    return remembered(
        key,
        lambda: _call("look_at_data", str(store.folder), arguments, upload, model, max_length, uploads),
        anew=anew,
        worth=lambda look: look["spec"] is not None,
        holds=lambda look: _is_kept(store, look),
    )


def _is_kept(store: Store, look: Mapping[str, Any]) -> bool:
    """Whether the prepared rows still lie in the store: a clean-up takes those that no run uses."""
    return store.data_folder(look["spec"]["fingerprint"]).is_dir()


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
    look = known(key)
    return look is not None and _is_kept(store, look)


def _data_question(
    store: Store, data: Mapping[str, Any], model: str, max_length: int, owner: str | None
) -> tuple[str, dict[str, Any], str | None]:
    """The question's key, the arguments of data.prepare, and where an uploaded file lies."""
    source = str(data["source"])
    path = located(store, source, owner)
    upload = path if source.startswith(PREFIX) else None
    arguments = {k: v for k, v in data.items() if k not in DATA_FACTS}
    stamps = [stamp(p) for p in (path, *(data.get("parts") or {}).values())]
    key = canonical_json(["data", str(store.folder), arguments, upload, stamps, model, max_length])
    return key, arguments, upload


def find_rows(store: Store, fingerprint: str, words: str, model: str) -> dict[str, Any]:
    key = canonical_json(["rows", str(store.folder), fingerprint, words, model])
    return remembered(key, lambda: _call("find_rows", str(store.folder), fingerprint, words, model))


def look_at_model(
    store: Store, ref: str, owner: str | None, task: str, *, anew: bool = False
) -> dict[str, Any]:
    key = canonical_json(["model", str(store.folder), ref, stamp(ref), owner, task])
    return remembered(key, lambda: _call("look_at_model", ref, str(store.folder), owner, task), anew=anew)


def known_model(store: Store, ref: str, owner: str | None, task: str) -> dict[str, Any] | None:
    """A model's facts if they were asked before."""
    found: dict[str, Any] | None = known(
        canonical_json(["model", str(store.folder), ref, stamp(ref), owner, task])
    )
    return found


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
    return remembered(
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
    return is_known(_options_key(store, fingerprint, task, options, model))


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
    key = canonical_json(["batch", str(store.folder), stamp(model), asked])
    return remembered(
        key,
        lambda: background.call(
            "workbench.first_batch:first_batch", str(store.folder), *asked, pool="estimate"
        ),
    )


def count_choices(
    store: Store, model: str, owner: str | None, choices: Sequence[Choice], task: str, labels: int
) -> list[dict[str, Any]]:
    """What each choice (method, all its options) would train; only those that were not asked before are counted."""
    keys = [_count_key(store, model, owner, choice, task, labels) for choice in choices]
    with _counting:  # whoever comes second finds what the first has counted
        found = {key: answer for key in keys if (answer := known(key)) is not None}
        missing = {key: choice for key, choice in zip(keys, choices) if key not in found}
        if missing:
            asked = list(missing.values())
            rows = _call("count_choices", str(store.folder), owner, model, asked, task, labels)
            found |= dict(zip(missing, rows))
            for key in missing:
                remember(key, found[key])
    return [found[key] for key in keys]


def known_count(
    store: Store, model: str, owner: str | None, choice: Choice, task: str, labels: int
) -> dict[str, Any] | None:
    found: dict[str, Any] | None = known(_count_key(store, model, owner, choice, task, labels))
    return found


def _options_key(store: Store, fingerprint: str, task: str, options: Mapping[str, Any], model: str) -> str:
    return canonical_json(
        ["options", str(store.folder), fingerprint, task, dict(options), model, stamp(model)]
    )


def _count_key(store: Store, model: str, owner: str | None, choice: Choice, task: str, labels: int) -> str:
    return canonical_json(
        ["count", str(store.folder), model, stamp(model), owner, list(choice), task, labels]
    )


def _call(function: str, *arguments: Any) -> Any:
    return background.call(f"workbench.preview:{function}", *arguments, pool="estimate")
