"""Scores of predicted labels over scikit-learn; these and the scores of texts as `evaluate` metrics that need no Hub.

The libraries are imported when the first score is asked for; `evaluate` brings torch, the plain functions don't.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def accuracy(gold: Sequence[int], predicted: Sequence[int]) -> float:
    """Share of rows with the right label."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(gold, predicted))


def macro_f1(gold: Sequence[int], predicted: Sequence[int], labels: int) -> float:
    """F1 averaged over all labels; a label that is neither there nor predicted counts as 0."""
    from sklearn.metrics import f1_score

    return float(f1_score(gold, predicted, labels=list(range(labels)), average="macro", zero_division=0))


def numbers(outcomes: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> tuple[list[int], list[int]]:
    """Gold and predicted labels by their place in `labels`."""
    place = {label: i for i, label in enumerate(labels)}
    return [place[o["label"]] for o in outcomes], [place[o["predicted"]] for o in outcomes]


def by_label(outcomes: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and number of rows of each label."""
    from sklearn.metrics import precision_recall_fscore_support

    gold, predicted = numbers(outcomes, labels)
    columns = precision_recall_fscore_support(
        gold, predicted, labels=list(range(len(labels))), zero_division=0
    )
    names = ("precision", "recall", "f1", "rows")
    rows = [{name: float(value) for name, value in zip(names, row)} for row in zip(*columns)]
    return dict(zip(labels, rows))


def confusion(outcomes: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """How often each label (down) was called what (across)."""
    from sklearn.metrics import confusion_matrix

    gold, predicted = numbers(outcomes, labels)
    matrix = confusion_matrix(gold, predicted, labels=list(range(len(labels))))
    return tuple(tuple(int(value) for value in row) for row in matrix)


@functools.cache
def metric(name: str) -> Any:
    """A score as an evaluate.Metric; `evaluate.load` would ask the Hub for its script.

    `accuracy` and `macro_f1` take numbers; `exact_match`, `bleu`, `rouge_l` and `chrf` take texts with a list of
    references for each.
    """
    import datasets
    import evaluate

    from workbench import text_scores

    of_labels: dict[str, Callable[..., float]] = {"accuracy": accuracy, "macro_f1": macro_f1}
    number, text = datasets.Value("int64"), datasets.Value("string")
    features = (
        {"predictions": number, "references": number}
        if name in of_labels
        else {"predictions": text, "references": datasets.Sequence(text)}
    )

    class Score(evaluate.Metric):
        def _info(self) -> Any:
            return evaluate.MetricInfo(
                description=name,
                citation="",
                inputs_description="",
                features=datasets.Features(features),
            )

        def _compute(self, predictions: Any, references: Any, **options: Any) -> dict[str, float]:
            if name in of_labels:
                return {name: of_labels[name](references, predictions, **options)}
            return {name: text_scores.FORMULAS[name](predictions, references, **options)}

    return Score(keep_in_memory=True)
