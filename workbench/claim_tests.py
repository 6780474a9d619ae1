"""What claims are made of: predicates over rows of a table that give a verdict with figures, or say which runs are missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from workbench.claims import USUAL_SEEDS, Evidence, Judged, Predicate
from workbench.comparison_rows import Row, finished_by_seed, measured
from workbench.metric import metric
from workbench.presets import MethodChoice
from workbench.statistics import Interval, mean_interval, more_needed
from workbench.verdicts import amount, interval_words

# The same in every run of a choice: one of them says it all.
EXACT = ("trainable_share", "trainable_parameters", "method_parameters", "adapter_bytes", "peak_memory_bytes")


def needed(*choices: MethodChoice, seeds: int = USUAL_SEEDS, why: str = "") -> Judged:
    """Cannot tell: these runs are missing."""
    names = " and ".join(dict.fromkeys(choice.choice().label for choice in choices))
    each = "a run" if seeds == 1 else f"{seeds} seeds"
    return Judged("cannot_tell", why or f"Needs {each} of {names}.", (), choices, seeds)


def choice_of(row: Row) -> MethodChoice:
    """The choice behind a row, to run it again with further seeds."""
    return MethodChoice(row.method, row.options, row.learning_rate)


def share_below(method: str, bound: float, *, at_least: float = 0.0) -> Predicate:
    """The method trains less than `bound` of all weights (or at least so much), in every row that it has."""

    def judge(evidence: Evidence) -> Judged:
        rows = [
            r for r in evidence.found.rows if r.method == method and r.mean("trainable_share") is not None
        ]
        if not rows:
            return needed(MethodChoice(method), seeds=1)
        shares = {row.key: row.mean("trainable_share") or 0.0 for row in rows}
        outside = [row for row in rows if not at_least <= shares[row.key] < bound]
        row = outside[0] if outside else max(rows, key=lambda one: shares[one.key])
        of = f" (the most of {len(rows)} rows)" if len(rows) > 1 and not outside else ""
        why = f"{row.label} trains {percent(shares[row.key])} of all weights{of}."
        return Judged("refuted" if outside else "supported", why, (row.key,))

    return judge


def cost_within(method: str, column: str, low: float, high: float, words: str) -> Predicate:
    """The interval of a cost lies within bounds (supported), outside (refuted), or across one (cannot tell)."""

    def judge(evidence: Evidence) -> Judged:
        row = evidence.row(method)
        if row is None or row.mean(column) is None:
            return needed(MethodChoice(method))
        cell = bounds(evidence, row, column)
        if cell.low is None or cell.high is None:
            why = f"{row.label}: {cell.mean:.2f} × the base, measured once. Needs {USUAL_SEEDS} seeds."
            return needed(choice_of(row), why=why)
        why = f"{row.label}: {cell.mean:.2f} × the base (95 % {cell.low:.2f} to {cell.high:.2f}); {words}."
        if low <= cell.low and cell.high <= high:
            return Judged("supported", why, (row.key,))
        if cell.high < low or cell.low > high:
            return Judged("refuted", why, (row.key,))
        return Judged(
            "cannot_tell", f"{why} More seeds would tell.", (row.key,), (choice_of(row),), len(row.seeds) + 3
        )

    return judge


def better(first: MethodChoice, second: MethodChoice) -> Predicate:
    """The first method scores higher, on the same test rows, with the variance of seeds and rows in it."""

    def judge(evidence: Evidence) -> Judged:
        return judge_better(evidence, pick(evidence, first), pick(evidence, second), first, second)

    return judge


def judge_better(
    evidence: Evidence, a: Row | None, b: Row | None, first: MethodChoice, second: MethodChoice
) -> Judged:
    score = evidence.found.metric
    pair = evidence.found.pair(a.key, b.key) if a and b else None
    if a is None or b is None or pair is None or pair.difference.low is None or pair.difference.high is None:
        return needed(*_kept(a, first), *_kept(b, second))
    found = pair.difference
    higher = a.label if found.mean >= 0 else b.label
    why = f"{higher} is ahead by {amount(found.mean, score)} (95 % {interval_words(found, score)}, {found.seeds} seeds)."
    keys = (a.key, b.key)
    if found.low is not None and found.low > 0:
        return Judged("supported", why, keys)
    if found.high is not None and found.high < 0:
        return Judged("refuted", why, keys)
    more, _ = more_needed(found)
    seeds = found.seeds + min(more or 5, 20)
    return Judged("cannot_tell", why, keys, (choice_of(a), choice_of(b)), seeds)


def nearly_as_good(first: MethodChoice, second: MethodChoice, margin: float) -> Predicate:
    """The first method is worse by at most `margin` (a share), as its whole interval says."""

    def judge(evidence: Evidence) -> Judged:
        a, b = pick(evidence, first), pick(evidence, second)
        score = evidence.found.metric
        if metric(score).format != "share":
            return Judged(
                "cannot_tell", f"Says nothing of {metric(score).title.lower()}: it is about points."
            )
        pair = evidence.found.pair(a.key, b.key) if a and b else None
        if a is None or b is None or pair is None or pair.difference.low is None:
            return needed(*_kept(a, first), *_kept(b, second))
        found, keys = pair.difference, (a.key, b.key)
        why = (
            f"{a.label} against {b.label}: 95 % {interval_words(found, score)} points, where {100 * margin:g} would be"
            f" much ({found.seeds} seeds)."
        )
        if found.low is not None and found.low > -margin:
            return Judged("supported", why, keys)
        if found.high is not None and found.high < -margin:
            return Judged("refuted", why, keys)
        return Judged("cannot_tell", why, keys, (choice_of(a), choice_of(b)), found.seeds + 3)

    return judge


def costs_more(first: MethodChoice, second: MethodChoice, column: str) -> Predicate:
    """The first method has the higher figure, seed by seed."""

    def judge(evidence: Evidence) -> Judged:
        a, b = pick(evidence, first), pick(evidence, second)
        if a is None or b is None or a.mean(column) is None or b.mean(column) is None:
            return needed(*_kept(a, first), *_kept(b, second), seeds=1 if column in EXACT else USUAL_SEEDS)
        found = seed_difference(evidence, a, b, column)
        title = metric(column).title.lower()
        figures = f"{_figure(a.mean(column), column)} against {_figure(b.mean(column), column)}"
        keys = (a.key, b.key)
        why = f"{title[0].upper()}{title[1:]} of {a.label}: {figures}"
        if column in EXACT:
            return Judged("supported" if found.mean > 0 else "refuted", f"{why}.", keys)
        if found.low is None or found.high is None:
            return needed(
                choice_of(a), choice_of(b), why=f"{why}, measured once. Needs {USUAL_SEEDS} seeds of both."
            )
        why += f" (difference, 95 %: {_figure(found.low, column)} to {_figure(found.high, column)}, {found.n} seeds)."
        if found.low > 0:
            return Judged("supported", why, keys)
        if found.high < 0:
            return Judged("refuted", why, keys)
        return Judged("cannot_tell", why, keys, (choice_of(a), choice_of(b)), found.n + 3)

    return judge


def all_of(*parts: Predicate) -> Predicate:
    """Several things at once: refuted by any of them, supported by all."""

    def judge(evidence: Evidence) -> Judged:
        told = [part(evidence) for part in parts]
        order: Mapping[str, int] = {"refuted": 0, "cannot_tell": 1, "supported": 2}
        worst = min(told, key=lambda one: order[one.ruling])
        needs = () if worst.ruling == "refuted" else _together(one.needs for one in told)
        seeds = max((one.seeds for one in told), default=1)
        rows = tuple(dict.fromkeys(key for one in told for key in one.rows))
        return Judged(worst.ruling, " ".join(one.why for one in told), rows, needs, seeds)

    return judge


def pick(evidence: Evidence, choice: MethodChoice) -> Row | None:
    """The row of a choice: its options as far as they are named."""
    return evidence.row(choice.method, **choice.options)


def bounds(evidence: Evidence, row: Row, column: str) -> Interval:
    """Over seeds; of one seed, over the rounds in which it was measured."""
    cell = row.cells[column]
    if cell.low is not None:
        return cell
    for run in finished_by_seed([r for r in evidence.found.runs if r.id in row.run_ids]).values():
        low = getattr(run.result, f"{column}_low", None)
        high = getattr(run.result, f"{column}_high", None)
        if low is not None and high is not None:
            return Interval(cell.mean, low, high, 1)
    return cell


def seed_difference(evidence: Evidence, a: Row, b: Row, column: str) -> Interval:
    """First minus second on their common seeds; of the means where they have none in common."""
    values = []
    for row in (a, b):
        runs = finished_by_seed([run for run in evidence.found.runs if run.id in row.run_ids])
        values.append({seed: measured(run, column) for seed, run in runs.items()})
    pairs = [(values[0][s], values[1][s]) for s in sorted(set(values[0]) & set(values[1]))]
    differences = [x - y for x, y in pairs if x is not None and y is not None]
    if not differences:
        return Interval((a.mean(column) or 0.0) - (b.mean(column) or 0.0), None, None, 1)
    return mean_interval(differences)


def percent(share: float) -> str:
    value = 100 * share
    return f"{value:.0f} %" if value >= 10 else f"{value:.2g} %"


def _figure(value: float | None, column: str) -> str:
    from workbench.report import format_value

    known = metric(column)
    unit = f" {known.unit}" if known.unit else ""
    return (format_value(value, known) + unit).replace("-", "\u2212")


def _kept(row: Row | None, choice: MethodChoice) -> Sequence[MethodChoice]:
    return (choice_of(row),) if row is not None else (choice,)


def _together(needs: Iterable[Sequence[MethodChoice]]) -> tuple[MethodChoice, ...]:
    found: dict[str, MethodChoice] = {}
    for group in needs:
        for choice in group:
            found.setdefault(choice.choice().id, choice)
    return tuple(found.values())


def median_share(families: Sequence[str], supported: float, refuted: float) -> Predicate:
    """Half of the methods of these families train at most so much, the head apart."""

    def judge(evidence: Evidence) -> Judged:
        shares: dict[str, float] = {}
        for row in evidence.found.rows:
            count, total = row.mean("method_parameters"), row.mean("total_parameters")
            if row.family in families and count is not None and total:
                shares[row.key] = count / total
        if not shares:
            return needed(MethodChoice("lora"), MethodChoice("ia3"), MethodChoice("prefix"), seeds=1)
        ordered = sorted(shares.values())
        middle = ordered[(len(ordered) - 1) // 2]
        most = max(shares, key=lambda key: shares[key])
        label = next(row.label for row in evidence.found.rows if row.key == most)
        why = (
            f"Half of {len(shares)} rows train at most {percent(middle)} of the weights, the head apart; {label} trains"
            f" {percent(shares[most])}."
        )
        ruling = "supported" if middle <= supported else "refuted" if middle > refuted else "cannot_tell"
        return Judged(ruling, why, (most,))  # type: ignore[arg-type]

    return judge


def joined_error(*intervals: Interval) -> float:
    """Half the width of the interval of a sum of independent figures."""
    return math.sqrt(sum((one.half_width or 0.0) ** 2 for one in intervals))
