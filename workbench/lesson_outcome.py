"""What a lesson's runs say to its prediction: read from the store, whoever started them and however."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workbench.compare import Comparison
from workbench.comparison_rows import Row
from workbench.lessons import Asks, Lesson
from workbench.presets import Preset
from workbench.result import Run
from workbench.spec import Setting
from workbench.statistics import Difference
from workbench.store import Store
from workbench.verdicts import Pair


@dataclass(frozen=True)
class Place:
    """One choice of the prediction as it came out: its row, and the reference of its setting where it is judged by one.
    `size` is the number of training rows where that is what varies."""

    row: Row | None
    reference: Row | None = None
    size: int | None = None


@dataclass(frozen=True)
class Judged:
    """What may be said of the two rows on which the answer hangs. `told` is None where there is nothing to tell apart."""

    first: str
    second: str
    column: str
    difference: Difference | None
    told: bool | None


@dataclass(frozen=True)
class Outcome:
    """`happened` is the choice that came true; None until every run that it hangs on has finished."""

    places: tuple[Place, ...]
    happened: int | None = None
    judged: Judged | None = None


def settings_of(store: Store, preset: Preset, owner: str | None) -> list[Setting]:
    """The newest setting with runs of this preset for each size of its data, the smallest first."""
    sizes = preset.data.get("subsets") or (preset.data.get("train_rows"),)
    found: dict[int | None, Setting] = {}
    for setting, _ in store.settings(owner):
        size = setting.data.train_rows
        if size in sizes and size not in found and _is_of(setting, preset):
            found[size] = setting
    return [found[size] for size in sizes if size in found]


def runs_of(store: Store, preset: Preset, owner: str | None) -> list[Run]:
    """The runs of this preset, of every size: those of its methods and seeds, not what somebody added to the setting."""
    choices = {line.choice().id for line in preset.methods}
    return [
        run
        for setting in settings_of(store, preset, owner)
        for run in store.runs(setting_id=setting.id, owner=owner)
        if run.spec.choice.id in choices and run.spec.seed in preset.seeds
    ]


def outcome(lesson: Lesson, preset: Preset, found: Sequence[Comparison]) -> Outcome:
    """What happened, from the comparisons of the preset's settings, the smallest first."""
    asks = lesson.asks
    if asks.rule == "first_to_beat":
        return _first_to_beat(asks, preset, found)
    rows: list[Row | None] = [None] * len(preset.methods)
    if found:
        by_key = {row.key: row for row in found[0].rows}
        rows = [by_key.get(line.choice().id) for line in preset.methods]
    places = tuple(Place(row) for row in rows)
    scored = [row for row in rows if row is not None and _is_whole(row, asks.column, preset)]
    if not found or len(scored) < len(rows):
        return Outcome(places)
    return _RULES[asks.rule](asks, found[0], scored, places)


def _most(asks: Asks, found: Comparison, rows: Sequence[Row], places: tuple[Place, ...]) -> Outcome:
    sign = -1 if asks.rule == "least" else 1
    order = sorted(range(len(rows)), key=lambda i: -sign * _mean(rows[i], asks.column))
    judged = _judge(found, rows[order[0]], rows[order[1]], asks.column)
    return Outcome(places, order[0], judged)


def _enough(asks: Asks, found: Comparison, rows: Sequence[Row], places: tuple[Place, ...]) -> Outcome:
    means = [_mean(row, asks.column) for row in rows]
    # The tolerance of a rounding error: 0.80 is within 0.02 of 0.82.
    happened = next(i for i, mean in enumerate(means) if mean >= max(means) - asks.within - 1e-9)
    best = max(range(len(rows)), key=lambda i: means[i])
    if best == happened:
        return Outcome(places, happened, Judged(rows[best].label, "", asks.column, None, None))
    return Outcome(places, happened, _judge(found, rows[best], rows[happened], asks.column))


def _told_apart(asks: Asks, found: Comparison, rows: Sequence[Row], places: tuple[Place, ...]) -> Outcome:
    best = max(rows, key=lambda row: _mean(row, asks.column))
    others = [row for row in rows if row is not best]
    told = [row for row in others if _is_told(found.pair(best.key, row.key))]
    nearest = max(others, key=lambda row: _mean(row, asks.column))
    return Outcome(places, len(told), _judge(found, best, nearest, asks.column))


_RULES: dict[str, Callable[[Asks, Comparison, Sequence[Row], tuple[Place, ...]], Outcome]] = {
    "most": _most,
    "least": _most,
    "enough": _enough,
    "told_apart": _told_apart,
}


def _first_to_beat(asks: Asks, preset: Preset, found: Sequence[Comparison]) -> Outcome:
    key = preset.methods[0].choice().id
    by_size = {one.setting.data.train_rows: one for one in found}
    places: list[Place] = []
    for size in preset.data["subsets"]:
        one = by_size.get(size)
        row = next((row for row in one.rows if row.key == key), None) if one else None
        reference = next((r for r in one.references if r.key == asks.reference), None) if one else None
        places.append(Place(row, reference, size))
    happened = len(places)
    for i, place in enumerate(places):
        whole = place.row is not None and _is_whole(place.row, asks.column, preset)
        if not whole or place.row is None or place.reference is None:
            return Outcome(tuple(places))
        if happened == len(places) and _mean(place.row, asks.column) > _mean(place.reference, asks.column):
            happened = i
    told = places[min(happened, len(places) - 1)]
    assert told.row is not None
    assert told.reference is not None
    return Outcome(tuple(places), happened, _judge(by_size[told.size], told.row, told.reference, asks.column))


def _judge(found: Comparison, first: Row, second: Row, column: str) -> Judged:
    """By the paired test on the same rows where the column is what the setting is judged by; otherwise told apart only
    where the intervals over seeds don't touch."""
    if column == found.metric:
        pair = found.pair(first.key, second.key)
        return Judged(first.label, second.label, column, pair.difference if pair else None, _is_told(pair))
    a, b = first.cells[column], second.cells[column]
    difference = Difference(a.mean - b.mean, None, None, None, min(a.n, b.n), 0)
    bounds = (a.low, a.high, b.low, b.high)
    if any(bound is None for bound in bounds):
        return Judged(first.label, second.label, column, difference, False)
    a_low, a_high, b_low, b_high = (float(bound) for bound in bounds if bound is not None)
    return Judged(first.label, second.label, column, difference, a_low > b_high or b_low > a_high)


def _is_told(pair: Pair | None) -> bool:
    return pair is not None and pair.told_apart


def _is_whole(row: Row, column: str, preset: Preset) -> bool:
    """All seeds of the preset have finished, and the column was measured."""
    return set(preset.seeds) <= set(row.seeds) and row.mean(column) is not None


def _mean(row: Row, column: str) -> float:
    return row.cells[column].mean


def _is_of(setting: Setting, preset: Preset) -> bool:
    """Whether a setting is what the preset says, whatever the rows' fingerprint."""
    data = {name: preset.data.get(name) for name in ("source", "validation_rows", "test_rows")}
    options = setting.task_options
    return (
        (setting.task, setting.model) == (preset.task, preset.model)
        and all(getattr(setting.data, name) == value for name, value in data.items())
        and not (setting.data.mix or setting.data.augment or setting.data.fixes)
        and all(getattr(setting, name) == value for name, value in preset.setting.items())
        and all(options.get(name) == value for name, value in preset.task_options.items())
    )
