"""Files that readers gave to the page, kept in the store: a random folder each, the name cleaned, a few per owner."""

from __future__ import annotations

import re
import secrets
import shutil
import unicodedata
from pathlib import Path

from workbench.home import is_hosted
from workbench.hosted import STRANGER, load_limits, room
from workbench.hosted.limits import MEGABYTE
from workbench.store import Store

KEPT = 10
PREFIX = "upload:"
_REFERENCE = re.compile(r"upload:([0-9a-f]{16})/([^/\\\0]+)")


def keep_upload(store: Store, path: Path, name: str, owner: str | None) -> str:
    """Copy a file into the store and return its reference, `upload:ID/NAME`; the oldest beyond the last few go."""
    folder = _folder(store, owner)
    if is_hosted():
        _check_room(store, owner or "", path.stat().st_size)
    upload_id = secrets.token_hex(8)
    place = folder / upload_id
    place.mkdir(parents=True)
    shutil.copyfile(path, place / clean_file_name(name), follow_symlinks=False)
    everything = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime)
    for old in everything[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    room.forget()
    return f"{PREFIX}{upload_id}/{clean_file_name(name)}"


def kept_uploads(store: Store, owner: str | None) -> list[tuple[str, str]]:
    """(name, reference) of the files kept for this visitor, the newest first."""
    folder = _folder(store, owner)
    places = sorted(folder.iterdir(), key=lambda one: -one.stat().st_mtime) if folder.is_dir() else []
    files = [file for place in places if place.is_dir() for file in sorted(place.iterdir()) if file.is_file()]
    return [(file.name, f"{PREFIX}{file.parent.name}/{file.name}") for file in files]


def located(store: Store, source: str, owner: str | None) -> str:
    """The path behind a reference to one's own upload; every other source is returned as it is."""
    if not source.startswith(PREFIX):
        return source
    match = _REFERENCE.fullmatch(source)
    path = _folder(store, owner) / match[1] / clean_file_name(match[2]) if match else None
    if path is None or path.is_symlink() or not path.is_file():
        raise ValueError(
            f"The uploaded file {shown_source(source)!r:.120} is no longer kept here: upload it again."
        )
    return str(path)


def shown_source(source: str) -> str:
    """An upload by its file name, everything else as it is."""
    match = _REFERENCE.fullmatch(source)
    return match[2] if match else source


def clean_file_name(name: str) -> str:
    """Letters, digits, `.`, `-` and `_` of the last part of a name, in any script; at most 80 characters."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    clean = re.sub(r"[^\w.-]+", "_", last).strip("._ ") or "upload"
    stem, dot, ending = clean.partition(".") if clean.count(".") < 3 else clean.rpartition(".")
    return f"{stem[: 80 - len(dot) - len(ending[-16:])]}{dot}{ending[-16:]}"


def _check_room(store: Store, owner: str, size: int) -> None:
    """ValueError where a visitor of a hosted page may not keep so much."""
    limits = load_limits()
    if owner == STRANGER:
        raise ValueError("This page knows its visitors by a cookie: allow cookies for it and reload.")
    if size > limits.upload_megabytes * MEGABYTE:
        raise ValueError(
            f"This shared page takes files of at most {limits.upload_megabytes} MB: give a part of yours."
        )
    room.check(store, owner, limits, more=size)


def _folder(store: Store, owner: str | None) -> Path:
    """An owner is hex from a signed cookie; on one's own machine there is one folder."""
    if owner is not None and not (owner.isascii() and owner.isalnum()):
        raise ValueError("This visitor has no folder here.")
    return store.folder / "uploads" / (owner or "own")
