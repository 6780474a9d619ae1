"""States in which a model writes: evaluation mode, decoding by the setting alone, positions of real tokens, its own random numbers."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from workbench.architecture import plain_base


@contextlib.contextmanager
def evaluating(model: Any) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


@contextlib.contextmanager
def own_decoding(model: Any) -> Iterator[None]:
    """Decoding is the setting's: a penalty or temperature that a model brings along would hold for it alone."""
    from transformers import GenerationConfig

    holders = list({id(m): m for m in (model, plain_base(model))}.values())
    kept = [holder.generation_config for holder in holders]
    for holder in holders:
        holder.generation_config = GenerationConfig()
    try:
        # PEFT warns of position ids that it drops, which are put back here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for holder, config in zip(holders, kept):
            holder.generation_config = config


@contextlib.contextmanager
def positions_from_mask(model: Any) -> Iterator[None]:
    """Count positions over real tokens, virtual ones included: PEFT's prompt methods drop the position ids of
    left-padded rows, which would then stand farther from their prompt the more padding they have."""
    base = plain_base(model)
    if "position_ids" not in inspect.signature(base.forward).parameters:
        yield
        return

    def fill(module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        mask, tokens = kwargs.get("attention_mask"), kwargs.get("input_ids")
        given = tokens if tokens is not None else kwargs.get("inputs_embeds")
        if kwargs.get("position_ids") is not None or mask is None or given is None or mask.dim() != 2:
            return None
        positions = (mask.long().cumsum(1) - 1).clamp(min=0)[:, -given.shape[1] :]
        return args, {**kwargs, "position_ids": positions}

    hook = base.register_forward_pre_hook(fill, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


@contextlib.contextmanager
def drawn_from(seed: int, device: str) -> Iterator[None]:
    """The same draw for every model, and none from the random numbers of training."""
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
