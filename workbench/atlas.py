"""The shipped atlas: comparisons that the project itself ran of every method, kept as files with environment and date.

`workbench atlas` makes them. They are read, never mixed with a visitor's runs: they are in no store.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from workbench import presets
from workbench.compare import Comparison
from workbench.comparison_rows import Row
from workbench.home import shipped
from workbench.presets import Preset
from workbench.replay import machine_words, versions
from workbench.statistics import Interval

FORMAT = 1
COLUMNS = (
    "trainable_parameters",
    "trainable_share",
    "peak_memory_bytes",
    "train_seconds",
    "latency_ratio",
    "merged_latency_ratio",
    "adapter_bytes",
)
"""What the atlas keeps besides the score."""


@dataclass(frozen=True)
class AtlasRow:
    """A method's row, or a reference. Cells that were not measured are absent."""

    label: str
    method: str
    family: str
    seeds: int
    cells: Mapping[str, Interval]
    letters: str = ""
    reasons: tuple[str, ...] = ()
    reference: bool = False


@dataclass(frozen=True)
class Sheet:
    """One comparison of the atlas. `left_out`: methods that can't serve the model, with the reason."""

    name: str
    title: str
    recorded_at: str
    machine: str
    versions: Mapping[str, str]
    task: str
    data: str
    model: str
    budget: str
    metric: str
    seeds: int
    rows: tuple[AtlasRow, ...]
    left_out: Mapping[str, str]
    format: int = FORMAT

    @property
    def methods(self) -> list[AtlasRow]:
        return [row for row in self.rows if not row.reference]

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, name: str) -> Self:
        """A sheet from its file. ValueError where it is none, or of a newer format."""
        try:
            values = json.loads(text)
            if values["format"] > FORMAT:
                raise ValueError(f"{name} is a sheet of a newer workbench: update this one")
            known = {field.name for field in fields(cls)}
            rows = tuple(_row_from(one) for one in values["rows"])
            return cls(**{k: v for k, v in values.items() if k in known and k != "rows"}, rows=rows)
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{name} is no sheet of the atlas: {error}") from None


def plans() -> list[Preset]:
    """What `workbench atlas` runs: every preset beside the atlas's files."""
    return [presets.load(path) for path in sorted(folder().glob("*.yaml"))]


def folder() -> Path:
    return shipped("assets") / "atlas"


def sheet(preset: Preset, found: Comparison, left_out: Mapping[str, str] | None = None) -> Sheet:
    """A finished comparison as it ships. ValueError while runs are still under way or none has finished."""
    if any(not run.is_final for run in found.runs):
        raise ValueError(f"the runs of {preset.name} are not done yet: a sheet is made of finished runs")
    done = [run for run in found.runs if run.state == "finished"]
    if not done:
        raise ValueError(f"no run of {preset.name} has finished: there is nothing to keep")
    budget = found.setting.budget
    ended = max(run.ended_at or run.created_at for run in done)
    keep = (found.metric, *COLUMNS)
    return Sheet(
        name=preset.name,
        title=preset.title,
        recorded_at=datetime.datetime.fromtimestamp(ended, datetime.UTC).date().isoformat(),
        machine=machine_words(done[0]),
        versions=versions(done[0]),
        task=found.setting.task,
        data=found.setting.data.source,
        model=found.setting.model,
        budget=f"{budget.amount:g} {budget.kind}",
        metric=found.metric,
        seeds=len({run.spec.seed for run in done}),
        rows=tuple(_kept(row, keep) for row in (*found.rows, *found.references)),
        left_out=dict(left_out or {}),
    )


@functools.cache
def sheets() -> tuple[Sheet, ...]:
    """Those that come with the workbench."""
    return tuple(
        Sheet.from_json(path.read_text(encoding="utf-8"), path.name)
        for path in sorted(folder().glob("*.json"))
    )


def _kept(row: Row, keep: Sequence[str]) -> AtlasRow:
    cells = {name: row.cells[name] for name in keep if name in row.cells}
    return AtlasRow(
        row.label, row.method, row.family, len(row.seeds), cells, row.letters, row.reasons, row.reference
    )


def _row_from(values: Mapping[str, Any]) -> AtlasRow:
    cells = {name: Interval(**cell) for name, cell in values["cells"].items()}
    known = {field.name for field in fields(AtlasRow)} - {"cells", "reasons"}
    kept = {k: v for k, v in values.items() if k in known}
    return AtlasRow(**kept, cells=cells, reasons=tuple(values.get("reasons", ())))
