"""Keeps runs on disk: one SQLite file for records and events, one folder per run for files.

WAL, BEGIN IMMEDIATE for every write, synchronous=FULL for state changes and NORMAL for progress. One connection
per thread and process, never carried over a fork. Names given by people are data, never paths.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.migrations import migrate
from workbench.result import ACTIVE_STATES, FINAL_STATES, Event, Reason, Result, Run
from workbench.spec import RunSpec, Setting, canonical_json

EDGES: Mapping[str, tuple[str, ...]] = {
    "starting": ("queued",),
    "running": ("starting",),
    "finished": ("starting", "running"),
    "failed": ("queued", "starting", "running", "lost"),
    "cancelled": ("queued", "starting", "running"),
    "lost": ("starting", "running"),
    "queued": ("lost", "failed", "cancelled", "starting", "running"),
}


class StoreError(RuntimeError):
    """The store can't be used as it is: one sentence that says why and what to do."""


class Store:
    """All runs in one folder. Safe for many threads and processes on one machine."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.path = self.folder / "workbench.sqlite"
        self._local = threading.local()
        try:
            (self.folder / "runs").mkdir(parents=True, exist_ok=True)
            (self.folder / "data").mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"the store folder {self.folder} can't be made: {error.strerror}") from None
        migrate(self.path)

    # -- writing runs --------------------------------------------------------------------------------------------

    def add(
        self,
        specs: Sequence[RunSpec],
        *,
        owner: str = "",
        key: str | None = None,
        name: str = "",
        retry_of: str | None = None,
    ) -> list[str]:
        """Queue runs; returns their ids. The same `key` twice (a double click) returns the first call's ids."""
        with self._write(full=True) as db:
            if key is not None:
                before = db.execute("SELECT run_ids FROM submissions WHERE key = ?", (key,)).fetchone()
                if before:
                    return list(json.loads(before[0]))
            ids = []
            for spec in specs:
                ids.append(_insert_run(db, spec, owner, name, retry_of))
            if key is not None:
                db.execute("INSERT INTO submissions VALUES (?, ?, ?)", (key, json.dumps(ids), time.time()))
        return ids

    def claim(self) -> Run | None:
        """Take the next queued run: it becomes starting and its attempt grows. None when nothing waits."""
        with self._write(full=True) as db:
            row = db.execute(
                "SELECT id FROM runs WHERE state = 'queued' ORDER BY position LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE runs SET state = 'starting', attempt = attempt + 1, started_at = ?, pid = NULL,"
                " changed = changed + 1 WHERE id = ?",
                (time.time(), row[0]),
            )
        return self.run(row[0])

    def change_state(
        self, run_id: str, to: str, *, reason: Reason | None = None, result: Result | None = None
    ) -> bool:
        """Compare and set: False when the run is not in a state that leads to `to`. Final results are never replaced."""
        marks = ", ".join("?" for _ in EDGES[to])
        values: dict[str, Any] = {"state": to}
        if to in FINAL_STATES:
            values["ended_at"] = time.time()
        if to in FINAL_STATES or to == "queued":
            values |= {"pid": None, "pid_start": None, "boot_id": None}
        if to == "queued":
            values |= {"ended_at": None, "reason_code": None, "reason_message": None, "cancel_requested": 0}
        if reason is not None:
            values |= {"reason_code": reason.code, "reason_message": reason.message}
        if result is not None:
            values["result"] = _dump(result.to_dict())
        sets = ", ".join(f"{name} = ?" for name in values)
        with self._write(full=True) as db:
            cursor = db.execute(
                f"UPDATE runs SET {sets}, changed = changed + 1 WHERE id = ? AND state IN ({marks})",
                (*values.values(), run_id, *EDGES[to]),
            )
            return cursor.rowcount == 1

    def set_identity(self, run_id: str, identity: tuple[int, str, str], threads: int, device: str) -> None:
        """Say which process works on a run: pid alone could be reused, so start time and boot id go with it."""
        with self._write(full=True) as db:
            db.execute(
                "UPDATE runs SET pid = ?, pid_start = ?, boot_id = ?, threads = ?, device = ?, changed = changed + 1"
                " WHERE id = ?",
                (*identity, threads, device, run_id),
            )

    def request_cancel(self, run_id: str) -> bool:
        """Ask for a run to stop; a queued one is cancelled at once. False when it had ended before."""
        with self._write(full=True) as db:
            row = db.execute("SELECT state FROM runs WHERE id = ?", (run_id,)).fetchone()
            if row is None or row[0] not in ACTIVE_STATES:
                return False
            if row[0] == "queued":
                db.execute(
                    "UPDATE runs SET state = 'cancelled', ended_at = ?, cancel_requested = 1, changed = changed + 1,"
                    " reason_code = 'cancelled', reason_message = 'Cancelled before it started.' WHERE id = ?",
                    (time.time(), run_id),
                )
            else:
                db.execute(
                    "UPDATE runs SET cancel_requested = 1, changed = changed + 1 WHERE id = ?", (run_id,)
                )
            return True

    def delete(self, run_id: str) -> bool:
        """Remove an ended run with its events and files. ValueError while it is active."""
        with self._write(full=True) as db:
            row = db.execute("SELECT state FROM runs WHERE id = ?", (run_id,)).fetchone()
            if row is None:
                return False
            if row[0] in ACTIVE_STATES:
                raise ValueError(f"run {run_id} is {row[0]}: cancel it first, then delete it")
            db.execute("DELETE FROM events WHERE run_id = ?", (run_id,))
            db.execute("DELETE FROM runs WHERE id = ?", (run_id,))
            db.execute("UPDATE counters SET value = value + 1 WHERE name = 'deleted'")
        shutil.rmtree(self.run_folder(run_id), ignore_errors=True)
        return True

    # -- events --------------------------------------------------------------------------------------------------

    def add_event(self, run_id: str, kind: str, values: Mapping[str, Any], stage: str = "train") -> None:
        """Append one event and, for steps, move the run's progress along."""
        with self._write(full=False) as db:
            attempt = db.execute("SELECT attempt FROM runs WHERE id = ?", (run_id,)).fetchone()
            if attempt is None:
                return
            db.execute(
                "INSERT INTO events (run_id, attempt, at, kind, stage, step, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (run_id, attempt[0], time.time(), kind, stage, values.get("step"), _dump(values)),
            )
            progress = {
                k: values.get(k) for k in ("step", "steps", "loss", "seconds") if values.get(k) is not None
            }
            if kind in ("started", "step") and progress:
                sets = ", ".join(f"{name} = ?" for name in progress)
                db.execute(
                    f"UPDATE runs SET {sets}, changed = changed + 1 WHERE id = ?",
                    (*[_finite(v) for v in progress.values()], run_id),
                )

    def events(
        self, run_id: str, *, kinds: Sequence[str] | None = None, after: int = 0, limit: int = 100_000
    ) -> list[Event]:
        """Events of a run in order. A resumed run's later attempt replaces the same steps of earlier ones."""
        where, values = "run_id = ? AND seq > ?", [run_id, after]
        if kinds:
            where += f" AND kind IN ({', '.join('?' for _ in kinds)})"
            values += list(kinds)
        rows = self._db.execute(
            f"SELECT seq, at, kind, stage, data, attempt, step FROM events WHERE {where} ORDER BY seq LIMIT ?",
            (*values, limit),
        ).fetchall()
        redone = {(r[2], r[3], r[6]): r[5] for r in rows if r[6] is not None}
        kept = [r for r in rows if r[6] is None or redone[(r[2], r[3], r[6])] == r[5]]
        return [Event(r[0], r[1], r[2], r[3], _load(r[4])) for r in kept]

    # -- reading -------------------------------------------------------------------------------------------------

    def run(self, run_id: str) -> Run:
        """One run by id, or by an unambiguous beginning of it. KeyError when there is none."""
        if not run_id or len(run_id) > 40 or not run_id.isalnum():
            raise KeyError(run_id)
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM runs JOIN settings ON settings.id = runs.setting_id"
            " WHERE runs.id >= ? AND runs.id < ? LIMIT 2",
            (run_id, run_id + "\uffff"),
        ).fetchall()
        if len(rows) != 1:
            raise KeyError(run_id)
        return _run(rows[0])

    def runs(
        self,
        *,
        setting_id: str | None = None,
        states: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
        owner: str | None = None,
        limit: int = 10_000,
    ) -> list[Run]:
        """Runs in the order in which they were queued."""
        where, values = ["1"], []
        for column, wanted in (("setting_id", setting_id), ("owner", owner)):
            if wanted is not None:
                where.append(f"runs.{column} = ?")
                values.append(wanted)
        for column, many in (("state", states), ("id", ids)):
            if many is not None:
                where.append(f"runs.{column} IN ({', '.join('?' for _ in many)})")
                values += list(many)
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM runs JOIN settings ON settings.id = runs.setting_id"
            f" WHERE {' AND '.join(where)} ORDER BY runs.position LIMIT ?",
            (*values, limit),
        ).fetchall()
        return [_run(row) for row in rows]

    def settings(self, owner: str | None = None) -> list[tuple[Setting, int]]:
        """Settings that have runs, newest run first, each with its number of runs."""
        where, values = ("WHERE runs.owner = ?", [owner]) if owner is not None else ("", [])
        rows = self._db.execute(
            "SELECT settings.data, COUNT(*) FROM runs JOIN settings ON settings.id = runs.setting_id"
            f" {where} GROUP BY settings.id ORDER BY MAX(runs.position) DESC",
            values,
        ).fetchall()
        return [(Setting.from_dict(json.loads(row[0])), row[1]) for row in rows]

    def setting(self, setting_id: str) -> Setting:
        """A setting by id or by an unambiguous beginning of it. KeyError when there is none."""
        if not setting_id.isalnum():
            raise KeyError(setting_id)
        rows = self._db.execute(
            "SELECT data FROM settings WHERE id >= ? AND id < ? LIMIT 2", (setting_id, setting_id + "\uffff")
        ).fetchall()
        if len(rows) != 1:
            raise KeyError(setting_id)
        return Setting.from_dict(json.loads(rows[0][0]))

    def version(self) -> tuple[int, int, int]:
        """Changes when any run or event changes: a poll that sees the same value has nothing to draw."""
        row = self._db.execute(
            "SELECT COALESCE(SUM(changed), 0), COUNT(*), (SELECT value FROM counters WHERE name = 'deleted') FROM runs"
        ).fetchone()
        return tuple(row)

    def run_folder(self, run_id: str) -> Path:
        """Where a run's files are. Ids are random hex, so no name given by a person becomes a path."""
        if not run_id.isalnum():
            raise KeyError(run_id)
        return self.folder / "runs" / run_id

    def data_folder(self, fingerprint: str) -> Path:
        """Where prepared rows with that fingerprint are kept, so that a run can be repeated."""
        if not fingerprint.isalnum():
            raise KeyError(fingerprint)
        return self.folder / "data" / fingerprint

    # -- connections ---------------------------------------------------------------------------------------------

    @property
    def _db(self) -> sqlite3.Connection:
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.db = _connect(self.path)
            self._local.pid = os.getpid()
        return self._local.db

    @contextlib.contextmanager
    def _write(self, full: bool) -> Iterator[sqlite3.Connection]:
        db = self._db
        db.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA journal_size_limit = 67108864")
    return db


def _insert_run(db: sqlite3.Connection, spec: RunSpec, owner: str, name: str, retry_of: str | None) -> str:
    setting = spec.setting
    db.execute(
        "INSERT OR IGNORE INTO settings (id, data, created_at) VALUES (?, ?, ?)",
        (setting.id, canonical_json(setting.to_dict()), time.time()),
    )
    run_id = secrets.token_hex(8)
    db.execute(
        "INSERT INTO runs (id, setting_id, choice, seed, state, created_at, owner, name, retry_of)"
        " VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?)",
        (
            run_id,
            setting.id,
            canonical_json(asdict(spec.choice)),
            spec.seed,
            time.time(),
            owner,
            name[:120],
            retry_of,
        ),
    )
    return run_id


_COLUMNS = (
    "runs.id, settings.data, choice, seed, state, runs.created_at, started_at, ended_at, attempt, owner, name, retry_of,"
    " cancel_requested, reason_code, reason_message, result, step, steps, loss, seconds, threads, device,"
    " pid, pid_start, boot_id"
)


def _run(row: Sequence[Any]) -> Run:
    spec = RunSpec.from_dict({"setting": json.loads(row[1]), "choice": json.loads(row[2]), "seed": row[3]})
    return Run(
        id=row[0],
        spec=spec,
        state=row[4],
        created_at=row[5],
        started_at=row[6],
        ended_at=row[7],
        attempt=row[8],
        owner=row[9],
        name=row[10],
        retry_of=row[11],
        cancel_requested=bool(row[12]),
        reason=Reason(row[13], row[14] or "") if row[13] else None,
        result=Result.from_dict(_load(row[15])) if row[15] else None,
        step=row[16] or 0,
        steps=row[17],
        loss=row[18],
        seconds=row[19],
        threads=row[20],
        device=row[21],
        identity=(row[22], row[23], row[24]) if row[22] is not None else None,
    )


def _finite(value: Any) -> Any:
    return (
        None
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf")))
        else value
    )


def _dump(value: Any) -> str:
    """JSON that keeps NaN and infinities as JavaScript words: a diverged run's last loss is a fact worth keeping."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _load(text: str) -> Any:
    return json.loads(text)
