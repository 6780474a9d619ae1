"""Keeps runs on disk: one SQLite file for records and events, one folder per run for files.

WAL, BEGIN IMMEDIATE for every write, synchronous=FULL for state changes and NORMAL for progress. One connection
per thread and process, never carried over a fork. Names given by people are data, never paths.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workbench import study_records
from workbench.database import StoreError as StoreError
from workbench.home import is_hosted
from workbench.records import clean_name, dump, finite
from workbench.result import ACTIVE_STATES, FINAL_STATES, Reason, Result, Run
from workbench.spec import RunSpec, Setting, canonical_json
from workbench.store_reading import Pulse as Pulse
from workbench.store_reading import Reading
from workbench.study_records import NewStudy

if TYPE_CHECKING:
    from workbench.hosted.admission import Admission

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


class Store(Reading):
    """All runs in one folder. Safe for many threads and processes on one machine."""

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

        `ids` (of `new_id`) are for runs that name each other, `study` is kept with its runs or not at all. On a hosted
        page ValueError says what is more than a visitor may have.
        """
        name = clean_name(name)
        admission = self._admission(owner)
        if admission is not None:
            admission.check(specs, ids or ())
        with self._write(full=True) as db:
            if key is not None:
                before = db.execute("SELECT run_ids FROM submissions WHERE key = ?", (key,)).fetchone()
                if before:
                    return list(json.loads(before[0]))
            if admission is not None:
                admission.check_count(len(specs), *_under_way(db, owner))
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

    def queue_again(self, run_id: str, come_from: Sequence[str] = RESUMABLE_STATES) -> bool:
        """Queue a run that broke off once more, as it is. False when it is in no state that allows it; on a hosted page
        ValueError says what is more than a visitor may have."""
        run = self.run(run_id)
        if admission := self._admission(run.owner):
            admission.check([run.spec])
            with self._write(full=True) as db:
                admission.check_count(1, *_under_way(db, run.owner))
        return self.change_state(run.id, "queued", come_from=come_from)

    def _admission(self, owner: str) -> Admission | None:
        """Who says no on a hosted page; nobody does on one's own machine."""
        if not is_hosted():
            return None
        from workbench.hosted.admission import Admission

        return Admission(self, owner)

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

    def hand_over(self, owner: str, to: str) -> None:
        """All runs and studies of one owner are another's from now on, without the name that the first one gave them; those
        that wait are cancelled, those at work are asked to stop."""
        with self._write(full=True) as db:
            db.execute(
                "UPDATE runs SET owner = ?, name = '', cancel_requested = 1, changed = changed + 1,"
                " ended_at = IIF(state = 'queued', ?, ended_at), state = IIF(state = 'queued', 'cancelled', state)"
                " WHERE owner = ?",
                (to, time.time(), owner),
            )
            db.execute("UPDATE studies SET owner = ? WHERE owner = ?", (to, owner))

    def delete_ended(self, owner: str) -> list[Run]:
        """Remove all ended runs of one owner with their events and files, at once. Returns them as they were."""
        ended = self.runs(owner=owner, states=FINAL_STATES, limit=1_000_000)
        if not ended:
            return []
        ids = json.dumps([run.id for run in ended])
        with self._write(full=True) as db:
            db.execute("DELETE FROM events WHERE run_id IN (SELECT value FROM json_each(?))", (ids,))
            db.execute("DELETE FROM runs WHERE id IN (SELECT value FROM json_each(?))", (ids,))
            for run in ended:
                study_records.remove(db, run.id)
            db.execute("UPDATE counters SET value = value + ? WHERE name = 'deleted'", (len(ended),))
        for run in ended:
            shutil.rmtree(self.run_folder(run.id), ignore_errors=True)
        return ended

    def drop_unused(self) -> None:
        """Settings and submissions of which no run is left."""
        with self._write(full=True) as db:
            db.execute("DELETE FROM settings WHERE id NOT IN (SELECT setting_id FROM runs)")
            db.execute(
                "DELETE FROM submissions WHERE NOT EXISTS"
                " (SELECT 1 FROM json_each(run_ids) JOIN runs ON runs.id = json_each.value)"
            )

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

    # -- decisions of the queue ------------------------------------------------------------------------------------

    def decide(self, model: str, run_id: str) -> str:
        """Keep that decision, once for all: whoever comes later gets the first one's."""
        with self._write(full=True) as db:
            db.execute("INSERT OR IGNORE INTO decided_bases VALUES (?, ?)", (model, run_id))
        return self.decided(model) or run_id

    def pause(self, paused: bool = True) -> None:
        """While paused no queued run is started, whoever looks after the queue; what runs goes on."""
        with self._write(full=True) as db:
            _count(db, "paused", int(paused))


def _under_way(db: sqlite3.Connection, owner: str) -> tuple[int, int]:
    """Runs of this owner that wait or train, and runs of all that wait."""
    marks = ", ".join("?" for _ in ACTIVE_STATES)
    active = db.execute(
        f"SELECT COUNT(*) FROM runs WHERE owner = ? AND state IN ({marks})", (owner, *ACTIVE_STATES)
    ).fetchone()[0]
    return active, db.execute("SELECT COUNT(*) FROM runs WHERE state = 'queued'").fetchone()[0]


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
