"""The table of a chain: a row for each way through it, with the changes since each hop along that very way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from workbench import bases, chain, registry
from workbench.chain import Link, Part
from workbench.metric import metric
from workbench.result import Run
from workbench.statistics import Interval
from workbench.store import Store
from workbench.study import Study
from workbench.study_table import Column, StudyRow, StudyTable, interval

GENERAL = "general"
BEST_BASE = "best"


def build(store: Store, study: Study) -> StudyTable:
    return _Chain(store, study).table()


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
            cell = interval([self.score(run, one) for run in finished])
            if cell is not None:
                cells[one.key, one.metric] = cell
            change = interval([self._change(run, one) for run in finished])
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
            backward_transfer=interval([self._backward(run) for run in finished]),
            general_perplexity=interval(perplexity),
            forgetting=interval([math.log(value / general) for value in known]) if general else None,
            ways={(one.key, one.metric): self._way(finished, one) for one in self.columns},
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
        found = [(hop, interval(values)) for hop, values in by_hop.items()]
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
