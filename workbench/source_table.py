"""The table of a mix: the score of each method on the test rows of each data set in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench import registry
from workbench.compare import judged_by
from workbench.data.mixing import SOURCE
from workbench.metric import metric
from workbench.result import Run
from workbench.store import Store
from workbench.study import Study
from workbench.study_table import Column, StudyRow, StudyTable, interval


def build(store: Store, study: Study) -> StudyTable:
    """A mix: the score of each method on the test rows of each source."""
    setting = store.setting(study.setting_ids[0])
    name = judged_by(setting)
    runs = store.runs(setting_id=setting.id)
    scored = {run.id: scores_by_source(store, run) for run in runs if run.state == "finished"}
    titles = list(dict.fromkeys(title for found in scored.values() for title in found))
    rows = []
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.spec.choice.id, []).append(run)
    for key, group in grouped.items():
        latest = {run.spec.seed: run for run in group if run.state == "finished"}
        cells = {}
        for title in titles:
            cell = interval([scored[run.id].get(title) for run in latest.values()])
            if cell is not None:
                cells[title, name] = cell
        rows.append(
            StudyRow(
                key=key,
                hop=0,
                hop_title=study.title,
                label=group[0].label,
                method=group[0].spec.choice.method,
                base=setting.model,
                run_ids=tuple(run.id for run in group),
                seeds=tuple(sorted(latest)),
                states={
                    state: sum(run.state == state for run in group) for state in {r.state for r in group}
                },
                reasons=tuple(dict.fromkeys(run.reason.message for run in group if run.reason)),
                own="",
                cells=cells,
            )
        )
    return StudyTable(study, tuple(Column(title, title, name) for title in titles), tuple(rows))


def scores_by_source(store: Store, run: Run) -> dict[str, float]:
    """A finished run's mean score on the test rows of each data set of a mix, from its kept outcomes; {} where rows have no
    source, or the files are gone. It is the mean over rows, as the verdicts take it."""
    setting = run.spec.setting
    try:
        rows = _lines(store.data_folder(setting.data.fingerprint) / "test.jsonl")
        outcomes = _lines(store.run_folder(run.id) / "outcomes.jsonl")
    except FileNotFoundError:
        return {}
    task = registry.task(setting.task)
    marks = task.marks(outcomes, task.options.from_dict(setting.task_options))
    sign = 1.0 if metric(judged_by(setting)).better == "higher" else -1.0
    groups: dict[str, list[float]] = {}
    # A task may score only the first rows of the test part.
    for row, mark in zip(rows, marks):
        if SOURCE in row:
            groups.setdefault(str(row[SOURCE]), []).append(sign * mark)
    return {title: sum(group) / len(group) for title, group in groups.items()}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
