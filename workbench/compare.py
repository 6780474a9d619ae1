"""The comparison of one setting: runs, reference rows, one summary row per choice, verdicts. Never mixes two settings."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench import registry
from workbench.metric import COLUMNS, metric
from workbench.result import Result, Run
from workbench.spec import Setting, canonical_json
from workbench.statistics import (
    Difference,
    Interval,
    group_letters,
    holm,
    mean_interval,
    more_needed,
    paired_difference,
)
from workbench.store import Store

ERROR_BARS = 0.05
REFERENCES = ("majority", "tfidf", "most_frequent", "nearest", "xz", "ngram", "longer", "chosen")


@dataclass(frozen=True)
class Row:
    """One choice (method, options, learning rate) over its seeds, or one reference. Cells that were not measured are absent."""

    key: str
    label: str
    method: str
    family: str
    options: Mapping[str, Any]
    learning_rate: float | None
    seeds: tuple[int, ...]
    run_ids: tuple[str, ...]
    states: Mapping[str, int]
    reasons: tuple[str, ...]
    cells: Mapping[str, Interval]
    letters: str = ""
    reference: bool = False

    def mean(self, column: str) -> float | None:
        cell = self.cells.get(column)
        return None if cell is None else cell.mean


@dataclass(frozen=True)
class Verdict:
    """What may be said of two rows on the setting's best metric. `kind` is beats, loses or cannot_tell."""

    first: str
    second: str
    first_key: str
    second_key: str
    kind: str
    difference: Difference
    sentence: str
    detail: str
    more_seeds: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Everything known of one setting's runs, best first."""

    setting: Setting
    runs: tuple[Run, ...]
    rows: tuple[Row, ...]
    references: tuple[Row, ...]
    verdicts: tuple[Verdict, ...] = ()
    reference_records: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @property
    def metric(self) -> str:
        """What the table ranks by and the verdicts are about."""
        return judged_by(self.setting)

    @property
    def yardstick(self) -> str:
        """The reference row that the best and the worst are compared with."""
        return registry.task(self.setting.task).yardstick

    def document(self) -> dict[str, Any]:
        """The JSON document of `run --json` and `compare --json`."""
        return {
            "setting": {"id": self.setting.id, **self.setting.to_dict()},
            "runs": [run_record(run) for run in self.runs],
            "references": [
                {k: v for k, v in record.items() if k != "outcomes"} for record in self.reference_records
            ],
            "summary": [_summary(row) for row in self.rows],
            "verdicts": [
                {
                    "first": v.first,
                    "second": v.second,
                    "kind": v.kind,
                    "sentence": v.sentence,
                    "detail": v.detail,
                    "difference": v.difference.mean,
                    "low": v.difference.low,
                    "high": v.difference.high,
                    "p": v.difference.p,
                    "more_seeds": v.more_seeds,
                }
                for v in self.verdicts
            ],
        }


def judged_by(setting: Setting) -> str:
    """The metric that ranks the runs of this setting."""
    task = registry.task(setting.task)
    return task.judged_by(task.options.from_dict(setting.task_options))


def comparison(
    store: Store,
    setting_id: str | None = None,
    *,
    owner: str | None = None,
    run_ids: Sequence[str] | None = None,
) -> Comparison:
    """The comparison of one setting; without an id, of the setting with the newest run. LookupError when there is none."""
    if setting_id is None:
        known = store.settings(owner)
        if not known:
            raise LookupError("no runs yet: run a preset first, for example `workbench run quickstart`")
        setting = known[0][0]
    else:
        try:
            setting = store.setting(setting_id)
        except KeyError:
            raise LookupError(f"no setting begins with {setting_id!r}; `workbench runs` lists them") from None
    runs = store.runs(setting_id=setting.id, owner=owner, ids=run_ids)
    score = judged_by(setting)
    records = reference_records(store, setting)
    references = tuple(_reference_row(record) for record in records)
    outcomes = {run.id: _row_marks(store, run) for run in runs if run.state == "finished"}
    rows = sorted(_rows(runs), key=lambda row: _best_first(row, score))
    rows, verdicts = _judged(rows, outcomes, runs, records, references, setting)
    return Comparison(setting, tuple(runs), tuple(rows), references, tuple(verdicts), tuple(records))


def run_record(run: Run) -> dict[str, Any]:
    """One run as plain JSON values: what was not measured is null, never 0."""
    result = run.result.to_dict() if run.result else {}
    return {
        "id": run.id,
        "state": run.state,
        "method": run.spec.choice.method,
        "label": run.label,
        "options": dict(run.spec.choice.options),
        "learning_rate": run.spec.choice.learning_rate,
        "seed": run.spec.seed,
        "setting": run.spec.setting.id,
        "reason": asdict(run.reason) if run.reason else None,
        "attempt": run.attempt,
        "retry_of": run.retry_of,
        "step": run.step,
        "steps": run.steps,
        "threads": run.threads,
        "device": run.device,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        **({"metrics": {}} | _empty_result() | result),
    }


def reference_records(store: Store, setting: Setting) -> list[dict[str, Any]]:
    """The task's references, computed once per data fingerprint and kept beside the prepared rows."""
    from workbench.data import DataError, load_prepared
    from workbench.references import reference_results

    folder = store.data_folder(setting.data.fingerprint) if setting.data.fingerprint else None
    if folder is None or not folder.is_dir():
        return []
    try:
        return reference_results(load_prepared(folder), folder, setting.task, setting.task_options)
    except DataError:
        return []


def pareto(points: Sequence[tuple[float, float]], *, x_better: str, y_better: str) -> list[int]:
    """Indices of the points that no other point beats on both axes, in order of x."""
    sign_x = 1.0 if x_better == "lower" else -1.0
    sign_y = 1.0 if y_better == "higher" else -1.0
    order = sorted(range(len(points)), key=lambda i: (sign_x * points[i][0], -sign_y * points[i][1]))
    front: list[int] = []
    best = -float("inf")
    for index in order:
        if sign_y * points[index][1] > best:
            best = sign_y * points[index][1]
            front.append(index)
    return front


def _best_first(row: Row, score: str) -> float:
    """Rows without the score come last."""
    mean = row.mean(score)
    if mean is None:
        return float("inf")
    return mean if metric(score).better == "lower" else -mean


def _empty_result() -> dict[str, Any]:
    return {k: None if v in ({}, (), []) and k != "metrics" else v for k, v in Result().to_dict().items()}


def _rows(runs: Sequence[Run]) -> list[Row]:
    by_choice: dict[str, list[Run]] = {}
    for run in runs:
        by_choice.setdefault(run.spec.choice.id, []).append(run)
    return [_row(key, group) for key, group in by_choice.items()]


def _row(key: str, runs: Sequence[Run]) -> Row:
    # A run that was made again for the same seed stands for it; the earlier one stays in the list of runs.
    latest = {run.spec.seed: run for run in runs if run.state == "finished"}
    finished = list(latest.values())
    choice = runs[0].spec.choice
    cells = {}
    for column in COLUMNS:
        values = [_value(run, column.name) for run in finished]
        known = [v for v in values if v is not None]
        if known and len(known) == len(values):
            cells[column.name] = mean_interval(known)
    states: dict[str, int] = {}
    for run in runs:
        states[run.state] = states.get(run.state, 0) + 1
    try:
        family = registry.method(choice.method).family
    except ValueError:
        family = "base"
    return Row(
        key=key,
        label=runs[0].label,
        method=choice.method,
        family=family,
        options=choice.options,
        learning_rate=choice.learning_rate,
        seeds=tuple(sorted(latest)),
        run_ids=tuple(run.id for run in runs),
        states=states,
        reasons=tuple(dict.fromkeys(run.reason.message for run in runs if run.reason)),
        cells=cells,
    )


def _value(run: Run, column: str) -> float | None:
    if run.result is None:
        return None
    value = run.result.metrics.get(column)
    return value if value is not None else getattr(run.result, column, None)


def _reference_row(record: Mapping[str, Any]) -> Row:
    values = {**record, **record.get("metrics", {})}
    cells = {
        c.name: Interval(float(values[c.name]), None, None, 1)
        for c in COLUMNS
        if values.get(c.name) is not None
    }
    return Row(
        key=str(record["method"]),
        label=str(record["label"]),
        method=str(record["method"]),
        family="base",
        options={},
        learning_rate=None,
        seeds=(),
        run_ids=(),
        states={},
        reasons=(),
        cells=cells,
        reference=True,
    )


def _row_marks(store: Store, run: Run) -> NDArray[np.float64] | None:
    """The score of the run on each test row: 1 for a right label, chrF of an answer; None when the outcomes are gone."""
    path = store.run_folder(run.id) / "outcomes.jsonl"
    setting = run.spec.setting
    try:
        options = canonical_json(dict(setting.task_options))
        return _read_marks(path, path.stat().st_mtime_ns, setting.task, options)
    except FileNotFoundError:
        return None


@functools.lru_cache(maxsize=4096)
def _read_marks(path: Path, changed: int, task: str, options_json: str) -> NDArray[np.float64]:
    del changed  # part of the cache key
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return _marks(rows, task, json.loads(options_json))


def _marks(
    outcomes: Sequence[Mapping[str, Any]], task: str, task_options: Mapping[str, Any]
) -> NDArray[np.float64]:
    known = registry.task(task)
    return np.array(known.marks(outcomes, known.options.from_dict(task_options)))


def _judged(
    rows: list[Row],
    outcomes: Mapping[str, NDArray[np.float64] | None],
    runs: Sequence[Run],
    records: Sequence[Mapping[str, Any]],
    references: Sequence[Row],
    setting: Setting,
) -> tuple[list[Row], list[Verdict]]:
    """Compare every two rows on common seeds and the same test rows; letters and sentences follow Holm's adjustment."""
    by_row: dict[str, dict[int, NDArray[np.float64]]] = {row.key: {} for row in rows}
    for run in runs:
        marks = outcomes.get(run.id)
        if marks is not None:
            by_row[run.spec.choice.id][run.spec.seed] = marks
    scored = [row for row in rows if by_row[row.key]]
    pairs: dict[tuple[str, str], Difference] = {}
    for i, first in enumerate(scored):
        for second in scored[i + 1 :]:
            found = _difference(by_row[first.key], by_row[second.key])
            if found is not None:
                pairs[first.key, second.key] = found
    for reference, record in zip(references, records):
        told = record.get("outcomes")
        marks = _marks(told, setting.task, setting.task_options) if told else None
        for row in scored if marks is not None else ():
            found = _difference(by_row[row.key], dict.fromkeys(by_row[row.key], marks))
            if found is not None:
                pairs[row.key, reference.key] = found
    adjusted = _adjusted({pair: found for pair, found in pairs.items() if pair[1] not in REFERENCES})
    adjusted |= _adjusted({pair: found for pair, found in pairs.items() if pair[1] in REFERENCES})
    lettered = _with_letters(rows, scored, adjusted)
    labels = {row.key: row.label for row in (*rows, *references)}
    verdicts = [
        _verdict(pair, pairs[pair], adjusted.get(pair), labels, judged_by(setting))
        for pair in _worth_saying(pairs, scored, references, registry.task(setting.task).yardstick)
    ]
    return lettered, verdicts


def _adjusted(pairs: Mapping[tuple[str, str], Difference]) -> dict[tuple[str, str], float]:
    """Holm's adjusted p of each pair, within one family of questions: methods with each other, or with references."""
    told = {pair: found.p for pair, found in pairs.items() if found.p is not None}
    return dict(zip(told, holm(list(told.values()))))


def _difference(
    first: Mapping[int, NDArray[np.float64] | None], second: Mapping[int, NDArray[np.float64] | None]
) -> Difference | None:
    seeds = sorted(set(first) & set(second))
    pairs = [(first[s], second[s]) for s in seeds]
    good = [(a, b) for a, b in pairs if a is not None and b is not None and a.shape == b.shape and len(a)]
    if not good:
        return None
    return paired_difference(np.stack([a for a, _ in good]), np.stack([b for _, b in good]))


def _with_letters(rows: list[Row], scored: list[Row], adjusted: Mapping[tuple[str, str], float]) -> list[Row]:
    if not adjusted or len(scored) < 2:
        return rows
    keys = [row.key for row in scored]

    def differs(i: int, j: int) -> bool:
        p = adjusted.get((keys[i], keys[j]), adjusted.get((keys[j], keys[i])))
        return p is not None and p < ERROR_BARS

    letters = dict(zip(keys, group_letters(len(keys), differs)))
    return [replace(row, letters=letters.get(row.key, "")) for row in rows]


def _worth_saying(
    pairs: Mapping[tuple[str, str], Difference],
    scored: Sequence[Row],
    references: Sequence[Row],
    yardstick: str,
) -> list[tuple[str, str]]:
    """The best row against each other one, then the best and the worst against the reference that is the yardstick."""
    if not scored:
        return []
    best, worst = scored[0].key, scored[-1].key
    wanted = [(best, row.key) for row in scored[1:]]
    wanted += [
        (key, yardstick)
        for key in dict.fromkeys((best, worst))
        if any(r.key == yardstick for r in references)
    ]
    return [pair for pair in wanted if pair in pairs]


def _verdict(
    pair: tuple[str, str],
    found: Difference,
    adjusted: float | None,
    labels: Mapping[str, str],
    score: str,
) -> Verdict:
    first, second = labels[pair[0]], labels[pair[1]]
    each = "" if pair[1] in REFERENCES else " each"
    points, unit = _written(abs(found.mean), score), _unit(score)
    rows = f"on the same {found.rows:,} rows"
    if found.low is None or found.high is None or adjusted is None:
        return Verdict(
            first,
            second,
            *pair,
            "cannot_tell",
            found,
            f"Cannot tell {first} from {second}: {points} {unit} apart with one seed{each}.",
            f"{rows[0].upper()}{rows[1:]}; one seed says nothing of how much luck is in it. Two more seeds would.",
            2,
        )
    low, high = (_written(bound, score, "+") for bound in (found.low, found.high))
    bounds = f"95 % {low} to {high}, {rows}, {found.seeds} seeds{each}"
    if adjusted < ERROR_BARS:
        word, kind = ("beats", "beats") if found.mean > 0 else ("loses to", "loses")
        return Verdict(
            first, second, *pair, kind, found, f"{first} {word} {second} by {points} {unit}.", bounds
        )
    # Holm asks more of each of many comparisons: the advice is for that stricter level.
    stricter = max(1.0, adjusted / found.p) if found.p else 1.0
    seeds, more_rows = more_needed(found, 1 - ERROR_BARS / stricter)
    advice = [
        f"about {seeds} more seed{'' if seeds == 1 else 's'}" if seeds else "",
        f"{more_rows:,} more test rows" if more_rows else "",
    ]
    would = " or ".join(part for part in advice if part)
    if found.low > 0 or found.high < 0:
        bounds += "; alone it would tell, but not among this many comparisons (Holm)"
    detail = (
        f"{bounds}. {would[0].upper() + would[1:]} would."
        if would
        else f"{bounds}. More than 100 seeds would be needed."
    )
    return Verdict(
        first,
        second,
        *pair,
        "cannot_tell",
        found,
        f"Cannot tell {first} from {second}: {points} {unit} apart.",
        detail,
        seeds,
    )


def _written(difference: float, score: str, sign: str = "") -> str:
    """Of a share in points of a hundred."""
    if metric(score).format == "share":
        return f"{difference * 100:{sign}.1f}"
    return f"{difference:{sign}.3f}"


def _unit(score: str) -> str:
    """Of a difference: points of the score that is meant. Accuracy's need no name."""
    if metric(score).format != "share":
        return metric(score).title.lower()
    return "points" if score == "accuracy" else f"{metric(score).title} points"


def _summary(row: Row) -> dict[str, Any]:
    return {
        "label": row.label,
        "method": row.method,
        "family": row.family,
        "options": dict(row.options),
        "learning_rate": row.learning_rate,
        "seeds": list(row.seeds),
        "runs": list(row.run_ids),
        "states": dict(row.states),
        "reasons": list(row.reasons),
        "letters": row.letters or None,
        "columns": {
            name: {"mean": cell.mean, "low": cell.low, "high": cell.high, "n": cell.n}
            for name, cell in row.cells.items()
        },
    }
