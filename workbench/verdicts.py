"""What may be said of two rows: paired tests on the same test rows, Holm over all of them, a sentence and group letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench import registry
from workbench.comparison_rows import Row
from workbench.marks import Marks, judged_by, marks_of
from workbench.metric import metric
from workbench.result import Run
from workbench.spec import Setting
from workbench.statistics import Difference, group_letters, holm, more_needed, paired_difference

ERROR_BARS = 0.05
REFERENCES = ("majority", "tfidf", "most_frequent", "nearest", "xz", "ngram", "longer", "chosen")
MINUS = "\u2212"


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
    more_rows: int | None = None


@dataclass(frozen=True)
class Pair:
    """First minus second on common seeds and the same rows; `p` is Holm's adjusted one, None with one seed each."""

    difference: Difference
    p: float | None

    @property
    def told_apart(self) -> bool:
        return self.p is not None and self.p < ERROR_BARS

    def reversed(self) -> Pair:
        found = self.difference
        low, high = (None if bound is None else -bound for bound in (found.high, found.low))
        return Pair(replace(found, mean=-found.mean, low=low, high=high), self.p)


Pairs = Mapping[tuple[str, str], Pair]


def judge(
    rows: Sequence[Row],
    marks: Mapping[str, Marks | None],
    runs: Sequence[Run],
    records: Sequence[Mapping[str, Any]],
    references: Sequence[Row],
    setting: Setting,
) -> tuple[list[Row], list[Verdict], dict[tuple[str, str], Pair]]:
    """Compare every two rows on common seeds and the same test rows; letters and sentences follow Holm's adjustment."""
    by_row: dict[str, dict[int, Marks]] = {row.key: {} for row in rows}
    for run in runs:
        found = marks.get(run.id)
        if found is not None:
            by_row[run.spec.choice.id][run.spec.seed] = found
    scored = [row for row in rows if by_row[row.key]]
    among: dict[tuple[str, str], Difference] = {}
    for i, first in enumerate(scored):
        for second in scored[i + 1 :]:
            difference = _difference(by_row[first.key], by_row[second.key])
            if difference is not None:
                among[first.key, second.key] = difference
    against: dict[tuple[str, str], Difference] = {}
    for reference, record in zip(references, records):
        told = record.get("outcomes")
        own = marks_of(told, setting.task, setting.task_options) if told else None
        for row in scored if own is not None else ():
            difference = _difference(by_row[row.key], dict.fromkeys(by_row[row.key], own))
            if difference is not None:
                against[row.key, reference.key] = difference
    pairs = _adjusted(among) | _adjusted(against)
    labels = {row.key: row.label for row in (*rows, *references)}
    worth = _worth_saying(pairs, scored, references, registry.task(setting.task).yardstick)
    verdicts = [verdict(pair, pairs[pair], labels, judged_by(setting)) for pair in worth]
    return _with_letters(rows, scored, pairs), verdicts, pairs


def verdict(keys: tuple[str, str], pair: Pair, labels: Mapping[str, str], score: str) -> Verdict:
    """The sentence for one pair, with its interval, and what would tell more where it cannot be told."""
    first, second = labels[keys[0]], labels[keys[1]]
    found = pair.difference
    each = "" if keys[1] in REFERENCES else " each"
    apart = amount(found.mean, score)
    rows = f"on the same {found.rows:,} rows"
    if found.low is None or found.high is None or pair.p is None:
        sentence = f"Cannot tell {first} from {second}: {apart} apart with one seed{each}."
        detail = f"{rows[0].upper()}{rows[1:]}; one seed says nothing of how much luck is in it. Two more seeds would."
        return Verdict(first, second, *keys, "cannot_tell", found, sentence, detail, 2)
    bounds = f"95 % {interval_words(found, score)}, {rows}, {found.seeds} seeds{each}"
    if pair.told_apart:
        word, kind = ("beats", "beats") if found.mean > 0 else ("loses to", "loses")
        return Verdict(first, second, *keys, kind, found, f"{first} {word} {second} by {apart}.", bounds)
    # Holm asks more of each of many comparisons: the advice is for that stricter level.
    stricter = max(1.0, pair.p / found.p) if found.p else 1.0
    seeds, more_rows = more_needed(found, 1 - ERROR_BARS / stricter)
    would = _advice(seeds, more_rows)
    if found.low > 0 or found.high < 0:
        bounds += "; alone it would tell, but not among this many comparisons (Holm)"
    detail = (
        f"{bounds}. {would[0].upper() + would[1:]} would tell them apart."
        if would
        else f"{bounds}. More than 100 seeds would be needed."
    )
    sentence = f"Cannot tell {first} from {second}: {apart} apart."
    return Verdict(first, second, *keys, "cannot_tell", found, sentence, detail, seeds, more_rows)


def amount(difference: float, score: str) -> str:
    """A difference without its sign, in the score's own words: "4.1 points", "0.120 bits per byte"."""
    return f"{_written(abs(difference), score)} {unit_of(score)}"


def interval_words(found: Difference, score: str) -> str:
    """The bounds of a difference, with signs: "−1.3 to +0.9"."""
    bounds = [found.mean if bound is None else bound for bound in (found.low, found.high)]
    return " to ".join(_written(bound, score, "+") for bound in bounds)


def unit_of(score: str) -> str:
    """Of a difference: points of the score that is meant. Accuracy's need no name."""
    if metric(score).format != "share":
        return metric(score).title.lower()
    return "points" if score == "accuracy" else f"{metric(score).title} points"


def _written(difference: float, score: str, sign: str = "") -> str:
    """Of a share in points of a hundred."""
    share = metric(score).format == "share"
    text = f"{difference * 100:{sign}.1f}" if share else f"{difference:{sign}.3f}"
    return text.replace("-", MINUS)


def _advice(seeds: int | None, rows: int | None) -> str:
    parts = [
        f"about {seeds} more seed{'' if seeds == 1 else 's'}" if seeds else "",
        f"{rows:,} more test rows" if rows else "",
    ]
    return " or ".join(part for part in parts if part)


def _adjusted(pairs: Mapping[tuple[str, str], Difference]) -> dict[tuple[str, str], Pair]:
    """With Holm's adjusted p, within one family of questions: methods with each other, or with references."""
    told = {keys: found.p for keys, found in pairs.items() if found.p is not None}
    adjusted = dict(zip(told, holm(list(told.values()))))
    return {keys: Pair(found, adjusted.get(keys)) for keys, found in pairs.items()}


def _difference(first: Mapping[int, Marks | None], second: Mapping[int, Marks | None]) -> Difference | None:
    seeds = sorted(set(first) & set(second))
    pairs = [(first[s], second[s]) for s in seeds]
    good = [(a, b) for a, b in pairs if a is not None and b is not None and a.shape == b.shape and len(a)]
    if not good:
        return None
    return paired_difference(np.stack([a for a, _ in good]), np.stack([b for _, b in good]))


def _with_letters(rows: Sequence[Row], scored: Sequence[Row], pairs: Pairs) -> list[Row]:
    told = any(pair.p is not None and keys[1] not in REFERENCES for keys, pair in pairs.items())
    if not told or len(scored) < 2:
        return list(rows)
    keys = [row.key for row in scored]

    def differs(i: int, j: int) -> bool:
        pair = pairs.get((keys[i], keys[j])) or pairs.get((keys[j], keys[i]))
        return pair is not None and pair.told_apart

    letters = dict(zip(keys, group_letters(len(keys), differs)))
    return [replace(row, letters=letters.get(row.key, "")) for row in rows]


def _worth_saying(
    pairs: Pairs, scored: Sequence[Row], references: Sequence[Row], yardstick: str
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
