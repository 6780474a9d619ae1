"""What a lesson's view needs from the store: whose runs are shown, their comparison (read once per change), the claims."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from workbench import lessons, workshop
from workbench.claim_list import CLAIMS
from workbench.claims import Evidence, Finding, finding
from workbench.compare import Comparison, comparison
from workbench.learners import Progress
from workbench.lesson_outcome import outcome, runs_of
from workbench.lessons import Lesson
from workbench.result import Run
from workbench.store import Store
from workbench.ui.lesson_view import Shown


def shown(
    store: Store, lesson_id: str, progress: Progress, owner: str | None, language: str, *, replay: bool
) -> Shown:
    """A lesson with this learner's runs; without any, with those of the class."""
    lesson = lessons.lesson(lesson_id)
    runs, of_class = learners_runs(store, lesson, owner)
    now = Shown(
        lesson,
        progress,
        runs,
        language=language,
        class_runs=of_class,
        paused=store.is_paused(),
        replay=replay,
    )
    if not runs or not progress.committed:
        return now
    found = [_compared(store, *key) for key in _keys(runs)]
    return Shown(
        lesson,
        progress,
        runs,
        outcome(lesson, lesson.preset, found),
        findings(lesson, found),
        language,
        of_class,
        now.paused,
        replay=replay,
    )


def learners_runs(store: Store, lesson: Lesson, owner: str | None) -> tuple[list[Run], bool]:
    """The newest runs, and whether they are the class's."""
    own = runs_of(store, lesson.preset, owner)
    if own or owner is None or (code := workshop.code()) is None:
        return own, False
    return runs_of(store, lesson.preset, workshop.class_owner(code)), True


def findings(lesson: Lesson, found: Sequence[Comparison]) -> list[Finding]:
    """The lesson's claims, judged by its own runs."""
    if not found:
        return []
    sizes = [(one.setting.data.train_rows or 0, one) for one in found]
    evidence = Evidence(found[-1], by_size=lambda: sizes if len(sizes) > 1 else [])
    known = {claim.name: claim for claim in CLAIMS}
    return [finding(known[name], evidence) for name in lesson.claims]


def _keys(runs: Sequence[Run]) -> list[tuple[str, tuple[tuple[Any, ...], ...]]]:
    """A setting's id with the states of the lesson's runs in it, for each setting in order."""
    by_setting: dict[str, list[tuple[Any, ...]]] = {}
    for run in runs:
        by_setting.setdefault(run.spec.setting.id, []).append((run.id, run.state, run.attempt))
    return [(setting_id, tuple(states)) for setting_id, states in by_setting.items()]


@functools.lru_cache(maxsize=64)
def _compared(store: Store, setting_id: str, states: tuple[tuple[Any, ...], ...]) -> Comparison:
    """Of the lesson's runs alone: what somebody added to the setting would make its verdicts stricter."""
    return comparison(store, setting_id, run_ids=[run_id for run_id, *_ in states])
