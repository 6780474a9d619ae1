"""Reference rows of a generation table: copy the completion of the most alike training prompt, or say the most frequent
one. They need no deep learning, and show whether fine-tuning pays at all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from workbench import text_scores
from workbench.tasks.generation import GenerationOptions, details, spread
from workbench.templates import transcript

if TYPE_CHECKING:
    from workbench.data import Prepared

LATENCY_TEXTS = 50
BLOCK = 256


def records(prepared: Prepared, options: GenerationOptions) -> list[dict[str, Any]]:
    """One record per reference, with per-example outcomes on the test rows that the runs answer too."""
    begun = time.perf_counter()
    frequent = most_frequent(prepared)
    counted = time.perf_counter() - begun
    begun = time.perf_counter()
    nearest = _Nearest(prepared)
    learnt = time.perf_counter() - begun
    return [
        _record(
            prepared,
            options,
            "most_frequent",
            "Most frequent completion",
            lambda prompts: [frequent] * len(prompts),
            counted,
            None,
        ),
        _record(
            prepared,
            options,
            "nearest",
            "Copy the nearest example",
            nearest.copy,
            learnt,
            _latency(nearest, _prompts(prepared, "test")),
        ),
    ]


def most_frequent(prepared: Prepared) -> str:
    """Of equally common completions the first by name, so that the row is the same on every machine."""
    counts = Counter(row["completion"] for row in prepared.rows["train"])
    return min(counts, key=lambda text: (-counts[text], text))


def asked(prepared: Prepared) -> Callable[[str], dict[str, Any]]:
    """The nearest example's completion for any prompt."""
    nearest = _Nearest(prepared)

    def answer(text: str) -> dict[str, Any]:
        begun = time.perf_counter()
        (found,) = nearest.copy([text])
        return {"text": found, "ms": (time.perf_counter() - begun) * 1000}

    return answer


class _Nearest:
    """TF-IDF over the training prompts; of equally near ones the first."""

    def __init__(self, prepared: Prepared) -> None:
        from workbench.label_references import fitted_vectors

        self.completions = [row["completion"] for row in prepared.rows["train"]]
        self.vectors, self.known = fitted_vectors(_prompts(prepared, "train"), rarest=(1,))

    def copy(self, prompts: Sequence[str]) -> list[str]:
        asked = self.vectors.transform(prompts)
        found: list[str] = []
        for begin in range(0, len(prompts), BLOCK):  # a table of all against all would not fit into memory
            likeness = (asked[begin : begin + BLOCK] @ self.known.T).toarray()
            found += [self.completions[int(place)] for place in likeness.argmax(axis=1)]
        return found


def _prompts(prepared: Prepared, part: str) -> list[str]:
    return [transcript(row) for row in prepared.rows[part]]


def _latency(nearest: _Nearest, prompts: Sequence[str]) -> float:
    """Median milliseconds of one answer."""
    times = []
    for prompt in prompts[:LATENCY_TEXTS]:
        begun = time.perf_counter()
        nearest.copy([prompt])
        times.append((time.perf_counter() - begun) * 1000)
    return sorted(times)[len(times) // 2]


def _record(
    prepared: Prepared,
    options: GenerationOptions,
    method: str,
    label: str,
    say: Callable[[Sequence[str]], list[str]],
    train_seconds: float,
    latency_ms: float | None,
) -> dict[str, Any]:
    def outcomes(part: str) -> list[dict[str, Any]]:
        rows, prompts = prepared.rows[part], _prompts(prepared, part)
        limit = options.test_answers if part == "test" else options.validation_answers
        places = spread(len(rows), limit)
        said = say([prompts[i] for i in places])
        return [_outcome(rows[i], text, options) for i, text in zip(places, said)]

    test = outcomes("test")
    return {
        "method": method,
        "label": label,
        "options": {},
        "metrics": {**text_scores.scores(test), "perplexity": None},
        "validation": text_scores.scores(outcomes("validation")),
        **details(test, ()),
        "train_seconds": train_seconds,
        "latency_ms_p50": latency_ms,
        "peak_memory_bytes": None,
        "outcomes": test,
    }


def _outcome(row: Any, text: str, options: GenerationOptions) -> dict[str, Any]:
    kept = {name: row[name] for name in ("kind", "answer") if name in row}
    return {
        "prompt": row["prompt"],
        "references": text_scores.references(row),
        **kept,
        "output": text,
        **text_scores.row_scores(text, row, options.answer_pattern),
    }
