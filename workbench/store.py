"""Keeps runs on disk: one SQLite file for records and events, one folder per run for files.

WAL, BEGIN IMMEDIATE for every write, synchronous=FULL for state changes and NORMAL for progress. One connection
per thread and process, never carried over a fork. Names given by people are data, never paths.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import sqlite3
import threading
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.database import StoreError as StoreError
from workbench.database import connect, explained, transaction
from workbench.migrations import migrate
from workbench.result import ACTIVE_STATES, FINAL_STATES, Event, Reason, Result, Run
from workbench.spec import Choice, RunSpec, Setting, canonical_json

NAME_LENGTH = 120

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
    ) -> list[str]:
        """Queue runs; returns their ids. The same `key` twice (a double click) returns the first call's ids."""
        name = clean_name(name)
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
            values["result"] = _dump(result.to_dict())
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
        if not _is_id(run_id):
            raise KeyError(run_id)
        rows = self._all(
            f"SELECT {_COLUMNS} FROM runs WHERE id >= ? AND id < ? LIMIT 2", (run_id, run_id + "\uffff")
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
            f"SELECT {_COLUMNS} FROM runs WHERE {' AND '.join(where)} ORDER BY position LIMIT ?",
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
        if not _is_id(setting_id):
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
        return Run(
            id=row[0],
            spec=RunSpec(self._setting(row[1]), _choice(row[2]), row[3]),
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
            result=_result(row[15]) if row[15] else None,
            step=row[16] or 0,
            steps=row[17],
            loss=row[18],
            seconds=row[19],
            threads=row[20],
            device=row[21],
            identity=(row[22], row[23], row[24]) if row[22] is not None else None,
        )

    def version(self) -> tuple[int, int, int]:
        """Changes when any run or event changes: a poll that sees the same value has nothing to draw."""
        row = self._one(
            "SELECT COALESCE((SELECT value FROM counters WHERE name = 'changes'), 0), COUNT(*),"
            " (SELECT value FROM counters WHERE name = 'deleted') FROM runs"
        )
        assert row is not None
        return row[0], row[1], row[2]

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
        if not _is_id(run_id):
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


def clean_name(name: str) -> str:
    """A name as it is stored: NFC, one line, no control characters, at most 120 characters."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" or c in "\u200d\u200c" else " " for c in name)
    clean = " ".join(unicodedata.normalize("NFC", kept).split())
    if len(clean) > NAME_LENGTH:
        raise ValueError(f"a name has at most {NAME_LENGTH} characters, this one has {len(clean)}")
    return clean


def _count(db: sqlite3.Connection, name: str, value: int) -> None:
    db.execute(
        "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def _move(db: sqlite3.Connection, run_id: str, values: Mapping[str, Any]) -> None:
    kept = {k: _finite(values[k]) for k in ("step", "steps", "loss", "seconds") if values.get(k) is not None}
    sets = "".join(f"{name} = ?, " for name in kept)
    db.execute(f"UPDATE runs SET {sets}changed = changed + 1 WHERE id = ?", (*kept.values(), run_id))


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
            name,
            retry_of,
        ),
    )
    return run_id


_COLUMNS = (
    "id, setting_id, choice, seed, state, created_at, started_at, ended_at, attempt, owner, name, retry_of,"
    " cancel_requested, reason_code, reason_message, result, step, steps, loss, seconds, threads, device,"
    " pid, pid_start, boot_id"
)


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 40 and text.isascii() and text.isalnum()


@functools.lru_cache(maxsize=4096)
def _choice(text: str) -> Choice:
    """Read once per text: the runs of a comparison share a few choices."""
    return Choice(**json.loads(text))


@functools.lru_cache(maxsize=16384)
def _result(text: str) -> Result:
    """Read once per text: results never change, and a table of all runs is drawn again and again."""
    return Result.from_dict(json.loads(text))


def _finite(value: Any) -> Any:
    return (
        None
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf")))
        else value
    )


def _dump(value: Any) -> str:
    """JSON that keeps NaN and infinities as JavaScript words: a diverged run's last loss is a fact worth keeping."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
