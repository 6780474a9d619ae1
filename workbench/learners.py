"""What learners have committed to and answered, kept beside the runs in a file of its own."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench.database import connect, explained, transaction
from workbench.store import Store

FILE = "learners.sqlite"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS predictions (owner TEXT, lesson TEXT, choice INTEGER NOT NULL,"
    " committed INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (owner, lesson))",
    "CREATE TABLE IF NOT EXISTS answers (owner TEXT, lesson TEXT, question INTEGER, choice INTEGER NOT NULL,"
    " at REAL NOT NULL, PRIMARY KEY (owner, lesson, question))",
)


@dataclass(frozen=True)
class Progress:
    """One learner in one lesson. A prediction can be changed until it is committed; a question is answered once."""

    prediction: int | None = None
    committed: bool = False
    answers: Mapping[int, int] = field(default_factory=dict)

    @property
    def begun(self) -> bool:
        return self.prediction is not None or bool(self.answers)


@contextlib.contextmanager
def opened(store: Store) -> Iterator[sqlite3.Connection]:
    """A connection to the learners' file, made with its tables when it is absent."""
    path = Path(store.folder) / FILE
    with explained(path), contextlib.closing(connect(path)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'answers'").fetchone():
            db.execute("PRAGMA journal_mode = WAL")
            with transaction(db):
                for statement in _TABLES:
                    db.execute(statement)
        yield db


def progress(store: Store, owner: str | None) -> dict[str, Progress]:
    """Everything that this learner has begun, by lesson. None is the person at their own machine."""
    return everyones(store, [owner or ""]).get(owner or "", {})


def everyones(store: Store, owners: list[str]) -> dict[str, dict[str, Progress]]:
    """The same for many learners at once."""
    marks = ", ".join("?" for _ in owners)
    with opened(store) as db:
        predictions = db.execute(
            f"SELECT owner, lesson, choice, committed FROM predictions WHERE owner IN ({marks})", owners
        ).fetchall()
        answers = db.execute(
            f"SELECT owner, lesson, question, choice FROM answers WHERE owner IN ({marks})", owners
        ).fetchall()
    answered: dict[tuple[str, str], dict[int, int]] = {}
    for owner, lesson, question, choice in answers:
        answered.setdefault((owner, lesson), {})[question] = choice
    found: dict[str, dict[str, Progress]] = {}
    for owner, lesson, choice, committed in predictions:
        answers_here = answered.pop((owner, lesson), {})
        found.setdefault(owner, {})[lesson] = Progress(choice, bool(committed), answers_here)
    for (owner, lesson), one in answered.items():
        found.setdefault(owner, {})[lesson] = Progress(answers=one)
    return found


def predict(store: Store, owner: str | None, lesson: str, choice: int) -> None:
    """Lean towards a choice; nothing happens once the prediction is committed."""
    with opened(store) as db, transaction(db):
        db.execute(
            "INSERT INTO predictions VALUES (?, ?, ?, 0, ?) ON CONFLICT (owner, lesson)"
            " DO UPDATE SET choice = excluded.choice, at = excluded.at WHERE committed = 0",
            (owner or "", lesson, choice, time.time()),
        )


def commit(store: Store, owner: str | None, lesson: str) -> None:
    """From here on the prediction stands. ValueError when nothing was chosen."""
    with opened(store) as db, transaction(db):
        changed = db.execute(
            "UPDATE predictions SET committed = 1, at = ? WHERE owner = ? AND lesson = ?",
            (time.time(), owner or "", lesson),
        )
        if not changed.rowcount:
            raise ValueError("Choose what you expect first, then commit to it.")


def answer(store: Store, owner: str | None, lesson: str, question: int, choice: int) -> None:
    """The first answer to a question counts."""
    with opened(store) as db, transaction(db):
        db.execute(
            "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)",
            (owner or "", lesson, question, choice, time.time()),
        )


def forget_owner(store: Store, owner: str) -> None:
    """Everything of one learner, also where they stand in a workshop: its tables lie in the same file."""
    if not (Path(store.folder) / FILE).is_file():
        return
    with opened(store) as db, transaction(db):
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if "owner" in [column[1] for column in db.execute(f"PRAGMA table_info({table})")]:
                db.execute(f"DELETE FROM {table} WHERE owner = ?", (owner,))


def start_over(store: Store, owner: str | None, lesson: str) -> None:
    """Forget what this learner said in this lesson; runs stay."""
    with opened(store) as db, transaction(db):
        for table in ("predictions", "answers"):
            db.execute(f"DELETE FROM {table} WHERE owner = ? AND lesson = ?", (owner or "", lesson))
