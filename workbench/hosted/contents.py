"""Everything that lies in a store's folder: what a snapshot holds, and what it leaves out because it is made anew.

A file that any code keeps there has its name here: a test reads the source for names that are missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from workbench.hosted.accounts import FILE as ACCOUNTS
from workbench.hosted.limits import FILE as SETTINGS
from workbench.hosted.owners import SECRET

DATABASE = "workbench.sqlite"
LEARNERS = "learners.sqlite"
DATABASES = (DATABASE, LEARNERS)
"""Copied through SQLite: the bare file lacks what is still in its write-ahead log."""
FILES = (SECRET, SETTINGS, ACCOUNTS)
FOLDERS: Mapping[str, str] = {
    "runs": "files of runs",
    "data": "prepared rows, so that a run can be repeated",
    "uploads": "visitors' own files",
    "feedback": "ratings of pairs of answers",
    "votes": "blind votes on answers",
    "prompt_sets": "answers to files of prompts",
    "shared": "comparisons that visitors share",
}
LEFT_OUT: Mapping[str, str] = {
    "cache": "answers that are computed again, and the pace of this machine",
    "lease": "locks of the processes at work",
    "runner.lock": "the lock of the process that owns the queue",
}


def is_kept(name: str) -> bool:
    """Whether a snapshot holds this name of a store's folder. KeyError for a name that has no place there."""
    if name in (*DATABASES, *FILES, *FOLDERS):
        return True
    # Beside a database its log and older copies of it; with a dot what is being written at this moment.
    beside = any(name.startswith((f"{one}-", f"{one}.version-")) for one in DATABASES)
    if name in LEFT_OUT or beside or name.startswith("."):
        return False
    raise KeyError(name)


def plain_files(folder: Path, without_runs: Collection[str] = ()) -> Iterator[tuple[str, Path]]:
    """Name and path of everything that is copied as it is; links are nobody's."""
    for name in FILES:
        if (folder / name).is_file():
            yield name, folder / name
    for name in FOLDERS:
        for place, below, files in os.walk(folder / name):
            skipped = without_runs if Path(place) == folder / "runs" else ()
            below[:] = sorted(one for one in below if one not in skipped)
            for one in sorted(files):
                path = Path(place) / one
                if not path.is_symlink():
                    yield path.relative_to(folder).as_posix(), path


def state(folder: Path) -> str:
    """Another text whenever something was kept that the runs' own records don't tell: a vote, an answer, a file."""
    said = hashlib.sha256()
    for name in FILES:
        said.update(_stamp(folder / name))
    for name in FOLDERS:
        if name in ("runs", "data"):
            continue
        for place, _, files in os.walk(folder / name):
            for one in sorted(files):
                said.update(_stamp(Path(place) / one))
    learners = folder / LEARNERS
    if learners.is_file():
        # By what is in it: the file's own time changes whenever the last reader closes it.
        with contextlib.closing(sqlite3.connect(learners)) as db:
            for line in db.iterdump():
                said.update(line.encode())
    return said.hexdigest()


def _stamp(path: Path) -> bytes:
    try:
        found = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return b""
    return f"{path}\0{found.st_mtime_ns}\0{found.st_size}\n".encode()
