"""A workshop on one page: who joined with which nickname, where they are, what the projector shows, and the leaderboard.

`workbench page --workshop CODE` opens one. Runs that a teacher starts for all belong to the class as a whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench import learners
from workbench.comparison_rows import Row, rows_of
from workbench.database import transaction
from workbench.lesson_outcome import settings_of
from workbench.lessons import Lesson
from workbench.marks import Marks, judged_by, run_marks
from workbench.metric import metric
from workbench.pareto import pareto
from workbench.result import Run
from workbench.statistics import Interval, group_letters, holm, paired_difference
from workbench.store import Store
from workbench.verdicts import ERROR_BARS

ENVIRONMENT = "WORKBENCH_WORKSHOP"
PANES = ("join", "tally", "progress", "board")
HERE_SECONDS = 60
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{1,22}[A-Za-z0-9]")
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS workshops (code TEXT PRIMARY KEY, teacher_code TEXT NOT NULL, pane TEXT NOT NULL,"
    " lesson TEXT)",
    "CREATE TABLE IF NOT EXISTS participants (code TEXT, owner TEXT, nickname TEXT NOT NULL, teacher INTEGER NOT NULL,"
    " joined_at REAL NOT NULL, seen_at REAL NOT NULL, lesson TEXT, PRIMARY KEY (code, owner), UNIQUE (code, nickname))",
)


@dataclass(frozen=True)
class Participant:
    """Somebody who joined; `lesson` is the one that they have open."""

    owner: str
    nickname: str
    teacher: bool
    seen_at: float
    lesson: str | None

    @property
    def is_here(self) -> bool:
        return time.time() - self.seen_at < HERE_SECONDS


@dataclass(frozen=True)
class Board:
    """What the class is at: the projector's pane of PANES, and the lesson."""

    pane: str = "join"
    lesson: str | None = None


@dataclass(frozen=True)
class Entry:
    """A line of the leaderboard: a participant's best choice in the lesson's setting."""

    nickname: str
    label: str
    family: str
    score: Interval
    memory_bytes: float | None
    letters: str = ""
    on_front: bool = False


def open_for(code: str) -> None:
    """Make this process's page a workshop, in which each visitor is somebody."""
    os.environ[ENVIRONMENT] = checked(code)
    os.environ["WORKBENCH_HOSTED"] = "1"


def invitation(store: Store) -> list[str]:
    """What the terminal tells the teacher."""
    opened = code() or ""
    return [
        f"Participants join with the code {opened} and a nickname.",
        f"You join with the code {teacher_code(store, opened)}, which opens the teacher's view. Keep it to yourself.",
    ]


def code() -> str | None:
    """The code of the workshop that this page is open for; None outside of one."""
    return os.environ.get(ENVIRONMENT) or None


def checked(code: str) -> str:
    """The code as it may be. ValueError says what one looks like."""
    if not _CODE.fullmatch(code):
        raise ValueError(
            f"a workshop code is 3 to 24 letters, digits or hyphens, such as FABLE-8, not {code!r:.40}"
        )
    return code


def class_owner(code: str) -> str:
    """Whom the runs belong to that the teacher starts for all."""
    return hashlib.sha256(f"workshop {code}".encode()).hexdigest()[:32]


def teacher_code(store: Store, code: str) -> str:
    """What the teacher joins with: made once for each workshop."""
    with _opened(store) as db:
        with transaction(db):
            made = f"{code}-{''.join(secrets.choice(_LETTERS) for _ in range(8))}"
            db.execute("INSERT OR IGNORE INTO workshops VALUES (?, ?, 'join', NULL)", (code, made))
        found: str = db.execute("SELECT teacher_code FROM workshops WHERE code = ?", (code,)).fetchone()[0]
    return found


def join(store: Store, owner: str, given_code: str, nickname: str) -> Participant:
    """Join the workshop of this page. ValueError for a wrong code, or a nickname that is empty, long or taken."""
    now, opened = time.time(), code()
    if opened is None:
        raise ValueError("This page is not open for a workshop.")
    given, nickname = given_code.strip(), " ".join(nickname.split())
    teacher = secrets.compare_digest(given.lower().encode(), teacher_code(store, opened).lower().encode())
    if not teacher and given.lower() != opened.lower():
        raise ValueError("That is not the code of this workshop: it stands on the wall.")
    if not 1 <= len(nickname) <= 24 or not nickname.isprintable():
        raise ValueError("A nickname has 1 to 24 letters.")
    with _opened(store) as db, transaction(db):
        taken = db.execute(
            "SELECT owner FROM participants WHERE code = ? AND nickname = ? COLLATE NOCASE",
            (opened, nickname),
        ).fetchone()
        if taken and taken[0] != owner:
            raise ValueError(f"Somebody is called {nickname} already: choose another nickname.")
        db.execute(
            "INSERT INTO participants VALUES (?, ?, ?, ?, ?, ?, NULL) ON CONFLICT (code, owner) DO UPDATE SET"
            " nickname = excluded.nickname, teacher = excluded.teacher, seen_at = excluded.seen_at",
            (opened, owner, nickname, int(teacher), now, now),
        )
    return Participant(owner, nickname, teacher, now, None)


def participant(store: Store, owner: str | None) -> Participant | None:
    """This visitor, if they have joined."""
    return next((one for one in participants(store) if one.owner == (owner or "")), None)


def participants(store: Store) -> list[Participant]:
    """Everybody who joined, in the order of joining."""
    if (opened := code()) is None:
        return []
    with _opened(store) as db:
        rows = db.execute(
            "SELECT owner, nickname, teacher, seen_at, lesson FROM participants WHERE code = ? ORDER BY joined_at",
            (opened,),
        ).fetchall()
    return [Participant(row[0], row[1], bool(row[2]), row[3], row[4]) for row in rows]


def seen(store: Store, owner: str | None, lesson: str | None = None) -> None:
    """Note that a participant is there, and the lesson that they have opened; written at most every few seconds."""
    me = participant(store, owner)
    if me is None or (lesson in (None, me.lesson) and time.time() - me.seen_at < HERE_SECONDS / 4):
        return
    with _opened(store) as db, transaction(db):
        db.execute(
            "UPDATE participants SET seen_at = ?, lesson = COALESCE(?, lesson) WHERE code = ? AND owner = ?",
            (time.time(), lesson, code() or "", owner or ""),
        )


def board(store: Store) -> Board:
    with _opened(store) as db:
        row = db.execute("SELECT pane, lesson FROM workshops WHERE code = ?", (code() or "",)).fetchone()
    return Board(*row) if row else Board()


def show(store: Store, *, pane: str | None = None, lesson: str | None = None) -> None:
    """Change what the projector shows, or the lesson that the class is at."""
    if pane is not None and pane not in PANES:
        raise ValueError(f"the projector shows one of {', '.join(PANES)}, not {pane!r}")
    opened = code() or ""
    teacher_code(store, opened)  # makes the workshop's line when it is absent
    with _opened(store) as db, transaction(db):
        db.execute(
            "UPDATE workshops SET pane = COALESCE(?, pane), lesson = COALESCE(?, lesson) WHERE code = ?",
            (pane, lesson, opened),
        )


def require_teacher(store: Store, owner: str | None) -> Participant:
    """The teacher who asks. ValueError for everybody else."""
    found = participant(store, owner)
    if found is None or not found.teacher:
        raise ValueError("Only the teacher of this workshop may do that: join with the teacher's code.")
    return found


def tally(store: Store, lesson: Lesson) -> list[int]:
    """How many participants have committed to each choice."""
    everyone = [one.owner for one in participants(store) if not one.teacher]
    counts = [0] * lesson.choices
    for progress in learners.everyones(store, everyone).values():
        mine = progress.get(lesson.id)
        if mine and mine.committed and mine.prediction is not None and mine.prediction < len(counts):
            counts[mine.prediction] += 1
    return counts


def leaderboard(store: Store, lesson: Lesson) -> list[Entry]:
    """Each participant's best choice in the lesson's setting, the best first. Only runs of one setting stand together."""
    everyone = {one.owner: one.nickname for one in participants(store)}
    settings = [found for owner in everyone for found in settings_of(store, lesson.preset, owner)]
    if not settings:
        return []
    # Of a learning curve the largest size: what everybody could use.
    setting = max(settings, key=lambda one: one.data.train_rows or 0)
    score = judged_by(setting)
    mine: dict[str, list[Run]] = {}
    for run in store.runs(setting_id=setting.id, states=("finished",)):
        if run.owner in everyone:
            mine.setdefault(run.owner, []).append(run)
    best = {owner: row for owner, runs in mine.items() if (row := _best(rows_of(runs), score)) is not None}
    order = sorted(best, key=lambda owner: _sign(score) * best[owner].cells[score].mean)
    marks = [_marks(store, mine[owner], best[owner]) for owner in order]
    letters = _letters(marks)
    places = [(_memory(best[owner]) or float("inf"), best[owner].cells[score].mean) for owner in order]
    front = set(pareto(places, x_better="lower", y_better=metric(score).better))
    return [
        Entry(
            everyone[owner],
            best[owner].label,
            best[owner].family,
            best[owner].cells[score],
            _memory(best[owner]),
            letters.get(i, ""),
            i in front,
        )
        for i, owner in enumerate(order)
    ]


def _sign(score: str) -> int:
    return 1 if metric(score).better == "lower" else -1


def _best(rows: Sequence[Row], score: str) -> Row | None:
    scored = [row for row in rows if score in row.cells]
    return min(scored, key=lambda row: _sign(score) * row.cells[score].mean, default=None)


def _memory(row: Row) -> float | None:
    return row.mean("peak_memory_bytes")


def _marks(store: Store, runs: Sequence[Run], row: Row) -> Mapping[int, Marks]:
    """The newest run's marks for each seed of a row."""
    found = {run.spec.seed: run_marks(store, run) for run in runs if run.spec.choice.id == row.key}
    return {seed: marks for seed, marks in found.items() if marks is not None}


def _letters(marks: Sequence[Mapping[int, Marks]]) -> Mapping[int, str]:
    """Group letters over participants; none where nothing could be compared with several seeds."""
    asked: dict[tuple[int, int], float] = {}
    for i, first in enumerate(marks):
        for j in range(i + 1, len(marks)):
            seeds = sorted(set(first) & set(marks[j]))
            if len(seeds) < 2:
                continue
            found = paired_difference(
                np.stack([first[seed] for seed in seeds]), np.stack([marks[j][seed] for seed in seeds])
            )
            if found.p is not None:
                asked[i, j] = found.p
    if not asked:
        return {}
    adjusted = dict(zip(asked, holm(list(asked.values()))))

    def differs(i: int, j: int) -> bool:
        return adjusted.get((min(i, j), max(i, j)), 1.0) < ERROR_BARS

    return dict(enumerate(group_letters(len(marks), differs)))


@contextlib.contextmanager
def _opened(store: Store) -> Iterator[sqlite3.Connection]:
    with learners.opened(store) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'participants'").fetchone():
            with transaction(db):
                for statement in _TABLES:
                    db.execute(statement)
        yield db
