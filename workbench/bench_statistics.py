"""Holds the verdicts against real runs: how often two halves of one method are told apart, how often a known gap is seen.

`workbench bench statistics` needs a setting in which two methods ran with 40 seeds or more each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from workbench.comparison_rows import finished_by_seed
from workbench.marks import Marks, run_marks
from workbench.result import Run
from workbench.statistics import Difference, more_needed, paired_difference
from workbench.store import Store
from workbench.verdicts import ERROR_BARS

LEAST_SEEDS = 40
GROUPS = (3, 5)
POINTS = 0.05
PILOT = 3
WANTED_POWER = 0.8
Tick = Callable[[str], object]


@dataclass(frozen=True)
class Seeds:
    """One method's scores, seeds x test rows."""

    label: str
    marks: NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """A share of resampled verdicts with its 95 % interval over seeds."""

    value: float
    low: float
    high: float
    draws: int


@dataclass(frozen=True)
class FalseVerdicts:
    """How often two disjoint groups of one method's seeds were said to differ."""

    label: str
    group: int
    share: Share

    @property
    def holds(self) -> bool:
        return self.share.low <= ERROR_BARS


@dataclass(frozen=True)
class Told:
    """How often a true difference was seen after as many further seeds as the tool advised from the first few."""

    label: str
    difference: float
    share: Share
    advised: float
    beyond: float

    @property
    def holds(self) -> bool:
        return self.share.value >= WANTED_POWER


@dataclass(frozen=True)
class Held:
    rows: int
    seeds: tuple[int, ...]
    false: tuple[FalseVerdicts, ...]
    told: tuple[Told, ...]

    @property
    def holds(self) -> bool:
        """The gap made to be known is what is asked of; the methods' own difference is told beside it."""
        known = [one for one in self.told if one.difference == POINTS]
        return all(one.holds for one in self.false) and all(one.holds for one in known)


def stored_seeds(store: Store, setting_id: str, least: int = LEAST_SEEDS) -> list[Seeds]:
    """The methods of a setting with enough finished seeds whose outcomes are still there."""
    by_choice: dict[str, list[Run]] = {}
    for run in store.runs(setting_id=setting_id, states=("finished",)):
        by_choice.setdefault(run.spec.choice.id, []).append(run)
    found = []
    for runs in by_choice.values():
        read = [run_marks(store, run) for run in finished_by_seed(runs).values()]
        marks = [one for one in read if one is not None and len(one)]
        same = [one for one in marks if len(one) == len(marks[0])]
        if len(same) >= least:
            found.append(Seeds(runs[0].label, np.stack(same)))
    if not found:
        most = max((len(finished_by_seed(runs)) for runs in by_choice.values()), default=0)
        raise ValueError(
            f"setting {setting_id} has no method with {least} finished seeds (the most is {most}): run a preset with"
            f" `--seeds {least}` first"
        )
    return found


def hold(methods: list[Seeds], *, draws: int = 8000, seed: int = 0, tick: Tick = lambda words: None) -> Held:
    """Resample: false verdicts within each method, then a known gap, then the methods' own difference."""
    rng = np.random.default_rng(seed)
    false, told = [], []
    for one in methods:
        for group in GROUPS:
            tick(f"{one.label}: groups of {group}")
            false.append(FalseVerdicts(one.label, group, false_verdicts(one.marks, group, draws, rng)))
    for one in methods:
        tick(f"{one.label}: a gap of {100 * POINTS:g} points")
        lowered = lower(one.marks, POINTS, rng)
        told.append(power(f"{one.label}, a known gap", one.marks, lowered, POINTS, draws // 4, rng))
    if len(methods) > 1:
        first, second = methods[:2]
        gap = float(first.marks.mean() - second.marks.mean())
        tick(f"{first.label} and {second.label}: their own difference")
        told.append(
            power(f"{first.label} and {second.label}", first.marks, second.marks, gap, draws // 4, rng)
        )
    return Held(
        methods[0].marks.shape[1], tuple(len(one.marks) for one in methods), tuple(false), tuple(told)
    )


def false_verdicts(marks: Marks, group: int, draws: int, rng: np.random.Generator) -> Share:
    """Two disjoint groups of one method's seeds, drawn again and again: each verdict "differs" is false."""
    used, told = [], []
    for _ in range(draws):
        chosen = rng.permutation(len(marks))[: 2 * group]
        used.append(chosen)
        told.append(_tells(paired_difference(marks[chosen[:group]], marks[chosen[group:]])))
    return _share(used, told, len(marks))


def power(
    label: str, first: Marks, second: Marks, difference: float, draws: int, rng: np.random.Generator
) -> Told:
    """Three seeds each; where they do not tell, as many more as advised. Rightly told counts, all else does not.

    Both methods' seeds are drawn from different places, so that a method made from the other shares none with it. Advice
    beyond the seeds at hand is followed as far as they go, which is to its disadvantage; where the tool says that no number
    of seeds would do, it counts as not told.
    """
    count = min(len(first), len(second))
    room = count // 2
    used, told, advised, beyond = [], [], [], 0
    for _ in range(draws):
        chosen = rng.permutation(count)
        a, b = first[chosen[:room]], second[chosen[room : 2 * room]]
        found = paired_difference(a[:PILOT], b[:PILOT])
        wanted = 0
        if not _tells(found):
            more, _ = more_needed(found)
            beyond += more is None or PILOT + more > room
            if more is None:
                wanted = room - PILOT
                found = Difference(0.0, None, None, None, room, found.rows)
            else:
                wanted = min(more, room - PILOT)
                found = paired_difference(a[: PILOT + wanted], b[: PILOT + wanted])
        end = PILOT + wanted
        used.append(np.concatenate([chosen[:end], chosen[room : room + end]]))
        told.append(_tells(found) and (found.mean > 0) == (difference > 0))
        advised.append(wanted)
    return Told(label, difference, _share(used, told, count), float(median(advised)), beyond / draws)


def lower(marks: Marks, points: float, rng: np.random.Generator) -> Marks:
    """The same method made worse by a known amount: scores are taken away at random, for each seed and row anew."""
    mean = float(marks.mean())
    if points >= mean:
        raise ValueError(f"a mean score of {mean:.3f} can't be lowered by {points:g}")
    return marks * (rng.random(marks.shape) >= points / mean)


def _tells(found: Difference) -> bool:
    return found.p is not None and found.p < ERROR_BARS


def _share(used: list[NDArray[np.int64]], told: list[bool], seeds: int) -> Share:
    """Draws share seeds and are no independent trials: the interval is that of the jackknife over seeds."""
    count, hits = np.zeros(seeds), np.zeros(seeds)
    for chosen, hit in zip(used, told):
        count[chosen] += 1
        hits[chosen] += hit
    value = sum(told) / len(told)
    rest = len(told) - count
    without = np.where(rest > 0, (sum(told) - hits) / np.maximum(rest, 1), value)
    error = float(np.sqrt((seeds - 1) / seeds * ((without - without.mean()) ** 2).sum()))
    return Share(value, max(0.0, value - 1.96 * error), min(1.0, value + 1.96 * error), len(told))
