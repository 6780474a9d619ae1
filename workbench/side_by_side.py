"""One text before one model at a time: a run, its base, or TF-IDF. Called in a child process, so that the page stays light."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any

from workbench.store import Store

BASE, TFIDF = "base", "tfidf"


def ask(store_folder: str, who: str, run_id: str, text: str) -> dict[str, Any]:
    """The answer of the run, of its base (`who` is "base") or of TF-IDF on the run's data (`who` is "tfidf")."""
    from workbench.inference import answer

    store = Store(store_folder)
    if who == TFIDF:
        return _tfidf_answer(store.data_folder(store.run(run_id).spec.setting.data.fingerprint), text)
    if who == BASE:
        return answer(store, [run_id], text, with_base=True)[0]
    return answer(store, [run_id], text, with_base=False)[0]


def _tfidf_answer(folder: Path, text: str) -> dict[str, Any]:
    pipeline = _tfidf(folder)
    pipeline.predict_proba([text])
    begun = time.perf_counter()
    shares = pipeline.predict_proba([text])[0]
    ms = (time.perf_counter() - begun) * 1000
    probabilities = {str(name): float(share) for name, share in zip(pipeline.classes_, shares)}
    return {
        "run_id": TFIDF,
        "label": max(probabilities, key=probabilities.__getitem__),
        "probabilities": probabilities,
        "ms": ms,
        "live": None,
        "truncated": False,
        "reason": None,
    }


@functools.lru_cache(maxsize=4)
def _tfidf(folder: Path) -> Any:
    """The reference row's pipeline once more: its record says how it was made."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from workbench.data import load_prepared
    from workbench.references import reference_results

    prepared = load_prepared(folder)
    options = next(r for r in reference_results(prepared, folder) if r["method"] == TFIDF)["options"]
    vectors = TfidfVectorizer(
        ngram_range=tuple(options["ngram_range"]),
        sublinear_tf=options["sublinear_tf"],
        min_df=options["min_df"],
    )
    rows = prepared.rows["train"]
    return make_pipeline(vectors, LogisticRegression(C=options["C"], max_iter=2000)).fit(
        [row["text"] for row in rows], [row["label"] for row in rows]
    )
