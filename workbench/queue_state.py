"""How far a queue is, told from its runs alone: counts, time left, and the matrix of choices and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from workbench.result import FINAL_STATES, Run

FAILED_STATES = ("failed", "lost")


@dataclass(frozen=True)
class QueueState:
    """Counts of runs. `seconds_left` is None until there is anything to go by."""

    total: int
    finished: int
    failed: int
    cancelled: int
    running: int
    waiting: int
    share: float
    seconds_left: float | None

    @property
    def done(self) -> int:
        return self.finished + self.failed + self.cancelled

    @property
    def active(self) -> int:
        return self.running + self.waiting


@dataclass(frozen=True)
class MatrixRow:
    """One choice: its newest run for each seed, None where that seed was never queued."""

    key: str
    label: str
    method: str
    cells: tuple[Run | None, ...]

    def count(self, *states: str) -> int:
        return sum(run is not None and run.state in states for run in self.cells)


def queue_state(runs: Sequence[Run], *, slots: int = 1) -> QueueState:
    """The state of these runs when `slots` of them may go on at once. Of a run that was made again only the newest counts."""
    runs = newest_runs(runs)
    states = [run.state for run in runs]
    active = [run for run in runs if run.state in ("running", "starting")]
    share = 0.0
    if runs:
        done = sum(state in FINAL_STATES for state in states)
        share = (done + sum(run_share(run) or 0.0 for run in active)) / len(runs)
    return QueueState(
        total=len(runs),
        finished=states.count("finished"),
        failed=sum(state in FAILED_STATES for state in states),
        cancelled=states.count("cancelled"),
        running=len(active),
        waiting=states.count("queued"),
        share=share,
        seconds_left=_seconds_left(runs, slots),
    )


def newest_runs(runs: Sequence[Run]) -> list[Run]:
    """One run for each choice and seed: the newest. A retry stands for what it retries."""
    newest = {(run.spec.choice.id, run.spec.seed): run for run in runs}
    kept = {run.id for run in newest.values()}
    return [run for run in runs if run.id in kept]


def run_share(run: Run) -> float | None:
    """How much of its steps a run has made; None while that is unknown."""
    if run.state == "finished":
        return 1.0
    return min(run.step / run.steps, 1.0) if run.steps else None


def matrix(runs: Sequence[Run]) -> tuple[list[int], list[MatrixRow]]:
    """Seeds in order, and one row per choice in the order of queueing."""
    seeds = sorted({run.spec.seed for run in runs})
    rows: dict[str, dict[int, Run]] = {}
    for run in runs:
        rows.setdefault(run.spec.choice.id, {})[run.spec.seed] = run
    return seeds, [
        MatrixRow(key, first.label, first.spec.choice.method, tuple(cells.get(seed) for seed in seeds))
        for key, cells in rows.items()
        for first in [next(iter(cells.values()))]
    ]


def _seconds_left(runs: Sequence[Run], slots: int) -> float | None:
    """What the running ones say for themselves, and for the rest what finished runs of the same choice took."""
    whole: dict[str, list[float]] = {}
    for run in runs:
        if run.state == "finished" and run.started_at and run.ended_at and run.ended_at > run.started_at:
            whole.setdefault(run.spec.choice.id, []).append(run.ended_at - run.started_at)
    everything = [seconds for times in whole.values() for seconds in times]
    paces = [
        run.seconds / run.step * run.steps
        for run in runs
        if run.state == "running" and run.seconds and run.step and run.steps
    ]
    usual = fmean(everything) if everything else fmean(paces) if paces else None
    left = 0.0
    longest = 0.0
    for run in runs:
        if run.state in FINAL_STATES:
            continue
        seconds = run.seconds_left
        if seconds is None:
            times = whole.get(run.spec.choice.id)
            if times is None and usual is None:
                return None
            seconds = fmean(times) if times else usual or 0.0
        left += seconds
        longest = max(longest, seconds)
    return max(left / max(slots, 1), longest)
