"""What the store keeps of a study: its plan, and which of its runs belongs to which hop."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StudyRecord:
    """`plan` is what was asked, by workbench.chain; `runs` are (run id, number of its hop from 0) as they were queued."""

    id: str
    title: str
    plan: Mapping[str, Any]
    owner: str
    created_at: float
    runs: tuple[tuple[str, int], ...]

    def hop_of(self, run_id: str) -> int:
        return dict(self.runs)[run_id]


@dataclass(frozen=True)
class NewStudy:
    """A study to be kept with the runs that are queued for it; `hops` says the hop of each run, in their order."""

    id: str
    title: str
    plan: Mapping[str, Any]
    hops: Sequence[int]


def insert(db: sqlite3.Connection, study: NewStudy, run_ids: Sequence[str], owner: str) -> None:
    db.execute(
        "INSERT INTO studies (id, title, plan, owner, created_at) VALUES (?, ?, ?, ?, ?)",
        (study.id, study.title, json.dumps(study.plan, ensure_ascii=False), owner, time.time()),
    )
    db.executemany(
        "INSERT INTO study_runs VALUES (?, ?, ?)",
        [(study.id, run_id, hop) for run_id, hop in zip(run_ids, study.hops, strict=True)],
    )


def stand_in(db: sqlite3.Connection, run_id: str, retry_of: str) -> None:
    """A run that is made again belongs where the first one did."""
    db.execute(
        "INSERT INTO study_runs SELECT study_id, ?, hop FROM study_runs WHERE run_id = ?", (run_id, retry_of)
    )


def remove(db: sqlite3.Connection, run_id: str) -> None:
    """With its last run a study goes."""
    db.execute("DELETE FROM study_runs WHERE run_id = ?", (run_id,))
    db.execute("DELETE FROM studies WHERE id NOT IN (SELECT study_id FROM study_runs)")


def records(rows: Sequence[Any], runs: Sequence[Any]) -> list[StudyRecord]:
    """Of rows of (id, title, plan, owner, created_at) and of (study_id, run_id, hop)."""
    members: dict[str, list[tuple[str, int]]] = {}
    for study_id, run_id, hop in runs:
        members.setdefault(study_id, []).append((run_id, hop))
    return [
        StudyRecord(row[0], row[1], json.loads(row[2]), row[3], row[4], tuple(members.get(row[0], ())))
        for row in rows
    ]
