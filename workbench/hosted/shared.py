"""Reports that visitors of a hosted page let others read: one HTML file each, found by a token that nobody can guess.

They lie in the store as shared/OWNER/TOKEN; only their owner, and who runs the server, can list them or stop them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.hosted import room
from workbench.hosted.limits import MEGABYTE, Limits
from workbench.hosted.owners import STRANGER

if TYPE_CHECKING:
    from workbench.store import Store

FOLDER, PAGE, ABOUT = "shared", "report.html", "about.json"
TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
DAY = 24 * 3600.0
# The page is one process: nobody else shares beside it.
_lock = threading.Lock()


@dataclass(frozen=True)
class Shared:
    """One report that has a link."""

    token: str
    owner: str
    title: str
    made_at: float
    bytes: int

    def ends_at(self, limits: Limits) -> float:
        return self.made_at + limits.shared_days * DAY


def share(store: Store, owner: str, html: str, title: str, limits: Limits) -> Shared:
    """Keep a report under a new token; the same report keeps the one that it has. ValueError beyond a limit."""
    if owner == STRANGER:
        raise ValueError("This page knows its visitors by a cookie: allow cookies for it and reload.")
    content = html.encode()
    if len(content) > limits.shared_megabytes * MEGABYTE:
        raise ValueError(
            f"This report takes {len(content) / MEGABYTE:,.1f} MB, and this page shares reports of at most"
            f" {limits.shared_megabytes:,} MB: download it and hand on the file instead."
        )
    with _lock:
        there = shared(store, limits, owner)
        for one in there:
            if one.bytes == len(content) and read(store, one.token, limits) == content:
                return one
        if len(there) >= limits.shared_reports:
            raise ValueError(
                f"{len(there):,} comparisons of yours are shared already, and this page keeps"
                f" {limits.shared_reports:,} for a visitor: stop sharing one of them first."
            )
        room.check(store, owner, limits, more=len(content))
        made = Shared(_new_token(), owner, title, time.time(), len(content))
        _write(_folder(store, owner), made, content)
    room.forget()
    return made


def shared(store: Store, limits: Limits, owner: str | None = None) -> list[Shared]:
    """Those of one visitor, or of everybody, the newest first; not those whose time is over."""
    places = _folder(store, owner).glob("*") if owner is not None else (store.folder / FOLDER).glob("*/*")
    found = [one for place in places if (one := _about(place)) and time.time() < one.ends_at(limits)]
    return sorted(found, key=lambda one: -one.made_at)


def read(store: Store, token: str, limits: Limits) -> bytes | None:
    """The report behind a token; None for everything else. The token is looked at before any path is made of it."""
    for place in _places(store, token):
        one = _about(place)
        if one is not None and time.time() < one.ends_at(limits):
            with contextlib.suppress(FileNotFoundError):  # stopped this very moment
                return (place / PAGE).read_bytes()
    return None


def stop(store: Store, token: str, owner: str | None = None) -> bool:
    """Take the link back at once; with `owner` only that visitor's own. False where there is none."""
    gone = [place for place in _places(store, token) if owner is None or place.parent.name == owner]
    for place in gone:
        (place / PAGE).unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
    room.forget()
    return bool(gone)


def expired(store: Store, limits: Limits, now: float) -> list[Path]:
    """Folders whose time is over, and what somebody who was interrupted left an hour ago."""
    found = []
    for place in (store.folder / FOLDER).glob("*/*"):
        one = _about(place)
        with contextlib.suppress(FileNotFoundError):
            if one.ends_at(limits) <= now if one else place.stat().st_mtime < now - 3600:
                found.append(place)
    return found


def _new_token() -> str:
    """One that no command line takes for an option."""
    while (token := secrets.token_urlsafe(16)).startswith("-"):
        pass
    return token


def _places(store: Store, token: str) -> Iterator[Path]:
    if TOKEN.fullmatch(token):
        for owner in (store.folder / FOLDER).glob("*"):
            if (owner / token).is_dir():
                yield owner / token


def _write(folder: Path, made: Shared, content: bytes) -> None:
    """All at once: a place without its whole report is never seen under a token."""
    part = folder / f".{made.token}"
    part.mkdir(parents=True)
    (part / PAGE).write_bytes(content)
    values = {name: value for name, value in asdict(made).items() if name not in ("token", "owner")}
    (part / ABOUT).write_text(json.dumps(values), encoding="utf-8")
    os.replace(part, folder / made.token)


def _about(place: Path) -> Shared | None:
    """What is known of one; None for what is none."""
    if not TOKEN.fullmatch(place.name):
        return None
    try:
        values = json.loads((place / ABOUT).read_text(encoding="utf-8"))
        title, made_at, size = str(values["title"]), float(values["made_at"]), int(values["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Shared(place.name, place.parent.name, title, made_at, size)


def _folder(store: Store, owner: str) -> Path:
    """An owner is hex from a signed cookie."""
    if not (owner.isascii() and owner.isalnum()):
        raise ValueError("This visitor has no folder here.")
    return store.folder / FOLDER / owner
