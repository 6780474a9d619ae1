"""Scores of predicted labels, as `evaluate` metrics over scikit-learn that need no Hub.

The libraries are imported when the first score is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any


def accuracy(gold: Sequence[int], predicted: Sequence[int]) -> float:
    """Share of rows with the right label."""
    return _compute("accuracy", gold, predicted)


def macro_f1(gold: Sequence[int], predicted: Sequence[int], labels: int) -> float:
    """F1 averaged over all labels; a label that is neither there nor predicted counts as 0."""
    return _compute("macro_f1", gold, predicted, labels=labels)


def by_label(gold: Sequence[int], predicted: Sequence[int], labels: int) -> list[dict[str, float]]:
    """Precision, recall, F1 and number of rows of each label."""
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(gold, predicted, labels=list(range(labels)), zero_division=0)
    names = ("precision", "recall", "f1", "rows")
    return [{name: float(value) for name, value in zip(names, row)} for row in zip(*columns)]


def confusion(gold: Sequence[int], predicted: Sequence[int], labels: int) -> tuple[tuple[int, ...], ...]:
    """Rows by gold label, columns by predicted one."""
    from sklearn.metrics import confusion_matrix

    matrix = confusion_matrix(gold, predicted, labels=list(range(labels)))
    return tuple(tuple(int(value) for value in row) for row in matrix)


def _compute(name: str, gold: Sequence[int], predicted: Sequence[int], **options: Any) -> float:
    if not gold:
        raise ValueError(f"{name} needs at least one row")
    metric = _metric(name)
    # `compute` would write predictions to an Arrow table first, which takes longer than the score itself.
    return float(metric._compute(predictions=list(predicted), references=list(gold), **options)[name])


@functools.cache
def _metric(name: str) -> Any:
    """An offline metric; `evaluate.load` would ask the Hub for its script."""
    import datasets
    import evaluate

    class Score(evaluate.Metric):
        def _info(self) -> Any:
            number = datasets.Value("int64")
            return evaluate.MetricInfo(
                description=name,
                citation="",
                inputs_description="",
                features=datasets.Features({"predictions": number, "references": number}),
            )

        def _compute(self, predictions: Any, references: Any, **options: Any) -> dict[str, float]:
            return {name: _FORMULAS[name](references, predictions, **options)}

    return Score(keep_in_memory=True)


def _accuracy(gold: Sequence[int], predicted: Sequence[int]) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(gold, predicted))


def _macro_f1(gold: Sequence[int], predicted: Sequence[int], labels: int) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(gold, predicted, labels=list(range(labels)), average="macro", zero_division=0))


_FORMULAS: dict[str, Callable[..., float]] = {"accuracy": _accuracy, "macro_f1": _macro_f1}
