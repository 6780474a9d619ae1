"""Which method to take, given what matters to the reader: aspects weighed over the rows, and a sentence that cites them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench import registry
from workbench.compare import Comparison
from workbench.comparison_rows import Row
from workbench.metric import metric
from workbench.report import format_value
from workbench.verdicts import amount

ASPECTS: Mapping[str, str] = {
    "score": "The score that ranks the table.",
    "memory": "Peak memory of training.",
    "latency": "Time of an answer against the base, merged where the method can be.",
    "size": "Bytes that must be kept for each result.",
    "simplicity": "Few options to set, and nothing beside the base when answering.",
}
USUAL = {"score": 5, "memory": 3, "latency": 2, "size": 1, "simplicity": 2}
MOST = 5
# Latency within so much of the base's is taken for the same.
SAME = 1.05


@dataclass(frozen=True)
class Place:
    """A row with its value from 0 (worst of the table in all that matters) to 1, and each aspect's own."""

    row: Row
    value: float
    aspects: Mapping[str, float]


@dataclass(frozen=True)
class Piece:
    """Words of the advice, and the key of the row that they rest on."""

    words: str
    row: str = ""


@dataclass(frozen=True)
class Advice:
    """What to take, why, and which rows say so; `row` is empty where nothing can be advised."""

    headline: str
    pieces: tuple[Piece, ...]
    row: str = ""
    family: str = "base"


def ranked(found: Comparison, weights: Mapping[str, float]) -> list[Place]:
    """Rows with a score, best first by the weighted mean of their aspects; all weights 0 leave the table's order."""
    rows = [row for row in found.rows if row.mean(found.metric) is not None]
    scaled = {name: _scaled(name, rows, found) for name in ASPECTS}
    total = sum(max(0.0, weights.get(name, 0.0)) for name in ASPECTS)
    places = []
    for row in rows:
        own = {name: scaled[name][row.key] for name in ASPECTS}
        value = (
            sum(max(0.0, weights.get(name, 0.0)) * own[name] for name in ASPECTS) / total if total else 0.0
        )
        places.append(Place(row, value, own))
    return sorted(places, key=lambda place: -place.value)


def advise(found: Comparison, weights: Mapping[str, float] = USUAL) -> Advice:
    """One method, what it gives up against the best score, what it saves, and what speaks for the next one."""
    places = ranked(found, weights)
    if not places:
        return Advice(
            "Nothing to advise yet", (Piece("An advice stands here once two methods have finished."),)
        )
    if len(places) == 1:
        only = places[0].row
        words = f"Only {only.label} has finished: an advice compares two."
        return Advice("Nothing to advise yet", (Piece(words, only.key),))
    chosen, best = places[0].row, max((place.row for place in places), key=lambda row: _good(row, found))
    merges = _merged(chosen) is not None
    headline = f"Take {chosen.label}{', and merge it' if merges and _slower(chosen) else ''}."
    pieces = [_against_best(found, chosen, best), *_savings(chosen, best)]
    if (served := _served(chosen)) is not None:
        pieces.append(served)
    if (next_one := _next(found, chosen, [place.row for place in places[1:]])) is not None:
        pieces.append(next_one)
    yardstick = next((row for row in found.references if row.key == found.yardstick), None)
    if yardstick is not None:
        beaten = {place.row.key for place in places if _beats(found, yardstick, place.row)}
        if len(beaten) == len(places):
            words = (
                f"None of the {len(places)} methods reaches it: more rows or a larger base model come first."
            )
            return Advice(f"Stay with {yardstick.label} on this data.", (Piece(words, yardstick.key),))
        if chosen.key in beaten:
            words = f"But {yardstick.label} beats it: on this data that is the better cheap choice."
            pieces.append(Piece(words, yardstick.key))
    return Advice(headline, tuple(pieces), chosen.key, chosen.family)


def _against_best(found: Comparison, chosen: Row, best: Row) -> Piece:
    score = found.metric
    if chosen.key == best.key:
        return Piece(f"It has the best {metric(score).title} of the table.", chosen.key)
    pair = found.pair(best.key, chosen.key)
    if pair is not None and pair.told_apart:
        return Piece(f"{best.label} beats it by {amount(pair.difference.mean, score)}.", best.key)
    if pair is None or pair.p is None:
        return Piece(f"With one seed each nobody can say whether {best.label} is better.", best.key)
    return Piece(f"It cannot be told from {best.label}.", best.key)


def _savings(chosen: Row, best: Row) -> list[Piece]:
    if chosen.key == best.key:
        return []
    said = []
    for column, words in (
        ("peak_memory_bytes", "It needs {} instead of {}."),
        ("adapter_bytes", "Its file has {} instead of {}."),
    ):
        own, other = chosen.mean(column), best.mean(column)
        if own and other and own < 0.9 * other:
            known = metric(column)
            said.append(Piece(words.format(format_value(own, known), format_value(other, known)), chosen.key))
    return said


def _served(row: Row) -> Piece | None:
    plain, merged = row.mean("latency_ratio"), _merged(row)
    if plain is None or plain <= SAME:
        return None
    if merged is not None and merged <= SAME:
        return Piece(f"Merged it adds no latency ({merged:.2f} × the base; {plain:.2f} × before).", row.key)
    return Piece(f"It answers more slowly: {plain:.2f} × the base.", row.key)


def _next(found: Comparison, chosen: Row, others: Sequence[Row]) -> Piece | None:
    """The best of the others that would save memory or time, and what it costs."""
    own = chosen.mean("peak_memory_bytes")
    for row in others[:3]:
        memory = row.mean("peak_memory_bytes")
        if own is None or memory is None or memory > 0.9 * own:
            continue
        pair = found.pair(chosen.key, row.key)
        saved = format_value(own - memory, metric("peak_memory_bytes"))
        if pair is not None and pair.told_apart:
            lost = amount(pair.difference.mean, found.metric)
            word = "loses" if pair.difference.mean > 0 else "gains"
            return Piece(f"{row.label} would save {saved} more and {word} {lost}.", row.key)
        return Piece(
            f"{row.label} would save {saved} more; whether it costs anything cannot be told yet.", row.key
        )
    return None


def _beats(found: Comparison, first: Row, second: Row) -> bool:
    """Whether the first is better, as far as the data can tell."""
    pair = found.pair(first.key, second.key)
    return pair is not None and pair.told_apart and pair.difference.mean > 0


def _scaled(name: str, rows: Sequence[Row], found: Comparison) -> dict[str, float]:
    """From 0, the worst of the table, to 1; what was not measured counts as the worst."""
    values = {row.key: _value(name, row, found) for row in rows}
    known = [value for value in values.values() if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    scaled = {}
    for key, value in values.items():
        scaled[key] = 0.0 if value is None else 1.0 if high == low else (value - low) / (high - low)
    return scaled


def _value(name: str, row: Row, found: Comparison) -> float | None:
    """The more the better; costs by their logarithm, since twice as much is twice as much at any size."""
    if name == "score":
        return _good(row, found)
    if name == "simplicity":
        return _simplicity(row)
    if name == "latency":
        merged = _merged(row)
        cost = merged if merged is not None else row.mean("latency_ratio")
    else:
        cost = row.mean({"memory": "peak_memory_bytes", "size": "adapter_bytes"}[name])
    return -math.log(cost) if cost and cost > 0 else None


def _good(row: Row, found: Comparison) -> float:
    mean = row.mean(found.metric) or 0.0
    return -mean if metric(found.metric).better == "lower" else mean


def _merged(row: Row) -> float | None:
    return row.mean("merged_latency_ratio")


def _slower(row: Row) -> bool:
    return (row.mean("latency_ratio") or 0.0) > SAME


def _simplicity(row: Row) -> float:
    """Each option is something that could be set wrongly; what does not fold into the base counts as five of them."""
    known = registry.methods().get(row.method)
    if known is None:
        return -20.0
    beside = 0 if known.mergeable or known.family in ("whole", "selected") else 5
    plain = [fact for fact in known.options.facts() if not fact.advanced]
    return -float(len(plain) + beside)
