"""The table of a study: a row for each hop and method, a column for each test part, changes since that part was learnt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workbench import chain
from workbench.curves import Line, family_of
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
    from workbench import chain_table, source_table

    if study.kind == chain.KIND:
        return chain_table.build(store, study)
    return source_table.build(store, study) if study.kind == SOURCES else None


def lines(found: StudyTable, column: Column) -> list[Line]:
    """The score on one column along each way: x is the number of the hop from 1, y the mean, with intervals where there
    are several seeds. The model that the chain begins with stands at 0 where it was scored."""
    start = found.start.get((column.key, column.metric))
    drawn = []
    places: dict[str, int] = {}
    for number, end in enumerate(found.rows, 1):
        if not end.last:
            continue
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
                label=f"{number} {end.label}",  # as the table numbers its rows
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


def interval(values: Sequence[float | None]) -> Interval | None:
    """Over seeds; None unless all of them were measured."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return mean_interval(known) if known and len(known) == len(values) else None
