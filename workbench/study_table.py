"""The table of a study: a row for each hop and method, a column for each test part, changes since that part was learnt."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench import bases, chain, registry
from workbench.chain import Link, Part
from workbench.compare import judged_by
from workbench.curves import Line, family_of
from workbench.data.mixing import SOURCE
from workbench.metric import metric
from workbench.result import Run
from workbench.statistics import Interval, mean_interval
from workbench.store import Store
from workbench.study import SOURCES, Study

GENERAL = "general"
BEST_BASE = "best"


@dataclass(frozen=True)
class Column:
    """A test part under one metric. `key` is that of Result.elsewhere."""

    key: str
    title: str
    metric: str


@dataclass(frozen=True)
class StudyRow:
    """One method of one hop over its seeds. `base` says in words what it went on from, by the
    number of that row in the table.
    `cells` have the score on each column, `changes` how much it has changed since the hop that learnt that part. `ways` are
    the same scores hop by hop on the way here; `last` says that nothing goes on from here."""

    key: str
    hop: int
    hop_title: str
    label: str
    method: str
    base: str
    run_ids: tuple[str, ...]
    seeds: tuple[int, ...]
    states: Mapping[str, int]
    reasons: tuple[str, ...]
    own: str
    cells: Mapping[tuple[str, str], Interval] = field(default_factory=dict)
    changes: Mapping[tuple[str, str], Interval] = field(default_factory=dict)
    backward_transfer: Interval | None = None
    general_perplexity: Interval | None = None
    forgetting: Interval | None = None
    ways: Mapping[tuple[str, str], tuple[tuple[int, Interval], ...]] = field(default_factory=dict)
    way: tuple[str, ...] = ()
    last: bool = True


@dataclass(frozen=True)
class StudyTable:
    study: Study
    columns: tuple[Column, ...]
    rows: tuple[StudyRow, ...]
    start: Mapping[tuple[str, str], float] = field(default_factory=dict)
    start_general: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def seeds(self) -> int:
        return max((len(row.seeds) for row in self.rows), default=0)


def table(store: Store, study: Study) -> StudyTable | None:
    """The table of a chain or of a mix; None for a learning curve, which has its own."""
    if study.kind == chain.KIND:
        return _Chain(store, study).table()
    return sources_table(store, study) if study.kind == SOURCES else None


class _Chain:
    """What the rows of a chain need to know of each other."""

    def __init__(self, store: Store, study: Study) -> None:
        assert study.record is not None
        self.study, self.record = study, study.record
        self.links: list[Link] = chain.links(study.record)
        self.hops = dict(study.record.runs)
        self.runs = {run.id: run for run in store.runs(ids=list(self.hops))}
        self.base = {run.id: bases.base_of(store, run) for run in self.runs.values()}
        self.columns = _columns([link.part for link in self.links])

    def table(self) -> StudyTable:
        grouped: dict[str, list[Run]] = {}
        for run in sorted(self.runs.values(), key=lambda run: self.hops[run.id]):
            grouped.setdefault(self._key(run), []).append(run)
        first = self.runs.get(self.record.runs[0][0])
        started = first.result if first else None
        start = dict(started.elsewhere_start) if started else {}
        general = start.get(GENERAL, {}).get("perplexity")
        numbers = {run.id: number for number, runs in enumerate(grouped.values(), 1) for run in runs}
        rows = [self._row(key, runs, general, numbers) for key, runs in grouped.items()]
        return StudyTable(
            self.study,
            tuple(self.columns),
            tuple(rows),
            {
                (one.key, one.metric): start[one.key][one.metric]
                for one in self.columns
                if one.metric in start.get(one.key, {})
            },
            general,
            self._notes(),
        )

    def _key(self, run: Run) -> str:
        """The way that a run came: hop and choice, after those of its base. The best of several is one way."""
        hop, choice = self.hops[run.id], run.spec.choice.id
        ids = bases.named(run.spec.setting.model)
        if not ids:
            return f"{hop}:{choice}"
        if len(ids) > 1:
            return f"{BEST_BASE}/{hop}:{choice}"
        base = self.runs.get(ids[0])
        return f"{self._key(base) if base else ids[0]}/{hop}:{choice}"

    def _row(
        self, key: str, runs: Sequence[Run], general: float | None, numbers: Mapping[str, int]
    ) -> StudyRow:
        latest = {run.spec.seed: run for run in runs if run.state == "finished" and run.result}
        finished = list(latest.values())
        hop = self.hops[runs[0].id]
        part = self.links[hop].part
        cells: dict[tuple[str, str], Interval] = {}
        changes: dict[tuple[str, str], Interval] = {}
        for one in self.columns:
            cell = _interval([self.score(run, one) for run in finished])
            if cell is not None:
                cells[one.key, one.metric] = cell
            change = _interval([self._change(run, one) for run in finished])
            if change is not None:
                changes[one.key, one.metric] = change
        perplexity = [_general(run) for run in finished]
        known = [value for value in perplexity if value is not None]
        return StudyRow(
            key=key,
            hop=hop,
            hop_title=part.title,
            label=runs[0].label,
            method=runs[0].spec.choice.method,
            base=self._base_words(runs, numbers),
            run_ids=tuple(run.id for run in runs),
            seeds=tuple(sorted(latest)),
            states={state: sum(run.state == state for run in runs) for state in {run.state for run in runs}},
            reasons=tuple(dict.fromkeys(run.reason.message for run in runs if run.reason)),
            own=part.key,
            cells=cells,
            changes=changes,
            backward_transfer=_interval([self._backward(run) for run in finished]),
            general_perplexity=_interval(perplexity),
            forgetting=_interval([math.log(value / general) for value in known]) if general else None,
            ways={(one.key, one.metric): self._way(finished, one) for one in self.columns},
            way=tuple(run.label for run in (*reversed(self.ancestors(runs[0])), runs[0])),
            last=not any(
                base is not None and base.id in {run.id for run in runs} for base in self.base.values()
            ),
        )

    def _way(self, runs: Sequence[Run], column: Column) -> tuple[tuple[int, Interval], ...]:
        """The scores on one column of these runs and of those that they went on from, by number of the hop from 1."""
        by_hop: dict[int, list[float | None]] = {}
        for run in runs:
            for one in (*reversed(self.ancestors(run)), run):
                by_hop.setdefault(self.hops[one.id] + 1, []).append(self.score(one, column))
        found = [(hop, _interval(values)) for hop, values in by_hop.items()]
        return tuple((hop, cell) for hop, cell in found if cell is not None)

    def score(self, run: Run, column: Column) -> float | None:
        if run.result is None:
            return None
        scores = dict(run.result.elsewhere.get(column.key, {}))
        if self.links[self.hops[run.id]].part.key == column.key:
            scores |= run.result.metrics
        return scores.get(column.metric)

    def ancestors(self, run: Run) -> list[Run]:
        """The runs on the way to this one, the nearest first."""
        found: list[Run] = []
        here = self.base.get(run.id)
        while here is not None and here.id in self.runs:
            found.append(here)
            here = self.base.get(here.id)
        return found

    def _change(self, run: Run, column: Column) -> float | None:
        """The score on an earlier hop's test part, less what it was right after that hop."""
        if column.key == self.links[self.hops[run.id]].part.key:
            return None
        now = self.score(run, column)
        for earlier in self.ancestors(run):
            if self.links[self.hops[earlier.id]].part.key == column.key:
                before = self.score(earlier, column)
                return None if now is None or before is None else now - before
        return None

    def _backward(self, run: Run) -> float | None:
        """The mean change over the earlier hops whose score is a share: what continual learning calls backward transfer."""
        found = [
            change
            for one in self.columns
            if metric(one.metric).format == "share" and (change := self._change(run, one)) is not None
        ]
        return sum(found) / len(found) if found else None

    def _base_words(self, runs: Sequence[Run], numbers: Mapping[str, int]) -> str:
        link = self.links[self.hops[runs[0].id]]
        if link.after is None:
            return str(self.record.plan["model"])
        found = [base for run in runs if (base := self.base.get(run.id)) is not None]
        words = ", ".join(dict.fromkeys(f"{numbers.get(base.id, '?')} {base.label}" for base in found))
        several = any(len(bases.named(run.spec.setting.model)) > 1 for run in runs)
        title = self.links[link.after].part.title
        return f"best of {title}: {words or 'not known yet'}" if several else words or "a deleted run"

    def _notes(self) -> tuple[str, ...]:
        found = [
            f"{one['rows']:,} training rows of {self.links[one['trained']].part.title} stand in the test part of"
            f" {self.links[one['tested']].part.title}: scores there are too good."
            for one in self.record.plan["shared_rows"]
        ]
        found += dict.fromkeys(
            note
            for run in self.runs.values()
            if run.result
            for note in run.result.notes
            if note.startswith("Not scored on")
        )
        return tuple(found)


def sources_table(store: Store, study: Study) -> StudyTable:
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
            cell = _interval([scored[run.id].get(title) for run in latest.values()])
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


def lines(found: StudyTable, column: Column) -> list[Line]:
    """The score on one column along each way: x is the number of the hop from 1, y the mean, with intervals where there
    are several seeds. The model that the chain begins with stands at 0 where it was scored."""
    start = found.start.get((column.key, column.metric))
    drawn = []
    places: dict[str, int] = {}
    labels = _short_labels([row for row in found.rows if row.last])
    for end in (row for row in found.rows if row.last):
        points = list(end.ways.get((column.key, column.metric), ()))
        if not points:
            continue
        if start is not None:
            points.insert(0, (0, Interval(start, None, None, 1)))
        family = family_of(end.method)
        places[family] = places.get(family, -1) + 1
        nan = float("nan")
        drawn.append(
            Line(
                key=end.key,
                label=labels[end.key],
                family=family,
                x=tuple(float(hop) for hop, _ in points),
                y=tuple(cell.mean for _, cell in points),
                low=tuple(nan if cell.low is None else cell.low for _, cell in points),
                high=tuple(nan if cell.high is None else cell.high for _, cell in points),
                seeds=max(cell.n for _, cell in points),
                place=places[family],
            )
        )
    return drawn


def _short_labels(ends: Sequence[StudyRow]) -> dict[str, str]:
    """What tells the ways apart: their methods where these differ. Where they end tells the rest."""
    longest = max((len(end.way) for end in ends), default=0)
    differ = [
        place
        for place in range(longest)
        if len({end.way[place] if place < len(end.way) else None for end in ends}) > 1
    ]
    labels = {}
    for end in ends:
        words = dict.fromkeys(end.way[place] for place in differ if place < len(end.way))
        labels[end.key] = " → ".join(words) or end.label
    return labels


def _columns(parts: Sequence[Part]) -> list[Column]:
    """One for each distinct test part; of texts that are read, perplexity besides, and where classifiers have the labels of
    several hops, their accuracy within those of the part."""
    found: dict[tuple[str, str], Column] = {}
    for part in parts:
        task = registry.task(part.task)
        names = [task.judged_by(task.options.from_dict(part.task_options))]
        names += ["perplexity"] if part.task == chain.READ else []
        names += ["told_accuracy"] if set(part.own_labels) < set(part.labels) else []
        for name in names:
            found.setdefault((part.key, name), Column(part.key, part.title, name))
    return list(found.values())


def _general(run: Run) -> float | None:
    return run.result.elsewhere.get(GENERAL, {}).get("perplexity") if run.result else None


def _interval(values: Sequence[float | None]) -> Interval | None:
    """Over seeds; None unless all of them were measured."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return mean_interval(known) if known and len(known) == len(values) else None


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
