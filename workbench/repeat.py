"""Train a finished run again from its record and say whether every prediction came out the same; if not, what has changed.

`workbench repeat RUN`, or the button beside a run's details.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.result import Run
from workbench.store import Store

if TYPE_CHECKING:
    from workbench.runner import Runner

# What a row's outcome says was predicted, in the order of how sure it is to differ when anything does.
PREDICTED = ("predicted", "probabilities", "output", "nats", "chosen_nats", "rejected_nats")
# Not of the environment that predictions depend on: when, where on the disk, how busy.
IGNORED = ("started_at", "hostname", "process", "pid")
MOST = 5


@dataclass(frozen=True)
class Repeated:
    """Two runs of one record side by side. `rows` differ in what was predicted; `metrics` are name -> (then, now)."""

    first: str
    second: str
    same: bool
    count: int
    rows: tuple[int, ...]
    answers: int
    largest: float
    metrics: Mapping[str, tuple[float | None, float | None]]
    environment: Mapping[str, tuple[Any, Any]]

    @property
    def sentence(self) -> str:
        if self.same:
            return f"The same: all {self.count:,} predictions of run {self.second} are those of run {self.first}."
        if not self.count:
            return f"Nothing to compare: the outcomes of run {self.first} or {self.second} are gone."
        changed = "; ".join(
            f"{name}: {then} then, {now} now" for name, (then, now) in self.environment.items()
        )
        why = (
            f"Changed since: {changed}."
            if changed
            else "Nothing that is recorded of the environment has changed."
        )
        answers = (
            f"{self.answers:,} of {self.count:,} answers differ"
            if self.answers
            else f"every answer is the same, but {len(self.rows):,} of {self.count:,} rows differ in their figures"
        )
        return f"Not the same: {answers} (figures by at most {self.largest:.3g}). {why}"

    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "first": self.first,
            "second": self.second,
            "same": self.same,
            "rows": self.count,
            "rows_that_differ": list(self.rows),
            "answers_that_differ": self.answers,
            "largest_difference": self.largest,
            "metrics": {name: list(pair) for name, pair in self.metrics.items()},
            "environment": {name: list(pair) for name, pair in self.environment.items()},
            "sentence": self.sentence,
        }


def queue_again(runner: Runner, run: Run) -> str:
    """Queue the run's record once more, as a run that names it. The machine gives a model of one size the same threads."""
    if run.state != "finished":
        raise ValueError(f"run {run.id} is {run.state}: only a finished run has predictions to repeat")
    return runner.retry(run.id)


def compared(store: Store, first: Run, second: Run) -> Repeated:
    """What came out then and now, row by row."""
    then, now = _outcomes(store, first), _outcomes(store, second)
    count = len(then) if len(then) == len(now) else 0
    rows, answers, largest = [], 0, 0.0
    for place in range(count):
        apart, answer, by = _difference(then[place], now[place])
        if apart:
            rows.append(place + 1)
            answers += answer
            largest = max(largest, by)
    metrics = _metrics(first, second)
    same = count > 0 and not rows and all(a == b for a, b in metrics.values())
    return Repeated(
        first.id,
        second.id,
        same,
        count,
        tuple(rows),
        answers,
        largest,
        {name: pair for name, pair in metrics.items() if pair[0] != pair[1]},
        {} if same else environment_changes(first, second),
    )


def original(store: Store, run: Run) -> Run | None:
    """The finished run that this one repeats; None where there is none."""
    if run.retry_of is None:
        return None
    try:
        earlier = store.run(run.retry_of)
    except KeyError:
        return None
    return earlier if earlier.state == "finished" else None


def environment_changes(first: Run, second: Run) -> dict[str, tuple[Any, Any]]:
    """What is recorded of where both ran, as far as it differs."""
    sides = [_flat(run.result.environment if run.result else {}) for run in (first, second)]
    for side, run in zip(sides, (first, second)):
        side["threads"] = run.threads if run.threads is not None else side.get("threads")
        side["device kind"] = run.device
    names = dict.fromkeys((*sides[0], *sides[1]))
    return {
        name: (sides[0].get(name), sides[1].get(name))
        for name in names
        if sides[0].get(name) != sides[1].get(name) and name not in IGNORED
    }


def _metrics(first: Run, second: Run) -> dict[str, tuple[float | None, float | None]]:
    then = first.result.metrics if first.result else {}
    now = second.result.metrics if second.result else {}
    return {name: (then.get(name), now.get(name)) for name in dict.fromkeys((*then, *now))}


def _difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[bool, bool, float]:
    """(anything differs, the answer itself does, by how much figures do)."""
    apart, answer, largest = False, False, 0.0
    for name in PREDICTED:
        a, b = then.get(name), now.get(name)
        if a == b:
            continue
        apart = True
        if isinstance(a, str) or isinstance(b, str):
            answer = True
        else:
            largest = max(largest, _apart(a, b))
    return apart, answer, largest


def _apart(a: Any, b: Any) -> float:
    first, second = (value if isinstance(value, Sequence) else [value] for value in (a, b))
    if len(first) != len(second) or None in (*first, *second):
        return float("inf")
    return max((abs(x - y) for x, y in zip(first, second)), default=0.0)


def _outcomes(store: Store, run: Run) -> list[dict[str, Any]]:
    try:
        text = (store.run_folder(run.id) / "outcomes.jsonl").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines()]


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value) if isinstance(value, Mapping) else {name.replace("_", " "): value}
    return found
