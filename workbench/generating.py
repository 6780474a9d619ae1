"""What a causal language model does for the task `generation`: loss on completions, answers in batches, one answer timed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import torch

from workbench import evaluate, text_scores
from workbench.task import Batch, Encoded, Live, Outcome
from workbench.templates import end_ids
from workbench.writing_state import drawn_from, own_decoding
from workbench.writing_state import evaluating as evaluating
from workbench.writing_state import positions_from_mask as positions_from_mask

NOT_LEARNT = -100
READ_BATCH = 32
_stopping: ContextVar[Callable[[], bool] | None] = ContextVar("stopping", default=None)
# Long enough for a pace, short enough to be measured on every run.
TIMED_TOKENS = 16


def collate(rows: Sequence[Encoded], pad_id: int) -> dict[str, torch.Tensor]:
    """A batch for learning, padded on the right to its own longest row."""
    longest = max(len(row["input_ids"]) for row in rows)
    ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    labels = torch.full((len(rows), longest), NOT_LEARNT, dtype=torch.long)
    for i, row in enumerate(rows):
        size = len(row["input_ids"])
        ids[i, :size] = torch.as_tensor(row["input_ids"])
        mask[i, :size] = 1
        labels[i, :size] = torch.as_tensor(row["labels"])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def collate_prompts(prompts: Sequence[Sequence[int]], pad_id: int) -> dict[str, torch.Tensor]:
    """A batch to go on from, padded on the left: an answer follows its prompt without a gap."""
    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(prompts), longest), dtype=torch.long)
    for i, prompt in enumerate(prompts):
        ids[i, longest - len(prompt) :] = torch.as_tensor(prompt)
        mask[i, longest - len(prompt) :] = 1
    return {"input_ids": ids, "attention_mask": mask}


def loss(logits: Any, labels: torch.Tensor, count: Any, label_smoothing: float = 0.0) -> torch.Tensor:
    """Cross-entropy of the learnt tokens: the mean over all of a step, however the step was cut into batches."""
    picked, targets = _learnt(logits, labels)
    total = torch.nn.functional.cross_entropy(
        picked, targets, reduction="sum", label_smoothing=label_smoothing
    )
    return total / count


def _learnt(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits that tell a learnt token, and these tokens. Virtual tokens of a prompt method stand in front."""
    logits = logits[:, -labels.shape[1] :]
    targets = labels[:, 1:]
    keep = targets != NOT_LEARNT
    return logits[:, :-1][keep].float(), targets[keep]


def read(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    """Loss of each row's given completion: `nats` in all, over `tokens`."""
    outcomes: list[Outcome] = [{}] * len(rows)
    for places in batches(live, [len(row["input_ids"]) for row in rows], READ_BATCH):
        batch = collate([rows[i] for i in places], evaluate.pad_id(live.model))
        labels = batch["labels"].to(live.device)
        inputs = {k: v.to(live.device) for k, v in batch.items() if k != "labels"}
        with evaluating(live.model), evaluate.computing(live.precision, live.device):
            logits = live.model(**inputs).logits
        picked, targets = _learnt(logits, labels)
        nats = torch.zeros(labels[:, 1:].shape, device=picked.device)
        nats[labels[:, 1:] != NOT_LEARNT] = torch.nn.functional.cross_entropy(
            picked, targets, reduction="none"
        )
        for place, lost, one in zip(places, nats.sum(1).tolist(), labels[:, 1:]):
            outcomes[place] = _told(rows[place]["row"]) | {
                "nats": lost,
                "tokens": int((one != NOT_LEARNT).sum()),
            }
    return outcomes


def _told(row: Mapping[str, Any]) -> Outcome:
    """What an outcome repeats of its row."""
    kept = {name: row[name] for name in ("kind", "answer") if name in row}
    return {"prompt": row["prompt"], "references": text_scores.references(row), **kept}


def answers(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    """The model's own answer to each row's prompt, with its scores."""
    options: Any = live.options
    ends = end_ids(options.template, live.tokenizer)
    found: list[Outcome] = [{}] * len(rows)
    for places in batches(live, [len(row["prompt_ids"]) for row in rows], options.answer_batch):
        batch = collate_prompts([rows[i]["prompt_ids"] for i in places], evaluate.pad_id(live.model))
        for place, ids in zip(places, generate(live, batch)):
            text, tokens, ended = spoken(live.tokenizer, ids, ends)
            scores = text_scores.row_scores(text, rows[place]["row"], options.answer_pattern)
            sampled = {"sampled": True} if options.do_sample else {}
            found[place] = {"output": text, "new_tokens": tokens, "ended": ended, **sampled, **scores}
    return found


@contextlib.contextmanager
def stopped_when(asked: Callable[[], bool]) -> Iterator[None]:
    """Meanwhile answers end after the token at which `asked()` becomes true, and keep what they have said so far."""
    token = _stopping.set(asked)
    try:
        yield
    finally:
        _stopping.reset(token)


def _stopping_criteria() -> Any:
    from transformers import StoppingCriteriaList

    asked = _stopping.get()
    if asked is None:
        return None

    def stop(ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        return torch.full((len(ids),), asked(), device=ids.device)

    return StoppingCriteriaList([stop])  # type: ignore[list-item]


def generate(
    live: Live,
    batch: Batch,
    *,
    exactly: int | None = None,
    streamer: Any = None,
) -> list[list[int]]:
    """New token ids of each row of a batch with padding on the left. `exactly` so many where it is given."""
    options: Any = live.options
    ends = end_ids(options.template, live.tokenizer)
    inputs = {k: batch[k].to(live.device) for k in ("input_ids", "attention_mask")}
    length: dict[str, Any] = (
        {"max_new_tokens": options.max_new_tokens}
        if exactly is None
        else {"max_new_tokens": exactly, "min_new_tokens": exactly}
    )
    draw: dict[str, Any] = {"do_sample": False}
    if options.do_sample and exactly is None:
        draw = {
            "do_sample": True,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "top_k": options.top_k,
        }
    with (
        evaluating(live.model),
        own_decoding(live.model),
        positions_from_mask(live.model),
        drawn_from(options.decoding_seed, live.device),
        evaluate.computing(live.precision, live.device),
    ):
        found = live.model.generate(
            **inputs,
            **length,
            **draw,
            use_cache=True,
            eos_token_id=ends,
            pad_token_id=evaluate.pad_id(live.model),
            stopping_criteria=_stopping_criteria(),
            streamer=streamer,
        )
    return [ids[inputs["input_ids"].shape[1] :] for ids in found.tolist()]


def spoken(tokenizer: Any, ids: Sequence[int], ends: Sequence[int]) -> tuple[str, int, bool]:
    """The text of an answer up to its end token, its number of tokens (the end token counted), and whether it ended."""
    stop = next((i for i, token in enumerate(ids) if token in ends), None)
    kept = ids if stop is None else ids[:stop]
    text = tokenizer.decode(kept, skip_special_tokens=True).strip()
    return text, len(kept) + (stop is not None), stop is not None


def typical_prompts(rows: Sequence[Encoded], pad_id: int, count: int = 8) -> list[Any]:
    """Prompts of about median length, one to a batch."""
    order = sorted((row["prompt_ids"] for row in rows), key=len)
    begin = max(0, (len(order) - count) // 2)
    return [collate_prompts([ids], pad_id) for ids in order[begin : begin + count]]


def next_token_logits(live: Live, batch: Batch) -> torch.Tensor:
    """What each prompt of the batch is gone on with: one line of logits, in float32 on the CPU."""
    inputs = {k: batch[k].to(live.device) for k in ("input_ids", "attention_mask")}
    with torch.inference_mode(), evaluate.computing(live.precision, live.device):
        return live.model(**inputs).logits[:, -1].float().cpu()


class _Clock:
    """A streamer that notes when the first token came. The prompt is streamed before it."""

    def __init__(self) -> None:
        self.calls, self.first = 0, 0.0

    def put(self, value: Any) -> None:
        self.calls += 1
        if self.calls == 2:
            self.first = time.perf_counter()

    def end(self) -> None:
        return None


def timed_answer(live: Live, batches: Sequence[Batch]) -> Callable[[int], dict[str, float]]:
    """A function that answers the i-th prompt with TIMED_TOKENS tokens, greedily; it returns the milliseconds to the
    first token and those of each later one."""
    room = evaluate.longest_input(live.model, live.tokenizer)
    longest = max(batch["input_ids"].shape[1] for batch in batches)
    tokens = TIMED_TOKENS if room is None else max(2, min(TIMED_TOKENS, room - longest))

    def one(i: int) -> dict[str, float]:
        clock = _Clock()
        begun = time.perf_counter()
        generate(live, batches[i % len(batches)], exactly=tokens, streamer=clock)
        ended = time.perf_counter()
        return {
            "first_token_ms": (clock.first - begun) * 1000,
            "token_ms": (ended - clock.first) * 1000 / (tokens - 1),
        }

    return one


def answer_batch(live: Live, batch: Batch) -> dict[str, Any]:
    """The text that goes on from a batch of one prompt."""
    begun = time.perf_counter()
    ids = generate(live, batch)[0]
    ms = (time.perf_counter() - begun) * 1000
    options: Any = live.options
    text, tokens, ended = spoken(live.tokenizer, ids, end_ids(options.template, live.tokenizer))
    return {"text": text, "tokens": tokens, "ended": ended, "ms": ms}


def batches(live: Live, lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Places of rows of like length."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    size = live.batch_size or size
    for begin in range(0, len(order), size):
        if live.tick is not None:
            live.tick()
        yield order[begin : begin + size]
