"""A model's config read without any library: how wide and how large it is, known before its weights are."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import bases
from workbench.home import shipped

if TYPE_CHECKING:
    from workbench.store import Store


WIDTH = ("hidden_size", "n_embd", "dim", "d_model")
"""What architectures call the width of the hidden states."""


def config_of(model: str, store: Store | None = None, *, ask_hub: bool = False) -> Mapping[str, Any] | None:
    """An embedded model's, a folder's, one that is shipped, one in the Hub's cache, or that of an earlier run's base.

    None where there is none to read. With `ask_hub` a Hub model's is fetched: a few hundred bytes that its run needs anyway.
    """
    if runs := bases.named(model):
        if store is None:
            return None
        try:
            return config_of(store.run(runs[0]).spec.setting.model, store, ask_hub=ask_hub)
        except KeyError:
            return None
    path = _path(model, ask_hub)
    if path is None:
        return None
    with contextlib.suppress(OSError, ValueError):
        config = json.loads(path.read_text(encoding="utf-8"))
        return config if isinstance(config, dict) else None
    return None


def width_of(config: Mapping[str, Any] | None) -> int | None:
    """The width of the hidden states; None where the config does not say."""
    if config is None:
        return None
    inner = config.get("text_config")
    found = first(config, *WIDTH)
    if found is None and isinstance(inner, Mapping):
        return width_of(inner)
    return found if isinstance(found, int) else None


def first(config: Mapping[str, Any], *names: str) -> Any:
    """The first of these fields that says something: architectures name the same thing differently."""
    return next((config[name] for name in names if config.get(name)), None)


def _path(model: str, ask_hub: bool) -> Path | None:
    if model.startswith("embedded:"):
        return _there(shipped("assets") / "models" / model.removeprefix("embedded:") / "config.json")
    if Path(model).is_dir():
        return _there(Path(model) / "config.json")
    if Path(model).is_absolute():
        return None
    known = shipped("assets") / "architectures" / f"{model.rpartition('/')[2]}.json"
    return _there(known) or _cached(model) or (_fetched(model) if ask_hub else None)


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _cached(model: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(model, "config.json")
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _fetched(model: str) -> Path | None:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(model, "config.json", etag_timeout=5))
    except Exception:  # offline, gated, misspelt: the run itself says which
        return None
