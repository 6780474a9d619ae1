"""Reference rows of a classification table, without deep learning: the majority class, and TF-IDF with logistic
regression. They show whether fine-tuning pays at all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.data import Prepared

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
LATENCY_TEXTS = 50


def records(prepared: Prepared) -> list[dict[str, Any]]:
    """One record per reference, with per-example outcomes on the test part."""
    return [_majority(prepared), _tfidf(prepared)]


def _majority(prepared: Prepared) -> dict[str, Any]:
    begun = time.perf_counter()
    counts = Counter(row["label"] for row in prepared.rows["train"])
    total = sum(counts.values())
    # Of equally common labels the first by name, so that the row is the same on every machine.
    label = min(counts, key=lambda name: (-counts[name], name))
    shares = [round(counts[name] / total, 6) for name in prepared.spec.labels]
    seconds = time.perf_counter() - begun

    def predict(part: str) -> list[dict[str, Any]]:
        return [
            {"label": row["label"], "predicted": label, "probabilities": shares}
            for row in prepared.rows[part]
        ]

    return _record(prepared, "majority", "Majority class", {"predicted": label}, predict, seconds, None)


def _tfidf(prepared: Prepared) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, gold = _columns(prepared, "train")
    begun = time.perf_counter()
    vectors, features = fitted_vectors(texts)
    best: tuple[float, float, Any] | None = None
    for strength in STRENGTHS:
        classifier = LogisticRegression(C=strength, max_iter=2000).fit(features, gold)
        pipeline = make_pipeline(vectors, classifier)
        score = _score(prepared, _predict(prepared, pipeline, "validation"))["accuracy"]
        if best is None or score > best[0]:
            best = (score, strength, pipeline)
    seconds = time.perf_counter() - begun
    assert best is not None
    _, strength, pipeline = best
    return _record(
        prepared,
        "tfidf",
        "TF-IDF + logistic regression",
        {"C": strength, "ngram_range": [1, 2], "sublinear_tf": True, "min_df": vectors.min_df},
        lambda part: _predict(prepared, pipeline, part),
        seconds,
        _latency(pipeline, _columns(prepared, "test")[0]),
    )


def fitted_vectors(texts: Sequence[str], rarest: Sequence[int] = (2, 1)) -> tuple[Any, Any]:
    """A fitted vectoriser and the features: words that stand in two texts, or where there are none, in one; where there
    are no words, characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    for least in rarest:
        vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=least)
        try:
            return vectors, vectors.fit_transform(texts)
        except ValueError:
            continue  # no words left
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
    return vectors, vectors.fit_transform(texts)


def _predict(prepared: Prepared, pipeline: Any, part: str) -> list[dict[str, Any]]:
    texts, gold = _columns(prepared, part)
    known = {label: i for i, label in enumerate(pipeline.classes_)}
    outcomes = []
    for label, row in zip(gold, pipeline.predict_proba(texts)):
        shares = [float(row[known[name]]) if name in known else 0.0 for name in prepared.spec.labels]
        best = max(range(len(shares)), key=shares.__getitem__)
        outcomes.append(
            {
                "label": label,
                "predicted": prepared.spec.labels[best],
                "probabilities": [round(share, 6) for share in shares],
            }
        )
    return outcomes


def _latency(pipeline: Any, texts: Sequence[str]) -> float:
    """Median milliseconds of one text, from its words to its probabilities."""
    pipeline.predict_proba([texts[0]])
    times = []
    for text in texts[:LATENCY_TEXTS]:
        begun = time.perf_counter()
        pipeline.predict_proba([text])
        times.append((time.perf_counter() - begun) * 1000)
    return sorted(times)[len(times) // 2]


def _record(
    prepared: Prepared,
    method: str,
    label: str,
    options: dict[str, Any],
    predict: Callable[[str], list[dict[str, Any]]],
    train_seconds: float,
    latency_ms: float | None,
) -> dict[str, Any]:
    outcomes = predict("test")
    return {
        "method": method,
        "label": label,
        "options": options,
        "metrics": _score(prepared, outcomes),
        "validation": _score(prepared, predict("validation")),
        "train_seconds": train_seconds,
        "latency_ms_p50": latency_ms,
        "peak_memory_bytes": None,
        "outcomes": outcomes,
    }


def _score(prepared: Prepared, outcomes: Sequence[dict[str, Any]]) -> dict[str, float]:
    from workbench import scores

    gold, predicted = scores.numbers(outcomes, prepared.spec.labels)
    return {
        "accuracy": scores.accuracy(gold, predicted),
        "macro_f1": scores.macro_f1(gold, predicted, len(prepared.spec.labels)),
    }


def _columns(prepared: Prepared, part: str) -> tuple[list[str], list[str]]:
    rows = prepared.rows[part]
    return [row["text"] for row in rows], [row["label"] for row in rows]


def asked(prepared: Prepared, record: Mapping[str, Any]) -> Callable[[str], dict[str, Any]]:
    """What TF-IDF says of a text: the reference row's pipeline once more, made as its record says."""
    pipeline = _pipeline(prepared, record["options"])

    def answer(text: str) -> dict[str, Any]:
        pipeline.predict_proba([text])
        begun = time.perf_counter()
        shares = pipeline.predict_proba([text])[0]
        ms = (time.perf_counter() - begun) * 1000
        probabilities = {str(name): float(share) for name, share in zip(pipeline.classes_, shares)}
        label = max(probabilities, key=probabilities.__getitem__)
        return {"label": label, "probabilities": probabilities, "ms": ms}

    return answer


def _pipeline(prepared: Prepared, options: Mapping[str, Any]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectors = TfidfVectorizer(
        ngram_range=tuple(options["ngram_range"]),
        sublinear_tf=options["sublinear_tf"],
        min_df=options["min_df"],
    )
    return make_pipeline(vectors, LogisticRegression(C=options["C"], max_iter=2000)).fit(
        *_columns(prepared, "train")
    )
