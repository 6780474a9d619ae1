"""Writes whole models: the trained one as plain transformers reads it, and the base that an adapter is put on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from workbench.exporting.opened import Opened, keeps_few_bits
from workbench.models import quiet

BASE = "base"


def write_whole(one: Opened, folder: Path, model: Any = None) -> None:
    """The trained model, folded into plain weights, with its tokenizer."""
    model = one.whole() if model is None else model
    save_plain(model, folder)
    one.tokenizer().save_pretrained(folder)


def save_plain(model: Any, folder: Path) -> None:
    """Safetensors and a config that hold what was decided at loading: labels, pad token, width of the weights."""
    caching = getattr(model.config, "use_cache", None)
    if caching is not None:
        model.config.use_cache = True  # off while training; answers want it
    try:
        with quiet():
            model.save_pretrained(folder, safe_serialization=True)
    finally:
        if caching is not None:
            model.config.use_cache = caching


def brings_base(one: Opened) -> bool:
    """Whether the export must hold the base itself: one that is not on the Hub, or not as it is there."""
    return one.source.kind != "hub" or keeps_few_bits(one)


def write_base(one: Opened, folder: Path) -> None:
    """The base for an adapter, with the labels and the pad token that this result was trained with."""
    if one.source.kind in ("embedded", "folder") and not keeps_few_bits(one):
        model = one.base()
        folder.mkdir(parents=True, exist_ok=True)
        for path in Path(one.source.path_or_id).glob("*.safetensors*"):
            shutil.copyfile(path, folder / path.name)
        _save_config(model, folder)
    else:
        save_plain(one.base_as_kept(), folder)
    one.tokenizer().save_pretrained(folder)


def _save_config(model: Any, folder: Path) -> None:
    caching = getattr(model.config, "use_cache", None)
    if caching is not None:
        model.config.use_cache = True
    model.config.save_pretrained(folder)
    if caching is not None:
        model.config.use_cache = caching
