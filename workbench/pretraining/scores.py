"""Scores a language model on held-out text: bits per byte, or hidden tokens found; lets it continue stories and answer."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from workbench.corpus import UNSCORED, Masking, Packed, frame

BATCH = 16
MASK_SHARE, MASK_SEED = 0.15, 1234


@dataclass(frozen=True)
class Heldout:
    """One score of one source. `bits_per_byte` is for causal models: a token's nats, with documents' marks counted,
    spread over the bytes of the text. A masked model's nats and accuracy are over the hidden tokens alone."""

    nats_per_token: float
    token_accuracy: float
    tokens: int
    bits_per_byte: float | None = None


def score(
    model: Any, packed: Packed, context: int, most_windows: int, masking: Masking | None = None
) -> Heldout:
    """Over windows one behind the other, always the same ones, with the same tokens hidden whatever the training hid.

    ValueError if there is less held-out text than one window.
    """
    count = min(len(packed.tokens) // context, most_windows)
    if count == 0:
        raise ValueError(
            f"held-out text of {len(packed.tokens):,} tokens is shorter than one window of {context:,}"
        )
    ids = packed.tokens[: count * context].astype(np.int64).reshape(count, context)
    inputs, labels = (ids, ids) if masking is None else hide(ids, masking)
    batches = (
        ({"input_ids": inputs[begin : begin + BATCH]}, labels[begin : begin + BATCH])
        for begin in range(0, count, BATCH)
    )
    found = _predicted(model, batches, causal=masking is None)
    if masking is not None:
        return found
    bits = found.nats_per_token / math.log(2) * len(packed.tokens) / packed.text_bytes
    return replace(found, bits_per_byte=bits)


def score_windows(model: Any, windows: Sequence[Mapping[str, Any]]) -> Heldout:
    """The next tokens of finished windows (arrays by name, `labels` among them), where they are to be predicted."""
    batches = []
    for begin in range(0, len(windows), BATCH):
        some = windows[begin : begin + BATCH]
        stacked = {name: np.stack([one[name] for one in some]) for name in some[0]}
        labels = stacked.pop("labels")
        batches.append((stacked, labels))
    return _predicted(model, batches, causal=True)


def _predicted(model: Any, batches: Iterable[tuple[Mapping[str, Any], Any]], *, causal: bool) -> Heldout:
    """Over all labels that are to be predicted; where the model is causal, by the token before."""
    device = next(model.parameters()).device
    nats, right, total = 0.0, 0, 0
    with evaluating(model):
        for inputs, labels in batches:
            shown = {name: torch.from_numpy(values).to(device) for name, values in inputs.items()}
            wanted = torch.from_numpy(labels).to(device)
            logits = model(**shown).logits
            if causal:
                logits, wanted = logits[:, :-1], wanted[:, 1:]
            predicted = wanted != UNSCORED
            logits, wanted = logits[predicted].float(), wanted[predicted]
            nats += float(cross_entropy(logits, wanted, reduction="sum"))
            right += int((logits.argmax(-1) == wanted).sum())
            total += len(wanted)
    return Heldout(nats / total, right / total, total)


def hide(ids: Any, masking: Masking) -> tuple[Any, Any]:
    """The fixed exam: 15% of the tokens behind the mask, the same ones for every model with this tokenizer."""
    fixed = replace(masking, share=MASK_SHARE)
    framed = frame(ids, fixed)
    hidden = np.random.default_rng(MASK_SEED).random(framed.shape) < fixed.share
    hidden &= ~np.isin(framed, list(fixed.special_ids))
    return np.where(hidden, fixed.mask_id, framed), np.where(hidden, framed, UNSCORED)


@contextlib.contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """No dropout, no gradient, and the mode as it was afterwards."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def continue_texts(
    model: Any,
    tokenizer: Any,
    starts: Sequence[str],
    *,
    seed: int,
    temperature: float = 0.8,
    new_tokens: int = 60,
) -> list[str]:
    """One sample for each start, from the whole distribution at that temperature."""
    device = next(model.parameters()).device
    written = []
    torch.manual_seed(seed)
    with evaluating(model):
        for start in starts:
            ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(start)["input_ids"]]], device=device)
            out = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                temperature=temperature,
                top_k=0,
                max_new_tokens=new_tokens,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
            written.append(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))
    return written


def answer(model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], *, new_tokens: int) -> list[str]:
    """The likeliest reply to each prompt of token ids, token by token."""
    device = next(model.parameters()).device
    written = []
    with evaluating(model):
        for begin in range(0, len(prompts), 2 * BATCH):
            some = prompts[begin : begin + 2 * BATCH]
            longest = max(map(len, some))
            empty = [longest - len(one) for one in some]
            ids = torch.tensor([[tokenizer.pad_token_id] * n + list(one) for n, one in zip(empty, some)])
            mask = torch.tensor([[0] * n + [1] * len(one) for n, one in zip(empty, some)])
            out = model.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                do_sample=False,
                max_new_tokens=new_tokens,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
            written += tokenizer.batch_decode(out[:, longest:], skip_special_tokens=True)
    return [text.strip() for text in written]


def loops(text: str) -> bool:
    """Whether some four words in a row come three times or more."""
    words = text.split()
    fours = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    return any(fours.count(four) >= 3 for four in set(fours))
