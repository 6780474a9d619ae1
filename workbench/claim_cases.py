"""Claims that need a predicate of their own: which rows stand for them, and what would refute them."""

from __future__ import annotations

from workbench.claim_tests import (
    better,
    choice_of,
    joined_error,
    judge_better,
    nearly_as_good,
    needed,
    percent,
)
from workbench.claims import USUAL_SEEDS, Evidence, Judged
from workbench.comparison_rows import Row
from workbench.metric import metric
from workbench.presets import MethodChoice
from workbench.statistics import Interval
from workbench.verdicts import amount

SMALL_RANK = 4
HARD = 0.9
QUERIES = ("query", "q_lin", "q_proj", "query_proj")
LOW_BITS = ("int2", "int4")
LORA = MethodChoice("lora")
LORA_4, DORA_4 = (MethodChoice(name, {"r": SMALL_RANK}) for name in ("lora", "dora"))


def weaker_on_hard(evidence: Evidence) -> Judged:
    """Hard is a task on which the best method stays below nine in ten."""
    score, best = evidence.found.metric, evidence.found.rows[0].mean(evidence.found.metric)
    if metric(score).format == "share" and best is not None and best >= HARD:
        why = f"Not hard for this model: the best row scores {percent(best)}; below {percent(HARD)} would be hard."
        return Judged("cannot_tell", why, (evidence.found.rows[0].key,))
    return better(LORA, MethodChoice("bitfit"))(evidence)


def better_at_small_rank(evidence: Evidence) -> Judged:
    """Both with the same rank of at most four; the smallest that both have."""
    for rank in range(1, SMALL_RANK + 1):
        first, second = evidence.row("dora", r=rank), evidence.row("lora", r=rank)
        if first and second:
            return judge_better(evidence, first, second, DORA_4, LORA_4)
    return needed(DORA_4, LORA_4, why=f"Needs {USUAL_SEEDS} seeds of both at rank {SMALL_RANK}.")


def one_rank_is_enough(evidence: Evidence) -> Judged:
    """LoRA on the query weight alone, rank 1 against rank 4."""

    def query_row(rank: int) -> Row | None:
        rows = [
            row
            for row in evidence.found.rows
            if row.method == "lora"
            and row.seeds
            and row.options.get("r") == rank
            and len(row.options.get("target_modules", ())) == 1
            and row.options["target_modules"][0] in QUERIES
        ]
        return max(rows, key=lambda row: len(row.seeds), default=None)

    one, four = query_row(1), query_row(4)
    if one is None or four is None:
        known = one or four
        target = known.options["target_modules"] if known else _query_name(evidence)
        why = f"Needs {USUAL_SEEDS} seeds of LoRA with rank 1 and 4 on the query weight alone."
        if not target:
            return Judged("cannot_tell", why)
        return needed(
            *(
                MethodChoice("lora", {"r": r, "lora_alpha": 2 * r, "target_modules": list(target)})
                for r in (1, 4)
            ),
            why=why,
        )
    return nearly_as_good(choice_of(one), choice_of(four), 0.02)(evidence)


def _query_name(evidence: Evidence) -> tuple[str, ...]:
    """What the embedded models call it; nobody is asked for others."""
    model = evidence.found.setting.model
    if not model.startswith("embedded:"):
        return ()
    return ("query",) if "encoder" in model else ("q_proj",)


def few_examples_help(evidence: Evidence) -> Judged:
    """With 50 to 100 training rows the best method beats always saying the commonest."""
    small = [(size, one) for size, one in evidence.by_size() if 50 <= size <= 100]
    if not small:
        return Judged("cannot_tell", _SIZES.format("50 to 100"))
    size, found = small[-1]
    references = [row for row in found.references if row.key in ("majority", "most_frequent")]
    if not found.rows or not references:
        return Judged("cannot_tell", f"With {size} training rows nothing has finished yet.")
    best, reference = found.rows[0], references[0]
    pair = found.pair(best.key, reference.key)
    if pair is None or pair.difference.low is None or pair.difference.high is None:
        return Judged("cannot_tell", f"With {size} training rows there is one seed; two more would tell.")
    found_difference = pair.difference
    why = f"With {size} training rows {best.label} is {amount(found_difference.mean, found.metric)} from {reference.label}."
    if pair.difference.low > 0:
        return Judged("supported", why, (best.key,))
    return Judged("refuted" if pair.difference.high < 0 else "cannot_tell", why, (best.key,))


def a_thousand_do_well(evidence: Evidence) -> Judged:
    """With about 1,000 rows nine tenths of the way from guessing to the score with at least twice as many."""
    sizes = list(evidence.by_size())
    near = [pair for pair in sizes if 800 <= pair[0] <= 1250]
    larger = [pair for pair in sizes if near and pair[0] >= 2 * near[-1][0]]
    if not near or not larger:
        return Judged("cannot_tell", _SIZES.format("about 1,000 and at least twice as many"))
    (size, found), (most, top) = near[-1], larger[-1]
    name = found.metric
    low = next((r.mean(name) for r in top.references if r.key in ("majority", "most_frequent")), None)
    here = found.rows[0].mean(name) if found.rows else None
    there = top.rows[0].mean(name) if top.rows else None
    if low is None or here is None or there is None or there <= low:
        return Judged("cannot_tell", "Not enough has finished at both sizes.")
    share = (here - low) / (there - low)
    why = (
        f"{size:,} rows reach {percent(share)} of what {most:,} rows add to guessing ({found.rows[0].label})."
    )
    return Judged("supported" if share >= 0.9 else "refuted", why, (found.rows[0].key,))


_SIZES = "Needs settings with {} training rows: run a preset with `data: {{source: ..., subsets: [...]}}`, such as few-shot."


def prompts_need_size(evidence: Evidence) -> Judged:
    """The gap between full fine-tuning and learned prompts shrinks from a smaller model to a larger one."""
    gaps: list[tuple[int, Interval, str]] = []
    for size, found in evidence.by_model():
        there = Evidence(found)
        full = there.row("full")
        prompt = there.row("prompt") or there.row("prefix")
        pair = found.pair(full.key, prompt.key) if full and prompt else None
        if prompt and pair and pair.difference.low is not None:
            d = pair.difference
            gaps.append((size, Interval(d.mean, d.low, d.high, d.seeds), prompt.label))
    if len(gaps) < 2 or gaps[-1][0] < 2 * gaps[0][0]:
        why = (
            "Needs the same setting on two base models, one at least twice as large, with full fine-tuning and prompt"
            " tuning on both."
        )
        own = Evidence(evidence.found)
        lacking = [c for c in (MethodChoice("full"), MethodChoice("prompt")) if own.row(c.method) is None]
        return Judged("cannot_tell", why, (), tuple(lacking), USUAL_SEEDS)
    (small, first, label), (large, last, _) = gaps[0], gaps[-1]
    shrunk, error = first.mean - last.mean, joined_error(first, last)
    score = evidence.found.metric
    why = (
        f"{label} is {amount(first.mean, score)} behind full fine-tuning with {small / 1e6:,.0f} M weights and"
        f" {amount(last.mean, score)} with {large / 1e6:,.0f} M."
    )
    ruling = "supported" if shrunk > error else "refuted" if shrunk < -error else "cannot_tell"
    return Judged(ruling, why)  # type: ignore[arg-type]


def trained_beats_rounded(evidence: Evidence) -> Judged:
    """Training that knows of the rounding against rounding afterwards, at the fewest bits that both have."""
    for scheme in LOW_BITS:
        trained, rounded = evidence.row("qat", scheme=scheme), evidence.row("ptq", scheme=scheme)
        if trained and rounded:
            return judge_better(evidence, trained, rounded, choice_of(trained), choice_of(rounded))
    return needed(MethodChoice("qat", {"scheme": "int2"}), MethodChoice("ptq", {"scheme": "int2"}))


def few_tokens_are_enough(evidence: Evidence) -> Judged:
    """UPFT within two points of supervised training, which saw at least twice as many tokens."""
    own, full = evidence.row("upft"), evidence.row("full") or evidence.row("lora")
    if own is None or full is None:
        return needed(MethodChoice("upft"), MethodChoice("full"))
    tokens = own.mean("trained_tokens"), full.mean("trained_tokens")
    if not tokens[0] or not tokens[1]:
        return Judged("cannot_tell", "The tokens learnt were not counted in these runs.", (own.key, full.key))
    share = tokens[0] / tokens[1]
    near = nearly_as_good(choice_of(own), choice_of(full), 0.02)(evidence)
    why = f"{own.label} learnt {percent(share)} of the tokens of {full.label}. {near.why}"
    if near.ruling == "supported" and share > 0.5:
        return Judged("refuted", why, near.rows)
    return Judged(near.ruling, why, near.rows, near.needs, near.seeds)
