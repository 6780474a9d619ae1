"""Scores of generated texts over sacrebleu and rouge-score, several references allowed; shares from 0 to 1.

Also the answer that is found in a text, perplexity, and scores by kind of row.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

Row = Mapping[str, Any]

# Scripts that are written without spaces, of which each character counts as a word.
UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"


def references(row: Row) -> list[str]:
    """All texts that would be right."""
    return [str(text) for text in row.get("references") or [row["completion"]]]


def row_scores(output: str, row: Row, answer_pattern: str) -> dict[str, float]:
    """The scores that mean something for a single row."""
    right = references(row)
    found: dict[str, float] = {
        "exact_match": exact_match(output, right),
        "chrf": round(sentence_chrf(output, right), 6),
        "rouge_l": round(rouge_l(output, right), 6),
    }
    if row.get("answer") is not None:
        found["answer_match"] = answer_match(output, row["answer"], answer_pattern)
    return found


def scores(outcomes: Sequence[Row]) -> dict[str, float]:
    """Of rows that have an output, by the plain functions: no deep-learning library is imported."""
    outputs, right = [o["output"] for o in outcomes], [references(o) for o in outcomes]
    return {name: formula(outputs, right) for name, formula in FORMULAS.items()} | answers_right(outcomes)


def answers_right(outcomes: Sequence[Row]) -> dict[str, float]:
    """`answer_match` where rows have an answer to compare with."""
    matched = [o["answer_match"] for o in outcomes if "answer_match" in o]
    return {"answer_match": sum(matched) / len(matched)} if matched else {}


def by_kind(outcomes: Sequence[Row]) -> dict[str, dict[str, float]]:
    """The same for the rows of each kind, where rows have one, with their number."""
    kinds: dict[str, list[Row]] = {}
    for outcome in outcomes:
        if outcome.get("kind") is not None:
            kinds.setdefault(str(outcome["kind"]), []).append(outcome)
    found = {}
    for kind, rows in sorted(kinds.items()):
        answered = [row for row in rows if "output" in row]
        found[kind] = {
            "rows": float(len(rows)),
            **(scores(answered) if answered else {}),
            **({"perplexity": perplexity(rows)} if any("nats" in row for row in rows) else {}),
        }
    return found


def perplexity(outcomes: Sequence[Row]) -> float:
    """Of the given completions: e to the nats per token, over all tokens of all rows."""
    known = [o for o in outcomes if o.get("nats") is not None]
    tokens = sum(o["tokens"] for o in known)
    mean = sum(o["nats"] for o in known) / tokens if tokens else math.nan
    return math.exp(mean) if not mean > 700 else math.inf


def exact_match(output: str, right: Sequence[str]) -> float:
    """1 where the output is one of the references; runs of white space count as one space."""
    return float(" ".join(output.split()) in {" ".join(text.split()) for text in right})


def exact_matches(outputs: Sequence[str], right: Sequence[Sequence[str]]) -> float:
    return sum(exact_match(o, r) for o, r in zip(outputs, right)) / len(outputs)


def sentence_chrf(output: str, right: Sequence[str]) -> float:
    """chrF (character n-grams to 6, recall weighing twice) of one output against its best reference."""
    if not output:
        return 0.0
    return float(_chrf().sentence_score(output, list(right)).score) / 100


def chrf(outputs: Sequence[str], right: Sequence[Sequence[str]]) -> float:
    """chrF over the whole part, as sacrebleu's corpus score counts it."""
    return float(_chrf().corpus_score(list(outputs), streams(right)).score) / 100


def bleu(outputs: Sequence[str], right: Sequence[Sequence[str]]) -> float:
    """sacrebleu's corpus BLEU; texts without spaces between words are cut into characters."""
    from sacrebleu.metrics.bleu import BLEU

    text = "".join(r[0] for r in right)
    unspaced = len(re.findall(f"[{UNSPACED}]", text)) > 0.3 * max(1, len(text))
    score = BLEU(tokenize="zh" if unspaced else "13a").corpus_score(list(outputs), streams(right))
    return float(score.score) / 100


def rouge_l(output: str, right: Sequence[str]) -> float:
    """F-measure of the longest common subsequence of words, against the best reference."""
    return max(_rouge().score(text, output)["rougeL"].fmeasure for text in right)


def rouge_ls(outputs: Sequence[str], right: Sequence[Sequence[str]]) -> float:
    """The mean over rows."""
    return float(sum(rouge_l(o, r) for o, r in zip(outputs, right)) / len(outputs))


FORMULAS: dict[str, Callable[[Sequence[str], Sequence[Sequence[str]]], float]] = {
    "chrf": chrf,
    "rouge_l": rouge_ls,
    "bleu": bleu,
    "exact_match": exact_matches,
}


def streams(right: Sequence[Sequence[str]]) -> list[Any]:
    """References as sacrebleu takes them: the first of each row, the second of each, ...; None where a row has fewer."""
    most = max(map(len, right))
    return [[texts[place] if place < len(texts) else None for texts in right] for place in range(most)]


def answer_match(output: str, answer: Any, pattern: str) -> float:
    """1 where the last answer that `pattern` finds in the output is the right one; numbers by their value."""
    found = re.findall(pattern, output)
    return float(bool(found) and _same(str(found[-1]), str(answer)))


def _same(found: str, right: str) -> bool:
    numbers = [_number(text) for text in (found, right)]
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0] == numbers[1]
    return " ".join(found.split()).casefold() == " ".join(right.split()).casefold()


def _number(text: str) -> Decimal | None:
    plain = text.strip().rstrip(".").replace(",", "").lstrip("$€£").strip()
    try:
        value = Decimal(plain)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


@functools.cache
def _chrf() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


@functools.cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_Words())


class _Words:
    """rouge-score's own words for plain English; letters of other scripts count too."""

    def tokenize(self, text: str) -> list[str]:
        return re.findall(f"[{UNSPACED}]|[^\\W_{UNSPACED}]+", text.lower())
