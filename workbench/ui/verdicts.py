"""What the numbers say: one sentence a line, its difference as a whisker on one shared scale, and what would tell more."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from workbench.compare import REFERENCES, Comparison, Verdict
from workbench.more_runs import MOST_SEEDS
from workbench.ui.parts import badge, button, difference
from workbench.ui.parts.numbers import MINUS
from workbench.ui.shown import in_sentence, is_share, times

SHOWN = 5


def verdicts_card(comparison: Comparison, *, every: bool = False) -> Markup:
    """The card. With one seed nothing can be said of methods, and it says so once."""
    found = comparison.verdicts
    shown = list(found) if every else worth_reading(found)
    unit = times(comparison.metric)
    limit = shared_limit(shown, unit)
    families = {row.key: row.family for row in comparison.rows}
    rows = Markup("").join(
        _row(verdict, limit, unit, families.get(verdict.first_key, "base")) for verdict in shown
    )
    one_seed = has_one_seed(comparison)
    if not found:
        rows = Markup('<p class="wb-two wb-verdict">{}</p>').format(_nothing_to_say(comparison))
    toggle = ""
    if len(found) > len(worth_reading(found)):
        toggle = button(
            "Show fewer" if every else f"Show all {len(found)}", "every", "" if every else "1", kind="quiet"
        )
    note = f"{len(shown)} of {len(found)} pairs" if len(shown) < len(found) else ""
    return Markup(
        '<section class="wb-card wb-verdicts"><div class="wb-head"><h2>What the numbers say</h2><span class="wb-space"></span>'
        '<span class="wb-note">{}</span>{}</div>{}{}{}</section>'
    ).format(
        note, toggle, _one_seed() if one_seed else "", rows, _axis(limit, comparison.metric) if shown else ""
    )


def has_one_seed(comparison: Comparison) -> bool:
    return bool(comparison.rows) and max(len(row.seeds) for row in comparison.rows) == 1


def worth_reading(verdicts: Sequence[Verdict], most: int = SHOWN) -> list[Verdict]:
    """The closest rivals of the best, the first that it beats, and what is said of a reference."""
    referred = [v for v in verdicts if v.second_key in REFERENCES]
    others = [v for v in verdicts if v.second_key not in REFERENCES]
    told = next((v for v in others if v.kind != "cannot_tell"), None)
    kept = others[: max(most - len(referred) - (told is not None), 1)]
    if told is not None and told not in kept:
        kept.append(told)
    wanted = [*kept, *referred]
    return [v for v in verdicts if v in wanted]


def shared_limit(verdicts: Sequence[Verdict], unit: float = 100.0) -> float:
    """The end of the scale, in points for shares: every difference and interval fits, since a cut one would look surer than it is."""
    widest = max(
        (
            abs(unit * value)
            for verdict in verdicts
            for value in (verdict.difference.mean, verdict.difference.low, verdict.difference.high)
            if value is not None
        ),
        default=1.0,
    )
    if unit == 1.0:
        power = 10.0 ** math.floor(math.log10(widest or 1.0))
        return next(step * power for step in (1.2, 2, 3, 5, 7, 11) if step * power >= 1.05 * widest)
    return float(
        next(step for step in (2, 4, 6, 8, 10, 15, 20, 30, 50, 75, 100) if step >= min(1.05 * widest, 100))
    )


def _row(verdict: Verdict, limit: float, unit: float, family: str) -> Markup:
    place = verdict.sentence.rfind(verdict.second) + len(verdict.second)
    head, tail = verdict.sentence[:place], verdict.sentence[place:].rstrip(".")
    found = verdict.difference
    low, high = (None if bound is None else unit * bound for bound in (found.low, found.high))
    return Markup(
        '<div class="wb-verdict"><div class="wb-grow"><div class="wb-verdict-words"><b>{}</b>{}</div><div class="wb-note">{}</div></div>{}'
        '<div class="wb-verdict-plot">{}</div></div>'
    ).format(
        head,
        tail,
        verdict.detail,
        _more(verdict),
        difference(unit * found.mean, low, high, limit, family, certain=verdict.kind != "cannot_tell"),
    )


def _more(verdict: Verdict) -> Markup:
    """The button that queues what would tell the two apart; with one seed the card has one for all."""
    seeds = verdict.more_seeds
    if verdict.kind != "cannot_tell" or not seeds or seeds > MOST_SEEDS or verdict.difference.low is None:
        return Markup("")
    both = "" if verdict.second_key in REFERENCES else f" and {verdict.second}"
    label = Markup('Queue {} seed{}<span class="wb-hidden"> for {}{}</span>').format(
        seeds, "" if seeds == 1 else "s", verdict.first, both
    )
    return button(label, "seeds", f"{verdict.first_key}:{verdict.second_key}:{seeds}")


def _one_seed() -> Markup:
    words = "Each method ran once, so nobody can say how much of a difference is luck."
    return Markup(
        '<div class="wb-one-seed">{}<span class="wb-two wb-small">{}</span><span class="wb-space"></span>{}</div>'
    ).format(
        badge("busy", "one seed: no error bars yet"),
        words,
        button("Queue 2 more seeds", "all_seeds", "2", kind="primary"),
    )


def _nothing_to_say(comparison: Comparison) -> str:
    finished = sum(run.state == "finished" for run in comparison.runs)
    if finished == 0:
        return "No run has finished yet. Sentences appear here as results come in."
    return "One method has finished so far. Sentences compare two."


def _axis(limit: float, score: str) -> Markup:
    named = in_sentence(score)
    words = f"difference in {named}, points" if is_share(score) else f"difference in {named}"
    texts = Markup("").join(
        Markup('<text x="{}" y="11" text-anchor="middle">{}</text>').format(x, text)
        for x, text in ((6, f"{MINUS}{limit:g}"), (82, "0"), (158, f"+{limit:g}"))
    )
    return Markup(
        '<div class="wb-verdict-axis wb-note" aria-hidden="true"><span>{}</span>'
        '<svg width="164" height="14">{}</svg></div>'
    ).format(words, texts)
