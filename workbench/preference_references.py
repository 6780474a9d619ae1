"""Reference rows of a preference table: the longer answer wins, words alone tell which is better.

For the reward: the nearest example's chosen answer, and the given chosen answers themselves. No deep learning is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench import checkers, ratings
from workbench.tasks.generation import spread

if TYPE_CHECKING:
    from workbench.data import Prepared

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
Scores = Callable[[Sequence[str]], list[float]]


def records(prepared: Prepared, options: Any) -> list[dict[str, Any]]:
    """One record per reference. Those that weigh the given answers have no answers of their own, and the other way round."""
    from workbench.tasks._preference_options import ACCURACY

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
    texts, ms = [one["text"] for one in said], times[len(times) // 2]
    title = "Copy the nearest example"
    found.append(_answering(prepared, options, by_reward, "nearest", title, texts, learnt, ms))
    given = [row.get(ratings.GOOD) for row in _test(prepared, options)]
    if None not in given:
        title = "The chosen answers themselves"
        found.append(_answering(prepared, options, by_reward, "chosen", title, given, None, None))
    return found


def asked(prepared: Prepared) -> Callable[[str], dict[str, Any]]:
    """The chosen answer of the nearest training example, for any prompt; never one that was found bad."""
    from workbench import completion_references

    rows = {
        part: [{**row, "completion": row[ratings.GOOD]} for row in found if ratings.GOOD in row]
        for part, found in prepared.rows.items()
    }
    return completion_references.asked(replace(prepared, rows=rows))


def _test(prepared: Prepared, options: Any) -> list[Any]:
    rows = prepared.rows["test"]
    return [rows[i] for i in spread(len(rows), options.test_answers)]


def _lengths(texts: Sequence[str]) -> list[float]:
    return [float(len(text)) for text in texts]


def _words(prepared: Prepared) -> tuple[Scores, float]:
    """Logistic regression on the words of answers, of pairs on the difference of both; its strength picked by the
    validation part."""
    from scipy.sparse import vstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train = prepared.rows["train"]
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2 if len(train) > 50 else 1)
    vectors.fit([row[name] for row in train for name in (ratings.GOOD, ratings.BAD) if name in row])
    pairs = [row for row in train if not ratings.is_single(row)]
    singles = [row for row in train if ratings.is_single(row)]
    known, answers = [], []
    if pairs:
        chosen, rejected = (
            vectors.transform([r[name] for r in pairs]) for name in (ratings.GOOD, ratings.BAD)
        )
        known += [chosen - rejected, rejected - chosen]
        answers += [1] * len(pairs) + [0] * len(pairs)
    if singles:
        known.append(vectors.transform([row[ratings.side(row)] for row in singles]))
        answers += [int(ratings.GOOD in row) for row in singles]

    def fitted(strength: float) -> Scores:
        # Without an intercept the score of a pair is the difference of its answers' scores.
        model = LogisticRegression(C=strength, fit_intercept=False, max_iter=2000).fit(vstack(known), answers)
        return lambda texts: [float(value) for value in model.decision_function(vectors.transform(texts))]

    tried = {strength: fitted(strength) for strength in STRENGTHS}
    check = prepared.rows.get("validation") or train
    best = max(STRENGTHS, key=lambda strength: sum(_preferred(tried[strength], check)))
    return tried[best], best


def _preferred(scores: Scores, rows: Sequence[Any]) -> list[float]:
    """Each pair's mark, and that of each answer that was rated by itself."""
    first = scores([row[ratings.side(row)] for row in rows])
    second = scores([row.get(ratings.BAD, "") for row in rows])
    marks = [1.0 if one > other else 0.5 if one == other else 0.0 for one, other in zip(first, second)]
    singles = [place for place, row in enumerate(rows) if ratings.is_single(row)]
    ranked = ratings.ranked(
        [first[place] for place in singles], [ratings.GOOD in rows[place] for place in singles]
    )
    for place, (share, _) in zip(singles, ranked):
        marks[place] = share
    return marks


def _weighing(
    prepared: Prepared,
    options: Any,
    by_reward: bool,
    method: str,
    label: str,
    scores: Scores,
    settings: dict[str, Any],
    train_seconds: float,
) -> dict[str, Any]:
    rows = _test(prepared, options)
    begun = time.perf_counter()
    marks = _preferred(scores, rows)
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
