"""The comparison of one setting: runs, reference rows, one summary row per choice, verdicts. Never mixes two settings.

The module can be called: `workbench.compare(model=..., data=...)` runs a comparison, as workbench/api.py says.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import ModuleType
from typing import Any

from workbench import registry, votes
from workbench.bradley_terry import Strength
from workbench.comparison_rows import Row as Row
from workbench.comparison_rows import reference_row, rows_of, summary
from workbench.deployed_forms import DeployedForm, forms_of_rows
from workbench.marks import judged_by as judged_by
from workbench.marks import run_marks
from workbench.metric import metric
from workbench.pareto import pareto as pareto
from workbench.result import Result, Run
from workbench.spec import Setting
from workbench.store import Store
from workbench.verdicts import ERROR_BARS as ERROR_BARS
from workbench.verdicts import REFERENCES as REFERENCES
from workbench.verdicts import Pair, Pairs, judge
from workbench.verdicts import Verdict as Verdict


@dataclass(frozen=True)
class Comparison:
    """Everything known of one setting's runs, best first. By the rows' keys: `pairs` holds every paired difference, `deployed`
    what was measured of their deployed forms, `votes` their strengths in blind votes."""

    setting: Setting
    runs: tuple[Run, ...]
    rows: tuple[Row, ...]
    references: tuple[Row, ...]
    verdicts: tuple[Verdict, ...] = ()
    reference_records: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    pairs: Pairs = field(default_factory=dict, repr=False)
    deployed: Mapping[str, tuple[DeployedForm, ...]] = field(default_factory=dict, repr=False)
    votes: Mapping[str, Strength] = field(default_factory=dict, repr=False)

    @property
    def metric(self) -> str:
        """What the table ranks by and the verdicts are about."""
        return judged_by(self.setting)

    @property
    def yardstick(self) -> str:
        """The reference row that the best and the worst are compared with."""
        return registry.task(self.setting.task).yardstick

    def pair(self, first: str, second: str) -> Pair | None:
        """First minus second, by the keys of two rows; None where they share no seed and rows."""
        if (first, second) in self.pairs:
            return self.pairs[first, second]
        found = self.pairs.get((second, first))
        return found.reversed() if found else None

    def document(self) -> dict[str, Any]:
        """The JSON document of `run --json` and `compare --json`."""
        return {
            "setting": {"id": self.setting.id, **self.setting.to_dict()},
            "runs": [run_record(run) for run in self.runs],
            "references": [
                {k: v for k, v in record.items() if k != "outcomes"} for record in self.reference_records
            ],
            "summary": [self._summary(row) for row in self.rows],
            "verdicts": [_verdict_record(v) for v in self.verdicts],
        }

    def _summary(self, row: Row) -> dict[str, Any]:
        vote = self.votes.get(row.key)
        forms = [form.record() for form in self.deployed.get(row.key, ())]
        return summary(row) | {"forms": forms, "votes": asdict(vote) if vote else None}


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
    references = tuple(reference_row(record) for record in records)
    marks = {run.id: run_marks(store, run) for run in runs if run.state == "finished"}
    rows = sorted(rows_of(runs), key=lambda row: _best_first(row, score))
    rows, verdicts, pairs = judge(rows, marks, runs, records, references, setting)
    return Comparison(
        *(setting, tuple(runs), tuple(rows), references, tuple(verdicts), tuple(records), pairs),
        deployed=forms_of_rows(store, rows),
        votes=votes.column(store, setting.id, owner),
    )


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


def _best_first(row: Row, score: str) -> float:
    """Rows without the score come last."""
    mean = row.mean(score)
    if mean is None:
        return float("inf")
    return mean if metric(score).better == "lower" else -mean


def _empty_result() -> dict[str, Any]:
    return {k: None if v in ({}, (), []) and k != "metrics" else v for k, v in Result().to_dict().items()}


def _verdict_record(one: Verdict) -> dict[str, Any]:
    return {
        "first": one.first,
        "second": one.second,
        "kind": one.kind,
        "sentence": one.sentence,
        "detail": one.detail,
        "difference": one.difference.mean,
        "low": one.difference.low,
        "high": one.difference.high,
        "p": one.difference.p,
        "more_seeds": one.more_seeds,
        "more_rows": one.more_rows,
    }


class _Callable(ModuleType):
    """`workbench.compare` is both this module and what a notebook calls: Python binds a submodule to its package's name,
    so that a function of the same name would be lost as soon as anything imports the module."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        from workbench.api import compare

        return compare(*arguments, **named)


sys.modules[__name__].__class__ = _Callable
