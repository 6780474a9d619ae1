"""The store's folder and its connections: one per thread and process, never carried over a fork."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from workbench.database import StoreError, connect, explained, transaction
from workbench.migrations import migrate
from workbench.records import is_id


class Connected:
    """The folder, the file in it, and how both are opened."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.path = self.folder / "workbench.sqlite"
        self._local = threading.local()
        self._inherited: list[sqlite3.Connection] = []
        try:
            (self.folder / "runs").mkdir(parents=True, exist_ok=True)
            (self.folder / "data").mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the store folder {self.folder} can't be made: {error.strerror or error}", "folder"
            ) from None
        migrate(self.path)

    def run_folder(self, run_id: str) -> Path:
        """Where a run's files are. Ids are random hex, so no name given by a person becomes a path."""
        if not is_id(run_id):
            raise KeyError(run_id)
        return self.folder / "runs" / run_id

    def data_folder(self, fingerprint: str) -> Path:
        """Where prepared rows with that fingerprint are kept, so that a run can be repeated."""
        if not (fingerprint.isascii() and fingerprint.isalnum()):
            raise KeyError(fingerprint)
        return self.folder / "data" / fingerprint

    @property
    def _db(self) -> sqlite3.Connection:
        if getattr(self._local, "pid", None) != os.getpid():
            if getattr(self._local, "db", None) is not None:
                # Made before a fork: even closing it here could release its parent's locks.
                self._inherited.append(self._local.db)
            self._local.db = connect(self.path)
            self._local.pid = os.getpid()
        return self._local.db

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with explained(self.path):
            return self._db.execute(sql, values).fetchall()

    def _one(self, sql: str, values: Sequence[Any] = ()) -> Any:
        with explained(self.path):
            return self._db.execute(sql, values).fetchone()

    @contextlib.contextmanager
    def _write(self, full: bool) -> Iterator[sqlite3.Connection]:
        with explained(self.path):
            db = self._db
            db.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            with transaction(db):
                yield db
                db.execute(
                    "INSERT INTO counters VALUES ('changes', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
                )
