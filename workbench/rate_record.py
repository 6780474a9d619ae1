"""What a search found for each method's default learning rate: the trials of stored runs as one record, and its plot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from markupsafe import Markup

from workbench import registry
from workbench.metric import metric
from workbench.rate_rule import Tried, best_rate, regrets_of, safe_rate, score_ranges
from workbench.result import Result, Run
from workbench.store import Store

COLUMN, LEFT, ROW, TOP = 300.0, 190.0, 20.0, 46.0


@dataclass(frozen=True)
class Searched:
    """A method's trials by task, the rate that is best over all of them, and the one that is safe in longer runs too."""

    method: str
    tasks: Mapping[str, tuple[Tried, ...]]
    best: float
    found: float
    model: str = ""
    """Where it is another one than the tasks', which the method can't serve."""

    def record(self) -> dict[str, Any]:
        model = {"model": self.model} if self.model else {}
        tasks = {task: [asdict(one) for one in tried] for task, tried in self.tasks.items()}
        return {"found": self.found, "best": self.best, **model, "tasks": tasks}


def record(store: Store, settings: Sequence[str]) -> dict[str, Any]:
    """The finished searches of some settings. ValueError where none is found."""
    runs = [run for setting in settings for run in store.runs(setting_id=setting, states=("finished",))]
    searched = [run for run in runs if run.result and run.result.trials]
    if not searched:
        raise ValueError(
            f"no finished run of {', '.join(settings)} searched its learning rate: run a preset with `search` first"
        )
    tasks: dict[str, dict[str, Any]] = {}
    for run in searched:
        tasks.setdefault(run.spec.setting.task, _facts(run))
    better = {task: metric(facts["metric"]).better for task, facts in tasks.items()}
    methods = {one.method: one.record() for one in _by_method(searched, better, tasks)}
    return {"tasks": tasks, "environment": dict(_result(searched[-1]).environment), "methods": methods}


def _facts(run: Run) -> dict[str, Any]:
    setting = run.spec.setting
    return {
        "data": setting.data.source,
        "model": setting.model,
        "budget": setting.budget.words,
        "batch_size": setting.batch_size,
        "metric": _result(run).trials[0]["metric"],
    }


def _by_method(
    runs: Iterable[Run], better: Mapping[str, str], tasks: Mapping[str, Mapping[str, Any]]
) -> list[Searched]:
    by_method: dict[str, dict[str, tuple[Tried, ...]]] = {}
    models: dict[str, str] = {}
    for run in runs:
        setting, method = run.spec.setting, run.spec.choice.method
        trials = tuple(Tried(t["learning_rate"], t["score"]) for t in _result(run).trials)
        by_method.setdefault(method, {})[setting.task] = trials
        models[method] = setting.model if setting.model != tasks[setting.task]["model"] else ""
    ranges = score_ranges(by_method.values(), better)
    searched = []
    for method, found in sorted(by_method.items()):
        best = best_rate(found, better)
        searched.append(Searched(method, found, best, safe_rate(best, found, ranges), models[method]))
    return searched


def _result(run: Run) -> Result:
    assert run.result is not None  # of a finished run it never is
    return run.result


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
            drawn += [_disc(place(rate), y, regret) for rate, regret in regrets_of(tried, better).items()]
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
