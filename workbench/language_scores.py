"""How well a causal language model tells texts: nats of each document, and what it has forgotten of a general text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from workbench import corpus, evaluate, generating, home
from workbench.packing import reading_windows
from workbench.task import Encoded, Live, Outcome

# Logits of so many tokens at once: with a vocabulary of 150,000 they take 2.5 GB in float32.
TOKENS_AT_ONCE = 4096
SHOWN_LETTERS = 80


def read(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    """Each document for itself: `nats` over `tokens` (its end mark counted), and the `bytes` of its text."""
    outcomes: list[Outcome] = [
        {
            "text": row["row"]["text"][:SHOWN_LETTERS],
            "nats": 0.0,
            "tokens": len(row["input_ids"]) - 1,
            "bytes": len(row["row"]["text"].encode()),
        }
        for row in rows
    ]
    parts = [
        (place, *window)
        for place, row in enumerate(rows)
        for window in reading_windows(len(row["input_ids"]), row["window"])
    ]
    parts.sort(key=lambda part: part[2] - part[1])
    size = live.batch_size or max(1, TOKENS_AT_ONCE // max((row["window"] for row in rows), default=1))
    for first in range(0, len(parts), size):
        if live.tick is not None:
            live.tick()
        some = parts[first : first + size]
        for (place, *_), nats in zip(some, _nats(live, [_window(rows, *part) for part in some])):
            outcomes[place]["nats"] += nats
    return outcomes


def _window(rows: Sequence[Encoded], place: int, begin: int, end: int, told: int) -> dict[str, list[int]]:
    ids = rows[place]["input_ids"][begin:end]
    before = told - begin
    return {"input_ids": ids, "labels": [generating.NOT_LEARNT] * before + list(ids[before:])}


def _nats(live: Live, windows: Sequence[Encoded]) -> list[float]:
    """The loss of what is told in each window, summed."""
    batch = generating.collate(windows, evaluate.pad_id(live.model))
    targets = batch.pop("labels")[:, 1:].to(live.device)
    inputs = {name: values.to(live.device) for name, values in batch.items()}
    was_training = live.model.training
    live.model.eval()
    try:
        with torch.inference_mode(), evaluate.computing(live.precision, live.device):
            logits = live.model(**inputs).logits
    finally:
        live.model.train(was_training)
    # Virtual tokens of a prompt method stand in front of the text.
    logits = logits[:, -inputs["input_ids"].shape[1] :][:, :-1]
    keep = targets != generating.NOT_LEARNT
    nats = torch.zeros(targets.shape, device=logits.device)
    nats[keep] = torch.nn.functional.cross_entropy(logits[keep].float(), targets[keep], reduction="none")
    return nats.sum(1).tolist()


def scores(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Over all documents: bits per byte of text, which models with different tokens share, and perplexity per token."""
    nats = sum(o["nats"] for o in outcomes)
    size = sum(o["bytes"] for o in outcomes)
    mean = nats_per_token(outcomes)
    return {
        "bits_per_byte": nats / math.log(2) / size if size else math.nan,
        "perplexity": math.exp(mean) if not mean > 700 else math.inf,
    }


def nats_per_token(outcomes: Sequence[Mapping[str, Any]]) -> float:
    tokens = sum(o["tokens"] for o in outcomes)
    return sum(o["nats"] for o in outcomes) / tokens if tokens else math.nan


def general_texts(count: int) -> list[str]:
    """The first texts of the fixed general sample."""
    path = home.shipped("assets") / "datasets" / "field_notes" / "general.jsonl"
    return list(corpus.documents(path))[:count]


def drift(
    live: Live, start: Live, rows: Sequence[Encoded], general: Sequence[Encoded]
) -> dict[str, dict[str, float] | float | None]:
    """Fields of Result that need the base: its own scores on the test rows, and what training did to general text."""
    metrics = {f"{name}_start": value for name, value in scores(read(start, rows)).items()}
    if not general:
        return {"metrics": metrics, "forgetting": None}
    before, after = (read(one, general) for one in (start, live))
    metrics["general_perplexity_start"] = scores(before)["perplexity"]
    metrics["general_perplexity"] = scores(after)["perplexity"]
    return {"metrics": metrics, "forgetting": nats_per_token(after) - nats_per_token(before)}
