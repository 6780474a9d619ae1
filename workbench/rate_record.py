"""What a search found for each method's default learning rate: the trials of stored runs as one record, and its plot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from markupsafe import Markup

from workbench import registry
from workbench.metric import metric
from workbench.result import Result, Run
from workbench.store import Store

SAME = 1.06  # rates this close are one rate, rounded differently
COLUMN, LEFT, ROW, TOP = 300.0, 190.0, 20.0, 46.0


@dataclass(frozen=True)
class Tried:
    """One rate on one task; `score` is the validation part's, None where training diverged."""

    learning_rate: float
    score: float | None


@dataclass(frozen=True)
class Searched:
    """A method's trials by task, and the rate that is best over all of them."""

    method: str
    tasks: Mapping[str, tuple[Tried, ...]]
    found: float

    def record(self) -> dict[str, Any]:
        return {
            "found": self.found,
            "tasks": {task: [asdict(one) for one in tried] for task, tried in self.tasks.items()},
        }


def record(store: Store, settings: Sequence[str]) -> dict[str, Any]:
    """The finished searches of some settings. ValueError where none is found."""
    runs = [run for setting in settings for run in store.runs(setting_id=setting, states=("finished",))]
    searched = [run for run in runs if run.result and run.result.trials]
    if not searched:
        raise ValueError(
            f"no finished run of {', '.join(settings)} searched its learning rate: run a preset with `search` first"
        )
    tasks = {
        run.spec.setting.task: {
            "data": run.spec.setting.data.source,
            "model": run.spec.setting.model,
            "budget": run.spec.setting.budget.words,
            "batch_size": run.spec.setting.batch_size,
            "metric": _result(run).trials[0]["metric"],
        }
        for run in searched
    }
    better = {task: metric(facts["metric"]).better for task, facts in tasks.items()}
    methods = {one.method: one.record() for one in _by_method(searched, better)}
    return {"tasks": tasks, "environment": dict(_result(searched[-1]).environment), "methods": methods}


def _by_method(runs: Iterable[Run], better: Mapping[str, str]) -> list[Searched]:
    by_method: dict[str, dict[str, tuple[Tried, ...]]] = {}
    for run in runs:
        trials = tuple(Tried(t["learning_rate"], t["score"]) for t in _result(run).trials)
        by_method.setdefault(run.spec.choice.method, {})[run.spec.setting.task] = trials
    return [Searched(method, tasks, best_rate(tasks, better)) for method, tasks in sorted(by_method.items())]


def _result(run: Run) -> Result:
    assert run.result is not None  # of a finished run it never is
    return run.result


def best_rate(tasks: Mapping[str, Sequence[Tried]], better: Mapping[str, str]) -> float:
    """The rate with the least regret on average, among those tried on every task; where no rate was, the geometric mean
    of each task's best. Regret is what a rate's score lacks of the method's best on that task, as a share of the range of
    its trials. Two significant digits.

    >>> best_rate({"a": [Tried(0.001, 0.7), Tried(0.003, 0.8)], "b": [Tried(0.003, 0.5)]}, {"a": "higher", "b": "higher"})
    0.003
    """
    regrets = {task: _regrets(tried, better[task]) for task, tried in tasks.items()}
    first, *others = regrets.values()
    common = {
        rate: [regret, *(_near(other, rate) for other in others)]
        for rate, regret in first.items()
        if all(_near(other, rate) is not None for other in others)
    }
    if common:
        rate = min(common, key=lambda one: (fmean(r for r in common[one] if r is not None), one))
    else:
        best = [min(each, key=lambda one: (each[one], one)) for each in regrets.values()]
        rate = math.exp(fmean(math.log(one) for one in best))
    return float(f"{rate:.1e}")


def _regrets(tried: Sequence[Tried], better: str) -> dict[float, float]:
    """0 for the best rate of a task, 1 for its worst and for one that diverged."""
    sign = 1 if better == "higher" else -1
    scores = [sign * one.score for one in tried if one.score is not None]
    top, low = max(scores, default=0.0), min(scores, default=0.0)
    return {
        one.learning_rate: 1.0 if one.score is None else (top - sign * one.score) / ((top - low) or 1.0)
        for one in tried
    }


def _near(regrets: Mapping[float, float], rate: float) -> float | None:
    return next((regret for other, regret in regrets.items() if same_rate(other, rate)), None)


def same_rate(one: float, other: float) -> bool:
    """Whether two rates are the same but for rounding to a digit or two.

    >>> same_rate(0.00316, 0.003), same_rate(0.003, 0.001)
    (True, False)
    """
    return max(one, other) / min(one, other) < SAME


def svg(found: Mapping[str, Any]) -> str:
    """A row for each method and a column for each task: a disc for each rate that was tried, the fuller the better it was,
    and a line through the rate that became the default."""
    tasks = list(found["tasks"])
    methods = found["methods"]
    rates = [
        trial["learning_rate"]
        for one in methods.values()
        for tried in one["tasks"].values()
        for trial in tried
    ]
    low, high = math.log10(min(rates)) - 0.2, math.log10(max(rates)) + 0.2
    width, height = LEFT + COLUMN * len(tasks), TOP + ROW * len(methods) + 12
    drawn = [
        Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w:.0f} {h:.0f}" width="{w:.0f}" height="{h:.0f}"'
            ' font-family="system-ui, sans-serif" font-size="11"><rect width="100%" height="100%" fill="#ffffff"/>'
        ).format(w=width, h=height)
    ]
    for column, task in enumerate(tasks):
        start = LEFT + COLUMN * column

        def place(rate: float, start: float = start) -> float:
            return start + (math.log10(rate) - low) / (high - low) * (COLUMN - 24)

        words = f"{registry.task(task).title}: {found['tasks'][task]['data']}"
        drawn.append(Markup('<text x="{}" y="16" font-weight="600">{}</text>').format(start, words))
        for power in range(math.ceil(low), math.floor(high) + 1):
            x = place(10.0**power)
            drawn.append(
                Markup(
                    '<path d="M{x:.1f} {top}V{end:.0f}" stroke="#e4e4e7"/><text x="{x:.1f}" y="34" text-anchor="middle"'
                    ' fill="#71717a">1e{power}</text>'
                ).format(x=x, top=TOP - 6, end=height - 8, power=power)
            )
        better = metric(found["tasks"][task]["metric"]).better
        for row, one in enumerate(methods.values()):
            y = TOP + ROW * row + 8
            tried = [Tried(**trial) for trial in one["tasks"].get(task, ())]
            drawn += [_disc(place(rate), y, regret) for rate, regret in _regrets(tried, better).items()]
            if tried:
                drawn.append(
                    Markup('<path d="M{x:.1f} {a:.0f}v16" stroke="#c2410c" stroke-width="2"/>').format(
                        x=place(one["found"]), a=y - 8
                    )
                )
    drawn += [
        Markup('<text x="8" y="{:.0f}">{}</text>').format(TOP + ROW * row + 12, registry.method(name).title)
        for row, name in enumerate(methods)
    ]
    return str(Markup("\n").join([*drawn, Markup("</svg>")])) + "\n"


def _disc(x: float, y: float, regret: float) -> Markup:
    return Markup(
        '<circle cx="{:.1f}" cy="{:.0f}" r="5.5" fill="#1d4ed8" fill-opacity="{:.2f}" stroke="#1d4ed8"/>'
    ).format(x, y, 1 - regret)
