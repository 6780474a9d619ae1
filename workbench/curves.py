"""Points of the page's plots, computed and not drawn: curves of runs, mean and band over seeds, scatter with its front."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench import registry, stage_progress
from workbench.compare import Comparison
from workbench.metric import metric
from workbench.pareto import front, pareto
from workbench.result import Event, Run
from workbench.statistics import mean_interval
from workbench.store import Store

XAxis = Literal["step", "time", "tokens"]
AXES: Mapping[XAxis, str] = {"step": "step", "time": "seconds", "tokens": "tokens"}
MOST_POINTS = 240
GRID = 40


@dataclass(frozen=True)
class Line:
    """One curve. `place` counts the curves of a family, so that dashes can tell them apart; `ended` is the state of a
    run that ended without a result. `low` and `high` are empty unless there is a band. `stages` are those of a run that
    has several: title and first x, and the curve breaks between them."""

    key: str
    label: str
    family: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    seed: int | None = None
    seeds: int = 1
    place: int = 0
    live: bool = False
    ended: str = ""
    stages: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Point:
    """One row of the table as a point; `low` and `high` bound y where several seeds were run, `third` is a third column's
    figure where one was asked for."""

    key: str
    label: str
    family: str
    x: float
    y: float
    low: float | None
    high: float | None
    on_front: bool = False
    third: float | None = None


def runs_worth_drawing(runs: Sequence[Run]) -> list[Run]:
    """Every live run, and for each choice its first finished seed; where nothing finished, the last that ended badly."""
    finished: dict[str, Run] = {}
    broken: dict[str, Run] = {}
    for run in runs:
        choice = run.spec.choice.id
        if run.state == "finished" and (
            choice not in finished or run.spec.seed <= finished[choice].spec.seed
        ):
            finished[choice] = run
        elif run.state in ("failed", "lost"):
            broken[choice] = run
    kept = {run.id for run in finished.values()}
    kept |= {run.id for choice, run in broken.items() if choice not in finished}
    return [run for run in runs if run.id in kept or run.state == "running"]


def training_lines(
    store: Store, runs: Sequence[Run], *, x: XAxis = "step", smoothing: float = 0.0
) -> list[Line]:
    """Training loss of each run, smoothed."""
    return _run_lines(store, runs, "step", "loss", x, smoothing)


def sampled_lines(
    store: Store, runs: Sequence[Run], name: str, *, x: XAxis = "step", smoothing: float = 0.0
) -> list[Line]:
    """What a policy's steps say of the answers it drew: their mean `reward`, or `kl`, how far they have gone."""
    return _run_lines(store, runs, "step", name, x, smoothing)


def validation_lines(store: Store, runs: Sequence[Run], column: str, *, x: XAxis = "step") -> list[Line]:
    """The validation score of each run, as it was evaluated on the way."""
    return _run_lines(store, runs, "evaluated", column, x, 0.0)


def seed_lines(store: Store, runs: Sequence[Run], column: str, *, x: XAxis = "step") -> list[Line]:
    """One line per choice: the mean of its finished seeds' validation scores, with a 95 % band where there are several."""
    by_choice: dict[str, list[tuple[Run, list[tuple[float, float]]]]] = {}
    for run in runs:
        if run.state != "finished":
            continue
        points = read_points(store.events(run.id, kinds=("evaluated",)), column, x, _per_step(run, x))
        if points:
            by_choice.setdefault(run.spec.choice.id, []).append((run, points))
    lines = []
    place = _places()
    for key, group in by_choice.items():
        run = group[0][0]
        family = family_of(run.spec.choice.method)
        at, values = on_common_grid([points for _, points in group], x)
        bands = [mean_interval(column_values) for column_values in values]
        several = len(group) > 1
        lines.append(
            Line(
                key=key,
                label=run.label,
                family=family,
                x=tuple(at),
                y=tuple(band.mean for band in bands),
                low=tuple(_known(band.low) for band in bands) if several else (),
                high=tuple(_known(band.high) for band in bands) if several else (),
                seeds=len(group),
                place=place(family),
            )
        )
    return [line for line in lines if line.x]


def read_points(
    events: Sequence[Event], name: str, x: XAxis, per_step: float = 0.0
) -> list[tuple[float, float]]:
    """(step, training seconds or tokens, value) of each event that has both; what is not finite is left out.

    `per_step` is how many tokens a step stands for where events do not count them, as those of older runs; 0 where nobody
    knows.
    """
    points = []
    for event in events:
        at, value = event.values.get(AXES[x]), event.values.get(name)
        if at is None and x == "tokens" and per_step:
            at = float(event.values.get("step") or 0) * per_step
        if isinstance(at, int | float) and isinstance(value, int | float) and math.isfinite(value):
            points.append((float(at), float(value)))
    return points


def on_common_grid(
    series: Sequence[Sequence[tuple[float, float]]], x: XAxis
) -> tuple[list[float], list[list[float]]]:
    """Places that all series reach, and their values there. Steps are taken as they are where the series share them;
    otherwise, and for times, values are read off between neighbours."""
    shared = set.intersection(*[{at for at, _ in points} for points in series])
    if x == "step" and shared:
        at = sorted(shared)
        tables = [dict(points) for points in series]
        return at, [[table[place] for table in tables] for place in at]
    first = max(points[0][0] for points in series)
    last = min(points[-1][0] for points in series)
    if last < first:
        return [], []
    at = [float(place) for place in np.linspace(first, last, GRID)] if last > first else [first]
    read = [np.interp(at, [p[0] for p in points], [p[1] for p in points]) for points in series]
    return at, [[float(values[i]) for values in read] for i in range(len(at))]


def smooth(values: Sequence[float], weight: float) -> list[float]:
    """Exponential moving average, corrected for its start; weight 0 leaves the values as they are."""
    if not 0 <= weight < 1:
        raise ValueError(f"smoothing is a share from 0 to below 1, not {weight!r}")
    smoothed, last = [], 0.0
    for count, value in enumerate(values, start=1):
        last = last * weight + (1 - weight) * value
        smoothed.append(last / (1 - weight**count))
    return smoothed


def thin(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """At most `most` points, evenly taken, the last one always kept: more cannot be seen."""
    if len(points) <= most:
        return list(points)
    stride = math.ceil(len(points) / (most - 1))
    kept = list(points[::stride])
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def scatter_points(
    comparison: Comparison, column: str, score: str | None = None, third: str | None = None
) -> list[Point]:
    """The rows that have these figures; those on the front are beaten by no other on all of them."""
    score = score or comparison.metric
    names = list(dict.fromkeys((column, score, *([third] if third else []))))
    rows = [row for row in comparison.rows if all(row.mean(name) is not None for name in names)]
    figures = [[row.cells[name].mean for name in names] for row in rows]
    if third:
        on_front = set(front(figures, [metric(name).better for name in names]))
    else:
        places = [(row.cells[column].mean, row.cells[score].mean) for row in rows]
        on_front = set(pareto(places, x_better=metric(column).better, y_better=metric(score).better))
    return [
        Point(
            key=row.key,
            label=row.label,
            family=row.family,
            x=row.cells[column].mean,
            y=row.cells[score].mean,
            low=row.cells[score].low,
            high=row.cells[score].high,
            on_front=place in on_front,
            third=row.mean(third) if third else None,
        )
        for place, row in enumerate(rows)
    ]


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places for labels at least `gap` apart and within bounds, each as near to its wanted place as the others let it."""
    if not wanted:
        return []
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    # Labels that touch form a block that sits at the mean of what its labels want.
    blocks: list[list[float]] = []
    for count, i in enumerate(order):
        blocks.append([wanted[i] - gap * count, 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, size = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + size]
    placed = [0.0] * len(wanted)
    top = high - gap * (len(wanted) - 1)
    count = 0
    for total, size in blocks:
        base = min(max(total / size, low), top)
        for _ in range(int(size)):
            placed[order[count]] = base + gap * count
            count += 1
    return placed


def family_of(method: str) -> str:
    """The family of a method; a method that is gone (an old store) is drawn as a reference."""
    known = registry.methods()
    return known[method].family if method in known else "base"


def _run_lines(
    store: Store, runs: Sequence[Run], kind: str, name: str, x: XAxis, smoothing: float
) -> list[Line]:
    place = _places()
    lines = []
    for run in runs:
        family = family_of(run.spec.choice.method)
        events = store.events(run.id, kinds=(kind,))
        per_step = _per_step(run, x)
        if not read_points(events, name, x, per_step):
            continue
        names = stage_progress.titles(run.spec)
        begins = stage_progress.where_stages_begin(events, names, AXES[x])
        kept: list[tuple[float, float]] = []
        for _, group in itertools.groupby(events, key=lambda event: event.stage if begins else ""):
            # Losses of two stages have nothing in common: each is smoothed by itself.
            points = read_points(list(group), name, x, per_step)
            smoothed = smooth([value for _, value in points], smoothing)
            kept += thin([(at, value) for (at, _), value in zip(points, smoothed)])
        lines.append(
            Line(
                key=run.id,
                label=run.label,
                family=family,
                x=tuple(at for at, _ in kept),
                y=tuple(value for _, value in kept),
                seed=run.spec.seed,
                place=place(family, run.spec.choice.id),
                live=run.state == "running",
                ended=run.state if run.state in ("failed", "lost") else "",
                stages=tuple(begins),
            )
        )
    return lines


def _per_step(run: Run, x: XAxis) -> float:
    """How many tokens a step saw on average; 0 where that was not counted, and no tokens are asked for."""
    seen, steps = (run.result.tokens_seen, run.result.steps) if run.result else (None, None)
    return seen / steps if x == "tokens" and seen and steps else 0.0


def _places() -> Callable[..., int]:
    """Numbers the choices of each family in the order in which they come."""
    seen: dict[str, dict[str, int]] = {}

    def place(family: str, key: str | None = None) -> int:
        known = seen.setdefault(family, {})
        return known.setdefault(key if key is not None else str(len(known)), len(known))

    return place


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def final_values(lines: Sequence[Line]) -> Mapping[str, float]:
    """The last value of each line by its key."""
    return {line.key: line.y[-1] for line in lines if line.y}
