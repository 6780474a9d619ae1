"""The store's schema, one step per released version. Old files are carried forward, newer ones are refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

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
    INSERT INTO counters VALUES ('deleted', 0);
    """,
)


def migrate(path: Path) -> None:
    """Bring the file at `path` to this version, making it when it is absent."""
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        for number, step in enumerate(STEPS[version:], start=version + 1):
            db.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
    finally:
        db.close()
