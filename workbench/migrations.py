"""The store's schema, one step per released version. Old files are carried forward, newer ones are refused."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from workbench.database import StoreError, connect, explained, no_wal, refuse_network_mount, transaction

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE settings (id TEXT PRIMARY KEY, data TEXT NOT NULL, created_at REAL NOT NULL);
    CREATE TABLE runs (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        setting_id TEXT NOT NULL REFERENCES settings(id),
        choice TEXT NOT NULL,
        seed INTEGER NOT NULL,
        state TEXT NOT NULL,
        created_at REAL NOT NULL,
        started_at REAL,
        ended_at REAL,
        attempt INTEGER NOT NULL DEFAULT 0,
        owner TEXT NOT NULL DEFAULT '',
        name TEXT NOT NULL DEFAULT '',
        retry_of TEXT,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        reason_code TEXT,
        reason_message TEXT,
        result TEXT,
        step INTEGER,
        steps INTEGER,
        loss REAL,
        seconds REAL,
        threads INTEGER,
        device TEXT,
        pid INTEGER,
        pid_start TEXT,
        boot_id TEXT,
        changed INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX runs_by_state ON runs(state, position);
    CREATE INDEX runs_by_setting ON runs(setting_id, position);
    CREATE INDEX runs_by_owner ON runs(owner, position);
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        at REAL NOT NULL,
        kind TEXT NOT NULL,
        stage TEXT NOT NULL,
        step INTEGER,
        data TEXT NOT NULL
    );
    CREATE INDEX events_by_run ON events(run_id, seq);
    CREATE TABLE submissions (key TEXT PRIMARY KEY, run_ids TEXT NOT NULL, at REAL NOT NULL);
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
    INSERT INTO counters VALUES ('deleted', 0), ('changes', 0), ('paused', 0);
    """,
    """
    CREATE TABLE studies (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        plan TEXT NOT NULL,
        owner TEXT NOT NULL DEFAULT '',
        created_at REAL NOT NULL
    );
    CREATE TABLE study_runs (
        study_id TEXT NOT NULL, run_id TEXT NOT NULL, hop INTEGER NOT NULL, PRIMARY KEY (study_id, run_id)
    );
    CREATE INDEX study_runs_by_run ON study_runs(run_id);
    CREATE TABLE decided_bases (model TEXT PRIMARY KEY, run_id TEXT NOT NULL);
    """,
)


def migrate(path: Path) -> None:
    """Bring the file at `path` to this version, making it when it is absent; an older one is backed up first."""
    refuse_network_mount(path.parent)
    with explained(path), contextlib.closing(connect(path, timeout=30)) as db:
        version = _version(db, path)
        _use_wal(db, path)
        if 0 < version < len(STEPS):
            _back_up(db, path, version)
        for number, step in enumerate(STEPS[version:], start=version + 1):
            with transaction(db):
                if _version(db, path) >= number:
                    continue  # another process was faster
                for statement in _statements(step):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")


def _version(db: sqlite3.Connection, path: Path) -> int:
    """The file's version; StoreError for a file of a newer workbench or of another program."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(STEPS):
        raise StoreError(
            f"the store {path} was made by a newer workbench: version {version}, this one knows up to {len(STEPS)};"
            " update the workbench, or set WORKBENCH_HOME to another folder",
            "newer",
        )
    if version == 0 and (other := db.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone()):
        raise StoreError(
            f"the file {path} belongs to another program (it has a table {other[0]!r}):"
            " set WORKBENCH_HOME to another folder",
            "corrupt",
        )
    return version


def _use_wal(db: sqlite3.Connection, path: Path) -> None:
    # Two processes that open a new file at once: SQLite does not wait for its busy timeout when the mode changes.
    for pause in (0.02, 0.1, 0.5, 2.0, None):
        try:
            mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or pause is None:
                raise
            time.sleep(pause)
            continue
        if mode != "wal":
            raise no_wal(path.parent, f"journal mode {mode}")
        return


def _back_up(db: sqlite3.Connection, path: Path, version: int) -> None:
    """Copy through SQLite: the bare file lacks what is still in its write-ahead log. A finished copy is kept."""
    copy = path.with_name(f"{path.name}.version-{version}.backup")
    if copy.exists():
        return
    part = copy.with_name(copy.name + ".part")
    with contextlib.closing(sqlite3.connect(part)) as target:
        db.backup(target)
    os.replace(part, copy)


def _statements(script: str) -> Iterator[str]:
    """The statements of a step one by one: `executescript` would commit the transaction that holds them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise ValueError(f"a migration step ends in an incomplete statement: {statement.strip()}")
