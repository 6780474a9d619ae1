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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench import study_records
from workbench.database import StoreError as StoreError
from workbench.database import connect, explained, transaction
from workbench.migrations import migrate
from workbench.records import COLUMNS, clean_name, dump, finite, is_id, run_from
from workbench.result import ACTIVE_STATES, FINAL_STATES, Event, Reason, Result, Run
from workbench.spec import RunSpec, Setting, canonical_json
from workbench.study_records import NewStudy, StudyRecord

EDGES: Mapping[str, tuple[str, ...]] = {
    "starting": ("queued",),
    "running": ("starting",),
    "finished": ("starting", "running"),
    "failed": ("queued", "starting", "running", "lost"),
    "cancelled": ("queued", "starting", "running"),
    "lost": ("starting", "running"),
    "queued": ("lost", "failed", "cancelled", "starting", "running"),
}


# What a person may ask to go on with: it keeps its id and its newest complete checkpoint.
RESUMABLE_STATES = ("failed", "cancelled", "lost")


@dataclass(frozen=True)
class Pulse:
    """The few facts about a run that its processes look at several times a second."""

    state: str
    attempt: int
    cancel_requested: bool
    changed: int


class Store:
    """All runs in one folder. Safe for many threads and processes on one machine."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.path = self.folder / "workbench.sqlite"
        self._local = threading.local()
        self._inherited: list[sqlite3.Connection] = []
        self._settings: dict[str, Setting] = {}
        try:
            (self.folder / "runs").mkdir(parents=True, exist_ok=True)
            (self.folder / "data").mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the store folder {self.folder} can't be made: {error.strerror or error}", "folder"
            ) from None
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
        ids: Sequence[str] | None = None,
        study: NewStudy | None = None,
    ) -> list[str]:
        """Queue runs; returns their ids. The same `key` twice (a double click) returns the first call's ids.

        `ids` (of `new_id`) are for runs that name each other, `study` is kept with its runs or not at all.
        """
        name = clean_name(name)
        with self._write(full=True) as db:
            if key is not None:
                before = db.execute("SELECT run_ids FROM submissions WHERE key = ?", (key,)).fetchone()
                if before:
                    return list(json.loads(before[0]))
            distinct = {id(spec.setting): spec.setting for spec in specs}
            settings = {number: _insert_setting(db, setting) for number, setting in distinct.items()}
            ids = list(ids) if ids is not None else [new_id() for _ in specs]
            for run_id, spec in zip(ids, specs, strict=True):
                _insert_run(db, run_id, spec, settings[id(spec.setting)], owner, name, retry_of)
            if study is not None:
                study_records.insert(db, study, ids, owner)
            if key is not None:
                db.execute("INSERT INTO submissions VALUES (?, ?, ?)", (key, json.dumps(ids), time.time()))
        return ids

    def claim(self, run_id: str | None = None) -> Run | None:
        """Take the next queued run, or that one: it becomes starting and its attempt grows. None when there is none."""
        wanted, values = ("AND id = ?", (run_id,)) if run_id is not None else ("", ())
        with self._write(full=True) as db:
            row = db.execute(
                f"SELECT id FROM runs WHERE state = 'queued' {wanted} ORDER BY position LIMIT 1", values
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE runs SET state = 'starting', attempt = attempt + 1, started_at = ?, pid = NULL,"
                " changed = changed + 1 WHERE id = ?",
                (time.time(), row[0]),
            )
        return self.run(row[0])

    def adopt(
        self, run_id: str, attempt: int, identity: tuple[int, str, str], threads: int, device: str
    ) -> bool:
        """A worker takes a claimed run. False when the run has gone on without it: cancelled, or claimed anew."""
        with self._write(full=True) as db:
            cursor = db.execute(
                "UPDATE runs SET pid = ?, pid_start = ?, boot_id = ?, threads = ?, device = ?, changed = changed + 1"
                " WHERE id = ? AND attempt = ? AND state = 'starting' AND pid IS NULL",
                (*identity, threads, device, run_id, attempt),
            )
            return cursor.rowcount == 1

    def change_state(
        self,
        run_id: str,
        to: str,
        *,
        reason: Reason | None = None,
        result: Result | None = None,
        come_from: Sequence[str] | None = None,
        attempt: int | None = None,
    ) -> bool:
        """Compare and set: False when the run is not in a state that leads to `to`. Final results are never replaced.

        `come_from` narrows the states that it may leave, `attempt` the start of the run that it speaks for.
        """
        leaving = [s for s in EDGES[to] if come_from is None or s in come_from]
        marks = ", ".join("?" for _ in leaving)
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
            values["result"] = dump(result.to_dict())
        sets = ", ".join(f"{name} = ?" for name in values)
        with self._write(full=True) as db:
            cursor = db.execute(
                f"UPDATE runs SET {sets}, changed = changed + 1"
                f" WHERE id = ? AND state IN ({marks}) AND attempt = COALESCE(?, attempt)",
                (*values.values(), run_id, *leaving, attempt),
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
            study_records.remove(db, run_id)
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
                (run_id, attempt[0], time.time(), kind, stage, values.get("step"), dump(values)),
            )
            _move(db, run_id, values if kind in ("started", "step") else {})

    def progress(self, run_id: str, values: Mapping[str, Any]) -> None:
        """Move a run's progress along without an event: the sign of life between the steps that are kept."""
        with self._write(full=False) as db:
            _move(db, run_id, values)

    def pulse(self, run_id: str) -> Pulse | None:
        """What a run's own processes ask often; None when the run was deleted."""
        row = self._one("SELECT state, attempt, cancel_requested, changed FROM runs WHERE id = ?", (run_id,))
        return Pulse(row[0], row[1], bool(row[2]), row[3]) if row else None

    def events(
        self, run_id: str, *, kinds: Sequence[str] | None = None, after: int = 0, limit: int = 100_000
    ) -> list[Event]:
        """Events of a run in order. A resumed run's later attempt replaces the same steps of earlier ones."""
        where, values = "run_id = ? AND seq > ?", [run_id, after]
        if kinds:
            where += f" AND kind IN ({', '.join('?' for _ in kinds)})"
            values += list(kinds)
        rows = self._all(
            f"SELECT seq, at, kind, stage, data, attempt, step FROM events WHERE {where} ORDER BY seq LIMIT ?",
            (*values, limit),
        )
        redone = {(r[2], r[3], r[6]): r[5] for r in rows if r[6] is not None}
        kept = [r for r in rows if r[6] is None or redone[(r[2], r[3], r[6])] == r[5]]
        return [Event(r[0], r[1], r[2], r[3], json.loads(r[4])) for r in kept]

    # -- reading -------------------------------------------------------------------------------------------------

    def run(self, run_id: str) -> Run:
        """One run by id, or by an unambiguous beginning of it. KeyError when there is none."""
        if not is_id(run_id):
            raise KeyError(run_id)
        rows = self._all(
            f"SELECT {COLUMNS} FROM runs WHERE id >= ? AND id < ? LIMIT 2", (run_id, run_id + "\uffff")
        )
        if len(rows) != 1:
            raise KeyError(run_id)
        return self._run(rows[0])

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
        where: list[str] = ["1"]
        values: list[Any] = []
        for column, wanted in (("setting_id", setting_id), ("owner", owner)):
            if wanted is not None:
                where.append(f"{column} = ?")
                values.append(wanted)
        for column, many in (("state", states), ("id", ids)):
            if many is not None:
                # One JSON value, since SQLite limits the number of question marks.
                where.append(f"{column} IN (SELECT value FROM json_each(?))")
                values.append(json.dumps(list(many)))
        rows = self._all(
            f"SELECT {COLUMNS} FROM runs WHERE {' AND '.join(where)} ORDER BY position LIMIT ?",
            (*values, limit),
        )
        return [self._run(row) for row in rows]

    def settings(self, owner: str | None = None) -> list[tuple[Setting, int]]:
        """Settings that have runs, newest run first, each with its number of runs."""
        where, values = ("WHERE owner = ?", [owner]) if owner is not None else ("", [])
        rows = self._all(
            f"SELECT setting_id, COUNT(*) FROM runs {where} GROUP BY setting_id ORDER BY MAX(position) DESC",
            values,
        )
        return [(self._setting(row[0]), row[1]) for row in rows]

    def setting(self, setting_id: str) -> Setting:
        """A setting by id or by an unambiguous beginning of it. KeyError when there is none."""
        if not is_id(setting_id):
            raise KeyError(setting_id)
        rows = self._all(
            "SELECT id FROM settings WHERE id >= ? AND id < ? LIMIT 2", (setting_id, setting_id + "\uffff")
        )
        if len(rows) != 1:
            raise KeyError(setting_id)
        return self._setting(rows[0][0])

    def _setting(self, setting_id: str) -> Setting:
        """Settings never change once written, so each is read once."""
        if setting_id not in self._settings:
            row = self._one("SELECT data FROM settings WHERE id = ?", (setting_id,))
            self._settings[setting_id] = Setting.from_dict(json.loads(row[0]))
        return self._settings[setting_id]

    def _run(self, row: Sequence[Any]) -> Run:
        return run_from(row, self._setting(row[1]))

    def version(self) -> tuple[int, int, int]:
        """Changes when any run or event changes: a poll that sees the same value has nothing to draw."""
        row = self._one(
            "SELECT COALESCE((SELECT value FROM counters WHERE name = 'changes'), 0), COUNT(*),"
            " (SELECT value FROM counters WHERE name = 'deleted') FROM runs"
        )
        assert row is not None
        return row[0], row[1], row[2]

    # -- studies -------------------------------------------------------------------------------------------------

    def studies(
        self, *, run_id: str | None = None, setting_id: str | None = None, owner: str | None = None
    ) -> list[StudyRecord]:
        """Recorded studies, newest first: all, or those that a run or a setting's runs belong to."""
        where: list[str] = ["1"]
        values: list[Any] = []
        if owner is not None:
            where.append("owner = ?")
            values.append(owner)
        if run_id is not None:
            where.append("id IN (SELECT study_id FROM study_runs WHERE run_id = ?)")
            values.append(run_id)
        if setting_id is not None:
            where.append(
                "id IN (SELECT study_id FROM study_runs JOIN runs ON runs.id = run_id WHERE setting_id = ?)"
            )
            values.append(setting_id)
        rows = self._all(
            "SELECT id, title, plan, owner, created_at FROM studies"
            f" WHERE {' AND '.join(where)} ORDER BY position DESC",
            values,
        )
        members = self._all(
            "SELECT study_id, run_id, hop FROM study_runs"
            " WHERE study_id IN (SELECT value FROM json_each(?)) ORDER BY rowid",
            (json.dumps([row[0] for row in rows]),),
        )
        return study_records.records(rows, members)

    def decided(self, model: str) -> str | None:
        """The run that a model reference to the best of several was decided to mean."""
        row = self._one("SELECT run_id FROM decided_bases WHERE model = ?", (model,))
        return row[0] if row else None

    def decide(self, model: str, run_id: str) -> str:
        """Keep that decision, once for all: whoever comes later gets the first one's."""
        with self._write(full=True) as db:
            db.execute("INSERT OR IGNORE INTO decided_bases VALUES (?, ?)", (model, run_id))
        return self.decided(model) or run_id

    # -- the queue -----------------------------------------------------------------------------------------------

    def pause(self, paused: bool = True) -> None:
        """While paused no queued run is started, whoever looks after the queue; what runs goes on."""
        with self._write(full=True) as db:
            _count(db, "paused", int(paused))

    def is_paused(self) -> bool:
        row = self._one("SELECT value FROM counters WHERE name = 'paused'")
        return bool(row and row[0])

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

    # -- connections ---------------------------------------------------------------------------------------------

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


def _count(db: sqlite3.Connection, name: str, value: int) -> None:
    db.execute(
        "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def _move(db: sqlite3.Connection, run_id: str, values: Mapping[str, Any]) -> None:
    kept = {k: finite(values[k]) for k in ("step", "steps", "loss", "seconds") if values.get(k) is not None}
    sets = "".join(f"{name} = ?, " for name in kept)
    db.execute(f"UPDATE runs SET {sets}changed = changed + 1 WHERE id = ?", (*kept.values(), run_id))


def _insert_setting(db: sqlite3.Connection, setting: Setting) -> str:
    setting_id = setting.id
    db.execute(
        "INSERT OR IGNORE INTO settings (id, data, created_at) VALUES (?, ?, ?)",
        (setting_id, canonical_json(setting.to_dict()), time.time()),
    )
    return setting_id


def new_id() -> str:
    return secrets.token_hex(8)


def _insert_run(
    db: sqlite3.Connection,
    run_id: str,
    spec: RunSpec,
    setting_id: str,
    owner: str,
    name: str,
    retry_of: str | None,
) -> None:
    choice = canonical_json(asdict(spec.choice))
    db.execute(
        "INSERT INTO runs (id, setting_id, choice, seed, state, created_at, owner, name, retry_of)"
        " VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?)",
        (run_id, setting_id, choice, spec.seed, time.time(), owner, name, retry_of),
    )
    if retry_of is not None:
        study_records.stand_in(db, run_id, retry_of)
