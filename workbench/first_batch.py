"""The first batch of a run as the model sees it: each token's text, and whether the loss is on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench import registry
from workbench.batches import LengthBatches
from workbench.store import Store

NOT_LEARNT = -100
# What a reader looks at; the batch itself may be larger.
MOST_ROWS = 64


def first_batch(
    store_folder: str,
    model: str,
    task: str,
    task_options: Mapping[str, Any],
    fingerprint: str,
    labels: Sequence[str] = (),
    max_length: int = 128,
    batch_size: int = 16,
    seed: int = 0,
) -> dict[str, Any]:
    """Rows in the order of the batch, padding left out. `label` is what a row of a classification is to be given.

    Called in a process that may import the deep-learning libraries.
    """
    from workbench import models
    from workbench.data import load_prepared

    store = Store(store_folder)
    known = registry.task(task)
    tokenizer = models.load_tokenizer(models.resolve(model, store=store), store=store)
    rows = load_prepared(store.data_folder(fingerprint)).rows
    options = known.complete(known.options.from_dict(task_options), tokenizer, rows)
    encoded = known.encode(tokenizer, rows["train"], labels, max_length, options)
    encoded = known.said(known.pack(encoded, max_length))
    order = LengthBatches([len(row["input_ids"]) for row in encoded], batch_size, seed, 1)
    batch = [encoded[i] for i in next(iter(order))]
    longest = max(len(row["input_ids"]) for row in batch)
    shown = [_row(tokenizer, row, labels) for row in batch[:MOST_ROWS]]
    return {
        "rows": shown,
        "count": len(batch),
        "tokens": sum(len(row["input_ids"]) for row in batch),
        "learnt": sum(sum(learnt) for learnt in map(_learnt, batch)),
        "padding": sum(longest - len(row["input_ids"]) for row in batch),
        "template_hash": getattr(options, "template_hash", None),
    }


def _row(tokenizer: Any, row: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    texts = token_texts(tokenizer, row["input_ids"])
    tokens = [{"text": text, "loss": loss} for text, loss in zip(texts, _learnt(row))]
    label = labels[row["labels"]] if isinstance(row["labels"], int) else None
    return {"tokens": tokens, "label": label, "cut": bool(row["truncated"])}


def _learnt(row: Mapping[str, Any]) -> list[bool]:
    given = row["labels"]
    if isinstance(given, int):
        return [False] * len(row["input_ids"])
    # What comes first is told from nothing, so it is never learnt.
    return [place > 0 and label != NOT_LEARNT for place, label in enumerate(given)]


def token_texts(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Each token's own part of the text; of a character that several tokens share, all of it at the last of them."""
    texts: list[str] = []
    pending: list[int] = []
    for token in ids:
        pending.append(token)
        text = tokenizer.decode(pending)
        if text.endswith("\ufffd") and len(pending) < 5:
            texts.append("")
            continue
        texts.append(text)
        pending = []
    if pending:
        texts[-1] = tokenizer.decode(pending)
    return texts
