"""Score against the number of training rows: settings that differ in nothing else, their lines by method, and the references."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.compare import Comparison, comparison
from workbench.curves import Line, family_of
from workbench.data.augmenter import MARK
from workbench.spec import Setting, canonical_json
from workbench.store import Store

Compare = Callable[[str], Comparison]
# What a smaller training part changes in a data spec besides its fingerprint; the held-out rows are compared themselves.
_BY_SIZE = ("train_rows", "validation_rows", "test_rows", "fingerprint")
_REFERENCE_NAMES = {"majority": "Majority", "tfidf": "TF-IDF"}


@dataclass(frozen=True)
class LearningCurve:
    """`setting_ids` and `sizes` go together, smallest first. Lines have the sizes at which something finished as x and
    the mean test score over seeds as y; low and high are nan where there was one seed."""

    metric: str
    setting_ids: tuple[str, ...]
    sizes: tuple[int, ...]
    lines: tuple[Line, ...]
    references: tuple[Line, ...]

    @property
    def seeds(self) -> int:
        """The most seeds behind any point."""
        return max((line.seeds for line in self.lines), default=0)


def related(store: Store, setting_id: str, owner: str | None = None) -> list[str]:
    """The settings that differ from this one in their number of training rows alone, itself included; [] where there is
    no other."""
    return next((group for group in groups(store, owner) if setting_id in group), [])


def groups(store: Store, owner: str | None = None) -> list[list[str]]:
    """All such families of settings, each smallest first."""
    alike: dict[str, list[Setting]] = {}
    for setting, _ in store.settings(owner):
        wanted = _without_size(store, setting)
        if wanted is not None:
            alike.setdefault(wanted, []).append(setting)
    found = []
    for family in alike.values():
        sizes = {one.id: train_rows(store, one) for one in family}
        if len(set(sizes.values())) > 1:
            found.append(sorted(sizes, key=lambda one: sizes[one]))
    return found


def points(
    store: Store, setting_ids: Sequence[str], *, owner: str | None = None, compare: Compare | None = None
) -> LearningCurve:
    """The curve of these settings. `compare` saves computing comparisons that somebody has already."""
    compare = compare or (lambda one: comparison(store, one, owner=owner))
    found = [compare(one) for one in setting_ids]
    if not found:
        raise ValueError("a learning curve needs at least one setting; none was given")
    measured = sorted(((train_rows(store, one.setting), one) for one in found), key=lambda pair: pair[0])
    name = found[0].metric
    values: dict[str, list[tuple[int, Any]]] = {}
    references: dict[str, list[tuple[int, Any]]] = {}
    for size, one in measured:
        for row in one.rows:
            if name in row.cells:
                values.setdefault(row.key, []).append((size, row))
        for row in one.references:
            if name in row.cells:
                references.setdefault(row.key, []).append((size, row))
    places: dict[str, int] = {}
    lines = []
    for key, group in sorted(values.items(), key=lambda item: -item[1][-1][1].cells[name].mean):
        family = family_of(group[0][1].method)
        places[family] = places.get(family, -1) + 1
        lines.append(_line(key, group, name, family, places[family]))
    # The dashes of references, so that they never look like a method's solid line.
    known = [
        _line(key, references[key], name, "base", place)
        for place, key in ((1, "tfidf"), (2, "majority"))
        if key in references
    ]
    known += [
        _line(key, group, name, "base", 3) for key, group in references.items() if key not in _REFERENCE_NAMES
    ]
    return LearningCurve(
        name,
        tuple(one.setting.id for _, one in measured),
        tuple(size for size, _ in measured),
        tuple(lines),
        tuple(known),
    )


def train_rows(store: Store, setting: Setting) -> int:
    """How many real training rows the setting has: new ones of an augmentation don't count."""
    folder = store.data_folder(setting.data.fingerprint)
    try:
        return _count(folder / "train.jsonl", (folder / "train.jsonl").stat().st_mtime_ns)
    except FileNotFoundError:
        return setting.data.train_rows or 0


def to_text(curve: LearningCurve) -> str:
    """The curve as a table for a terminal: a line for each method, a column for each size."""
    heads = ["training rows", *(f"{size:,}" for size in curve.sizes)]
    rows = [[line.label, *_cells(line, curve.sizes)] for line in (*curve.lines, *curve.references)]
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in [heads, *rows]
    )


def _cells(line: Line, sizes: Sequence[int]) -> list[str]:
    texts = {}
    for i, (size, mean) in enumerate(zip(line.x, line.y)):
        half = (line.high[i] - line.low[i]) / 2 if line.high else float("nan")
        texts[size] = f"{100 * mean:.1f}" + (f" ±{100 * half:.1f}" if half == half else "")
    return [texts.get(size, "") for size in sizes]


def _line(key: str, group: Sequence[tuple[int, Any]], name: str, family: str, place: int) -> Line:
    cells = [row.cells[name] for _, row in group]
    seeds = max(cell.n for cell in cells)
    nan = float("nan")
    return Line(
        key=key,
        label=_REFERENCE_NAMES.get(key, group[-1][1].label),
        family=family,
        x=tuple(float(size) for size, _ in group),
        y=tuple(cell.mean for cell in cells),
        low=tuple(nan if cell.low is None else cell.low for cell in cells) if seeds > 1 else (),
        high=tuple(nan if cell.high is None else cell.high for cell in cells) if seeds > 1 else (),
        seeds=seeds,
        place=place,
    )


def _without_size(store: Store, setting: Setting) -> str | None:
    """Everything but the number of training rows, as text; None where the rows are gone."""
    values: dict[str, Any] = setting.to_dict()
    data: Mapping[str, Any] = values["data"]
    held_out = _held_out(store.data_folder(setting.data.fingerprint)) if setting.data.fingerprint else None
    if held_out is None:
        return None
    kept = {key: value for key, value in data.items() if key not in _BY_SIZE}
    return canonical_json({**values, "data": {**kept, "held_out": held_out}})


def _held_out(folder: Path) -> str | None:
    """A hash of the validation and test rows."""
    try:
        stamps = tuple((folder / f"{part}.jsonl").stat().st_mtime_ns for part in ("validation", "test"))
    except FileNotFoundError:
        return None
    return _hash(folder, stamps)


@functools.lru_cache(maxsize=512)
def _hash(folder: Path, stamps: tuple[int, ...]) -> str:
    del stamps  # part of the cache key
    parts = [(folder / f"{part}.jsonl").read_bytes() for part in ("validation", "test")]
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@functools.lru_cache(maxsize=512)
def _count(path: Path, stamp: int) -> int:
    del stamp  # part of the cache key
    with path.open(encoding="utf-8") as stream:
        return sum(MARK not in line or not json.loads(line).get(MARK) for line in stream)
