"""Text classification: one text, one of several labels, by a sequence classification head on any encoder or decoder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.options import Options
from workbench.task import Batch, Encoded, Live, Outcome, Row, Task

if TYPE_CHECKING:
    from workbench.data import Prepared


@dataclass(frozen=True)
class ClassificationOptions(Options):
    """Nothing to choose: the setting says it all."""


def encode(
    tokenizer: Any,
    rows: Sequence[Row],
    labels: Sequence[str],
    max_length: int,
    options: ClassificationOptions | None = None,
    room: int | None = None,
) -> list[Encoded]:
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


def collate(rows: Sequence[Encoded], pad_id: int) -> dict[str, Any]:
    from workbench import evaluate

    return evaluate.collate(rows, pad_id)


def cut_note(part: str, rows: Sequence[Encoded], max_length: int) -> str:
    count = sum(row["truncated"] for row in rows)
    if not count:
        return ""
    return f"{count:,} of {len(rows):,} {part} texts are longer than {max_length} tokens and were cut."


def loss(logits: Any, labels: Any, count: Any, label_smoothing: float) -> Any:
    """The same mean over all rows of a step for every model, however the step was cut into batches."""
    import torch

    total = torch.nn.functional.cross_entropy(
        logits.float(), labels, reduction="sum", label_smoothing=label_smoothing
    )
    return total / count


def predict(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    from workbench import evaluate

    return evaluate.predict(
        live.model,
        TASK,
        rows,
        labels=live.labels or None,
        batch_size=live.batch_size or evaluate.BATCH_SIZE,
        device=live.device,
        precision=live.precision,
        tick=live.tick,
    )


def score(
    outcomes: Sequence[Mapping[str, Any]], labels: Sequence[str], options: Any = None
) -> dict[str, float]:
    """Accuracy and macro F1 over all labels of the data, the ones that no row of this part has included."""
    from workbench.scores import metric, numbers

    gold, predicted = numbers(outcomes, labels)
    if not gold:
        raise ValueError("a score needs at least one row")
    return {
        **metric("accuracy").compute(predictions=predicted, references=gold),
        **metric("macro_f1").compute(predictions=predicted, references=gold, labels=len(labels)),
    }


def validation_loss(outcomes: Sequence[Outcome], labels: Sequence[str]) -> float:
    from workbench import evaluate

    return evaluate.mean_loss(outcomes, labels)


def details(outcomes: Sequence[Outcome], labels: Sequence[str]) -> dict[str, Any]:
    from workbench import scores

    return {"per_label": scores.by_label(outcomes, labels), "confusion": scores.confusion(outcomes, labels)}


def marks(outcomes: Sequence[Mapping[str, Any]], options: Any) -> list[float]:
    """1 where the label is right."""
    return [float(row["label"] == row["predicted"]) for row in outcomes]


def probes(rows: Sequence[Encoded], pad_id: int) -> list[Any]:
    from workbench import measure

    return measure.typical_texts(rows, pad_id)


def logits(live: Live, batch: Batch) -> Any:
    from workbench import evaluate

    return evaluate.logits(live.model, batch, live.device, live.precision)


def timed(live: Live, batches: Sequence[Batch]) -> Callable[[int], Any]:
    from workbench import measure

    return measure.forward_once(live.model, batches, live.device, live.precision)


def ask_batch(live: Live, text: str, max_length: int, room: int | None) -> tuple[Any, bool]:
    from workbench import evaluate

    rows = [{"text": text, "label": live.labels[0]}]
    encoded = encode(live.tokenizer, rows, live.labels, max_length)
    return evaluate.collate(encoded, evaluate.pad_id(live.model)), encoded[0]["truncated"]


def answer(live: Live, batch: Batch) -> dict[str, Any]:
    from workbench import evaluate

    begun = time.perf_counter()
    shares = evaluate.probabilities(live.model, batch, live.device, live.precision)[0]
    ms = (time.perf_counter() - begun) * 1000
    best = max(range(len(shares)), key=shares.__getitem__)
    return {"label": live.labels[best], "probabilities": dict(zip(live.labels, shares)), "ms": ms}


def references(prepared: Prepared, options: Any) -> list[dict[str, Any]]:
    from workbench import label_references

    return label_references.records(prepared)


def refer(prepared: Prepared, options: Any, record: Mapping[str, Any]) -> Callable[[str], dict[str, Any]]:
    from workbench import label_references

    return label_references.asked(prepared, record)


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
    options=ClassificationOptions,
    judged_by=lambda options: "accuracy",
    chosen_by=lambda options: "accuracy",
    marks=marks,
    encode=encode,
    collate=collate,
    cut_note=cut_note,
    loss=loss,
    validate=predict,
    predict=predict,
    score=score,
    validation_loss=validation_loss,
    details=details,
    probes=probes,
    logits=logits,
    timed=timed,
    ask_batch=ask_batch,
    answer=answer,
    references=references,
    refer=refer,
    yardstick="tfidf",
    silence={"label": None, "probabilities": {}, "ms": None},
)
