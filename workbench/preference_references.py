"""Reference rows of a preference table: the longer answer wins, words alone tell which is better.

For the reward: the nearest example's chosen answer, and the given chosen answers themselves. No deep learning is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench import checkers
from workbench.tasks.generation import spread

if TYPE_CHECKING:
    from workbench.data import Prepared

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
Margins = Callable[[Sequence[Any]], list[float]]


def records(prepared: Prepared, options: Any) -> list[dict[str, Any]]:
    """One record per reference. Those that weigh the given answers have no answers of their own, and the other way round."""
    from workbench.tasks.preference import ACCURACY

    by_reward = options.judge_by not in ("auto", ACCURACY)
    begun = time.perf_counter()
    words, strength = _words(prepared)
    learnt = time.perf_counter() - begun
    found = [
        _weighing(prepared, options, by_reward, "longer", "The longer answer", _lengths, {}, 0.0),
        _weighing(
            prepared, options, by_reward, "tfidf", "Words alone (TF-IDF)", words, {"C": strength}, learnt
        ),
    ]
    begun = time.perf_counter()
    copy = asked(prepared)
    learnt = time.perf_counter() - begun
    said = [copy(row["prompt"]) for row in _test(prepared, options)]
    times = sorted(one["ms"] for one in said)
    return [
        *found,
        _answering(
            prepared,
            options,
            by_reward,
            "nearest",
            "Copy the nearest example",
            [one["text"] for one in said],
            learnt,
            times[len(times) // 2],
        ),
        _answering(
            prepared,
            options,
            by_reward,
            "chosen",
            "The chosen answers themselves",
            [row["chosen"] for row in _test(prepared, options)],
            None,
            None,
        ),
    ]


def asked(prepared: Prepared) -> Callable[[str], dict[str, Any]]:
    """The chosen answer of the nearest training example, for any prompt."""
    from workbench import completion_references

    rows = {
        part: [{**row, "completion": row["chosen"]} for row in found] for part, found in prepared.rows.items()
    }
    return completion_references.asked(replace(prepared, rows=rows))


def _test(prepared: Prepared, options: Any) -> list[Any]:
    rows = prepared.rows["test"]
    return [rows[i] for i in spread(len(rows), options.test_answers)]


def _lengths(rows: Sequence[Any]) -> list[float]:
    return [float(len(row["chosen"]) - len(row["rejected"])) for row in rows]


def _words(prepared: Prepared) -> tuple[Margins, float]:
    """Logistic regression on the difference of both answers' words; its strength picked by the validation part."""
    from scipy.sparse import vstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train = prepared.rows["train"]
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2 if len(train) > 50 else 1)
    vectors.fit([row[name] for row in train for name in ("chosen", "rejected")])

    def apart(rows: Sequence[Any]) -> Any:
        chosen, rejected = (vectors.transform([row[name] for row in rows]) for name in ("chosen", "rejected"))
        return chosen - rejected

    known = apart(train)
    both, answers = vstack([known, -known]), [1] * len(train) + [0] * len(train)

    def fitted(strength: float) -> Margins:
        model = LogisticRegression(C=strength, fit_intercept=False, max_iter=2000).fit(both, answers)
        return lambda rows: [float(value) for value in model.decision_function(apart(rows))]

    tried = {strength: fitted(strength) for strength in STRENGTHS}
    check = prepared.rows.get("validation") or train
    best = max(STRENGTHS, key=lambda strength: sum(_preferred(tried[strength](check))))
    return tried[best], best


def _preferred(margins: Sequence[float]) -> list[float]:
    return [1.0 if margin > 0 else 0.5 if margin == 0 else 0.0 for margin in margins]


def _weighing(
    prepared: Prepared,
    options: Any,
    by_reward: bool,
    method: str,
    label: str,
    margins: Margins,
    settings: dict[str, Any],
    train_seconds: float,
) -> dict[str, Any]:
    rows = _test(prepared, options)
    begun = time.perf_counter()
    marks = _preferred(margins(rows))
    per_row = (time.perf_counter() - begun) * 1000 / max(1, len(rows))
    accuracy = {"preference_accuracy": sum(marks) / len(marks)}
    outcomes = [{"prompt": row["prompt"], "preferred": mark} for row, mark in zip(rows, marks)]
    return _record(method, label, accuracy, [] if by_reward else outcomes, train_seconds, per_row, settings)


def _answering(
    prepared: Prepared,
    options: Any,
    by_reward: bool,
    method: str,
    label: str,
    said: Sequence[str],
    train_seconds: float | None,
    latency_ms: float | None,
) -> dict[str, Any]:
    metrics: dict[str, float] = {}
    outcomes: list[dict[str, Any]] = []
    if options.checker not in (checkers.AUTO, checkers.NONE):
        reward = checkers.checker(options.checker)
        outcomes = [
            {"prompt": row["prompt"], "output": text, "reward": float(reward(row["prompt"], text))}
            for row, text in zip(_test(prepared, options), said)
        ]
        metrics = {"mean_reward": sum(one["reward"] for one in outcomes) / len(outcomes)}
    return _record(method, label, metrics, outcomes if by_reward else [], train_seconds, latency_ms, {})


def _record(
    method: str,
    label: str,
    metrics: dict[str, float],
    outcomes: list[dict[str, Any]],
    train_seconds: float | None,
    latency_ms: float | None,
    options: dict[str, Any],
) -> dict[str, Any]:
    return {
        "method": method,
        "label": label,
        "options": options,
        "metrics": metrics,
        "validation": {},
        "train_seconds": train_seconds,
        "latency_ms_p50": latency_ms,
        "peak_memory_bytes": None,
        "outcomes": outcomes,
    }
