"""What can be read from the store: runs, settings, events, studies, and who waits; with `owner` only that visitor's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import study_records
from workbench.records import COLUMNS, is_id, run_from
from workbench.result import Event, Run
from workbench.spec import Setting
from workbench.store_connection import Connected
from workbench.study_records import StudyRecord


@dataclass(frozen=True)
class Pulse:
    """The few facts about a run that its processes look at several times a second."""

    state: str
    attempt: int
    cancel_requested: bool
    changed: int


@dataclass(frozen=True)
class Turn:
    """One owner in the queue: how many of theirs train, when one was last started (0: never), their first waiting run's
    place."""

    owner: str
    running: int
    last_started: float
    first_place: int


class Reading(Connected):
    """The half of the store that changes nothing."""

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder)
        self._settings: dict[str, Setting] = {}

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

    def ids_of(self, owner: str) -> list[str]:
        """Of all runs of one owner, ended ones too."""
        return [row[0] for row in self._all("SELECT id FROM runs WHERE owner = ?", (owner,))]

    def all_ids(self) -> list[str]:
        return [row[0] for row in self._all("SELECT id FROM runs")]

    def turns(self) -> list[Turn]:
        """The owners who have runs waiting."""
        rows = self._all(
            "SELECT q.owner, (SELECT COUNT(*) FROM runs r WHERE r.state IN ('starting', 'running') AND r.owner = q.owner),"
            " COALESCE((SELECT MAX(started_at) FROM runs s WHERE s.owner = q.owner), 0), MIN(q.position)"
            " FROM runs q WHERE q.state = 'queued' GROUP BY q.owner"
        )
        return [Turn(*row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many runs are in each state."""
        return dict(self._all("SELECT state, COUNT(*) FROM runs GROUP BY state"))

    # -- events --------------------------------------------------------------------------------------------------

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

    def is_paused(self) -> bool:
        row = self._one("SELECT value FROM counters WHERE name = 'paused'")
        return bool(row and row[0])
