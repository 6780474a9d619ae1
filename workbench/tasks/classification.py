"""Text classification: one text, one of several labels, by a sequence classification head on any encoder or decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.task import Task


def encode(
    tokenizer: Any, rows: Sequence[Mapping[str, str]], labels: Sequence[str], max_length: int
) -> list[dict[str, Any]]:
    """Token ids without padding. A row that was cut to `max_length` carries `truncated: True`."""
    number = {label: i for i, label in enumerate(labels)}
    texts = [row["text"] for row in rows]
    if not texts:
        return []
    found = tokenizer(texts, truncation=True, max_length=max_length)
    full = [i for i, ids in enumerate(found["input_ids"]) if len(ids) >= max_length]
    # The tokenizer's note about texts beyond its limit is what we are here to find out.
    whole = tokenizer([texts[i] for i in full], verbose=False)["input_ids"] if full else []
    cut = {i for i, ids in zip(full, whole) if len(ids) > max_length}
    # A text of which the tokenizer leaves nothing still needs a position to be judged at.
    nothing = [tokenizer.eos_token_id or tokenizer.unk_token_id or 0]
    return [
        {
            "input_ids": list(ids) or nothing,
            "attention_mask": [1] * max(1, len(ids)),
            "labels": number[row["label"]],
            "truncated": i in cut,
        }
        for i, (row, ids) in enumerate(zip(rows, found["input_ids"]))
    ]


def score(outcomes: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> dict[str, float]:
    """Accuracy and macro F1 over all labels of the data, the ones that no row of this part has included."""
    from workbench.scores import metric, numbers

    gold, predicted = numbers(outcomes, labels)
    if not gold:
        raise ValueError("a score needs at least one row")
    return {
        **metric("accuracy").compute(predictions=predicted, references=gold),
        **metric("macro_f1").compute(predictions=predicted, references=gold, labels=len(labels)),
    }


# Accuracy picks the checkpoint because it is what the table ranks by and what the paired tests count: right or wrong on
# each row. On skewed data macro F1 beside it shows a model that gives up the rare labels.
TASK = Task(
    name="classification",
    title="Classification",
    version=1,
    columns=("text", "label"),
    metrics=("accuracy", "macro_f1"),
    best_metric="accuracy",
    model_class="AutoModelForSequenceClassification",
    sentence="Give each text one of several labels.",
    encode=encode,
    score=score,
)
