"""Writes answers token by token, many at once: rows of one batch each with its own end, length, seed and way of drawing.

A row says what it would say alone: its draws come from a random number generator of its own.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from workbench import evaluate
from workbench.generating import collate_prompts
from workbench.writing_state import own_decoding


@dataclass(frozen=True)
class Draw:
    """Each token by its probability. As the decoding options of the task `generation`."""

    temperature: float
    top_p: float
    top_k: int
    seed: int


@dataclass
class Row:
    """One answer on its way. `told(token)` hears of every new token and says whether the answer is over."""

    prompt: Sequence[int]
    most: int
    told: Callable[[int], bool]
    draw: Draw | None = None
    count: int = field(default=0, init=False)
    over: bool = field(default=False, init=False)


class Clock:
    """Time while it is running: that of other batches in between does not count."""

    def __init__(self) -> None:
        self._sum, self._since = 0.0, time.perf_counter()

    @property
    def seconds(self) -> float:
        return self._sum + (time.perf_counter() - self._since)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        self._sum = self.seconds
        try:
            yield
        finally:
            self._since = time.perf_counter()


def decode(
    model: Any,
    rows: Sequence[Row],
    more: Mapping[str, Any],
    *,
    device: str = "cpu",
    precision: str = "float32",
    stepped: Callable[[], None] = lambda: None,
) -> None:
    """Go on from every row's prompt until all are over. `more` is what the model must be given besides, `stepped` is
    called after each token of the batch. The caller has put the model into evaluation (questions.switched)."""
    batch = collate_prompts([row.prompt for row in rows], evaluate.pad_id(model))
    with own_decoding(model), evaluate.computing(precision, device):
        model.generate(
            **{name: tensor.to(device) for name, tensor in batch.items()},
            **more,
            max_new_tokens=max(row.most for row in rows),
            do_sample=False,
            use_cache=True,
            pad_token_id=evaluate.pad_id(model),
            logits_processor=_drawing(rows, device),
            stopping_criteria=_listening(rows, stepped),
        )


def _listening(rows: Sequence[Row], stepped: Callable[[], None]) -> Any:
    """Tells each row its new token. The batch ends when every row is over."""
    from transformers import StoppingCriteriaList

    def listen(ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        for row, token in zip(rows, ids[:, -1].tolist()):
            if not row.over:
                row.count += 1
                row.over = row.told(token) or row.count >= row.most
        if not (done := all(row.over for row in rows)):
            stepped()
        return torch.full((len(rows),), done, device=ids.device)

    return StoppingCriteriaList([listen])


def _drawing(rows: Sequence[Row], device: str) -> Any:
    """Leaves one token possible in rows that are drawn; the others keep their likeliest."""
    from transformers import LogitsProcessorList

    draws = [(i, row, _Drawer(row.draw, device)) for i, row in enumerate(rows) if row.draw is not None]
    if not draws:
        return None

    def choose(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for i, row, drawer in draws:
            if not row.over:
                token = drawer(ids[i : i + 1], scores[i : i + 1])
                scores[i] = float("-inf")
                scores[i, token] = 0.0
        return scores

    return LogitsProcessorList([choose])


class _Drawer:
    """Draws as transformers does, warper by warper, from its own seed."""

    def __init__(self, draw: Draw, device: str) -> None:
        from transformers import (
            LogitsProcessorList,
            TemperatureLogitsWarper,
            TopKLogitsWarper,
            TopPLogitsWarper,
        )

        self.warpers = LogitsProcessorList()
        if draw.temperature != 1:
            self.warpers.append(TemperatureLogitsWarper(draw.temperature))
        if draw.top_k:
            self.warpers.append(TopKLogitsWarper(draw.top_k))
        if draw.top_p < 1:
            self.warpers.append(TopPLogitsWarper(draw.top_p))
        self.generator = torch.Generator(device=device).manual_seed(draw.seed)

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> int:
        shares = torch.softmax(self.warpers(ids, scores), dim=-1)  # type: ignore[arg-type]
        return int(torch.multinomial(shares, 1, generator=self.generator))
