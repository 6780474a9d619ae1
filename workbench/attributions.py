"""Which tokens a label rests on: the gradient of its logit times each token's vector, for one run or for several beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from workbench import evaluate
from workbench.architecture import plain_base
from workbench.engine import Engine
from workbench.store import Store
from workbench.task import Live


@dataclass(frozen=True)
class Token:
    """A piece of the text; `score` is its share of all that speaks for the label (above 0) or against it, from -1 to 1."""

    text: str
    score: float


def explain(
    store_folder: str, run_ids: Sequence[str], text: str, label: str | None = None
) -> list[dict[str, Any]]:
    """For each run the tokens with their scores, and the label that is explained: the one that the run gives, or `label`.

    A run that can't be explained has a reason and no tokens.
    """
    from workbench.inference import engine_for

    engine = engine_for(Store(store_folder))
    return [_explained(engine, run_id, text, label) for run_id in run_ids]


def _explained(engine: Engine, run_id: str, text: str, label: str | None) -> dict[str, Any]:
    try:
        with engine.using(run_id) as live:
            resident = engine.resident(run_id)
            batch, _ = resident.task.ask_batch(live, text, resident.max_length, resident.room)
            found = attributions(live, batch, text, label)
    except (OSError, ValueError, RuntimeError, NotImplementedError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return {"run_id": run_id, "label": None, "tokens": [], "reason": first}
    return {"run_id": run_id, **found, "reason": None}


def attributions(live: Live, batch: Mapping[str, Any], text: str, label: str | None = None) -> dict[str, Any]:
    """The label and the tokens of one text. What is explained is the label's logit less the mean of all others'."""
    if not live.labels:
        raise ValueError("only a label can be explained by its tokens: choose a classification setting")
    if label is not None and label not in live.labels:
        raise ValueError(f"there is no label {label!r:.60}; known: {', '.join(live.labels)}")
    inputs = {k: v.to(live.device) for k, v in batch.items() if k != "labels"}
    logits, vectors = _read(live.model, inputs)
    target = int(logits.argmax()) if label is None else live.labels.index(label)
    others = [i for i in range(logits.shape[0]) if i != target]
    difference = logits[target] - logits[others].mean() if others else logits[target]
    (slope,) = torch.autograd.grad(difference, vectors)
    scores = (slope * vectors.detach()).sum(-1)[0].float().cpu()
    shares = (scores / scores.abs().sum().clamp(min=1e-30)).tolist()
    pieces = _pieces(live.tokenizer, text, [int(i) for i in batch["input_ids"][0]])
    return {
        "label": live.labels[target],
        "tokens": [{"text": piece, "score": share} for piece, share in zip(pieces, shares)],
    }


def _read(model: Any, inputs: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits of one text, and the vectors of its tokens that they were computed from."""
    seen: list[torch.Tensor] = []

    def keep(module: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
        if seen:  # some methods look tokens up again
            return output
        seen.append(output.detach().requires_grad_(True))
        return seen[0]

    hook = plain_base(model).get_input_embeddings().register_forward_hook(keep)
    try:
        with torch.enable_grad(), evaluate.computing("float32", str(next(model.parameters()).device)):
            logits = model(**inputs).logits[0]
    finally:
        hook.remove()
    if not logits.requires_grad:
        raise ValueError(
            "this model's weights are kept in whole numbers, through which no gradient comes back: explain another run"
        )
    return logits, seen[0]


def _pieces(tokenizer: Any, text: str, ids: Sequence[int]) -> list[str]:
    """The part of the text that each token stands for, with the spaces before it."""
    if getattr(tokenizer, "is_fast", False):
        found = tokenizer(text, return_offsets_mapping=True, truncation=True, max_length=len(ids))
        if list(found["input_ids"]) == list(ids):
            return _between(text, found["offset_mapping"], tokenizer.convert_ids_to_tokens(list(ids)))
    return [str(tokenizer.decode([i])) for i in ids]


def _between(text: str, offsets: Sequence[tuple[int, int]], names: Sequence[str]) -> list[str]:
    pieces, at = [], 0
    for (begin, end), name in zip(offsets, names):
        pieces.append(text[at:end] if end > begin else name)
        at = max(at, end)
    return pieces
