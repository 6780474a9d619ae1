"""Base models of the inference engine: one for all runs of the same model and head, one more where weights are kept in few bits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from workbench import evaluate, models, registry, saving
from workbench.engine_tensors import checksum, copied_structure, share_with, tensors
from workbench.models import ModelSource
from workbench.spec import Setting, canonical_json
from workbench.store import Store


@dataclass
class Base:
    """A model that is never changed: what runs are put on are copies of its structure, with the same tensors."""

    key: str
    model: Any
    tokenizer: Any
    source: ModelSource
    task: str
    few_bits: bool = False
    sum: int = 0
    used: int = field(default=0, compare=False)

    def structure(self) -> Any:
        return copied_structure(self.model)

    @property
    def is_untouched(self) -> bool:
        """Whether every weight is bit for bit what was loaded."""
        return checksum(self.model) == self.sum


def base_key(setting: Setting) -> str:
    """The same for all runs that stand on the same weights with the same head."""
    model_class = registry.task(setting.task).model_class
    return canonical_json(
        [setting.model, setting.model_revision or "", model_class, list(setting.data.labels)]
    )


def load_base(store: Store, setting: Setting, key: str, device: str, others: Sequence[Base] = ()) -> Base:
    """The base of a setting; weights that another base of the same model has already are shared with it."""
    source = models.resolve(setting.model, store=store, revision=setting.model_revision)
    # A new head is drawn at random, the same each time.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = models.load_model(source, setting.task, setting.data.labels, store=store)
    model = model.to(device).requires_grad_(False).eval()
    for other in others:
        if (other.source.ref, other.source.revision) == (source.ref, source.revision) and not other.few_bits:
            share_with(model, other.model)
    tokenizer = models.load_tokenizer(source, store=store)
    return Base(key, model, tokenizer, source, setting.task, sum=checksum(model))


def few_bits_base(plain: Base, recipe: Mapping[str, Any], others: Sequence[Base]) -> Base | None:
    """The base as a method keeps it, in few bits, shared by all methods that keep it so; None where it stays as it is."""
    method = registry.methods().get(recipe["method"])
    if method is None or method.prepare_model is None:
        return None
    with torch.random.fork_rng(devices=[]), models.quiet():
        model = saving._prepared(plain.structure(), recipe).requires_grad_(False).eval()
        _first_pass(model)
    key = f"{plain.key} {_digest(model)}"
    for other in others:
        if other.key == key:
            return other
    return Base(key, model, plain.tokenizer, plain.source, plain.task, few_bits=True, sum=checksum(model))


def _first_pass(model: Any) -> None:
    """8-bit layers sort their tensors at the first pass: after it a structure's copies find them where they are."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        model(
            input_ids=torch.tensor([[evaluate.pad_id(model)]], device=device),
            attention_mask=torch.ones((1, 1), dtype=torch.long, device=device),
        )


def _digest(model: Any) -> str:
    found = hashlib.blake2b(digest_size=8)
    for tensor in tensors(model):
        found.update(tensor.detach().contiguous().flatten().view(torch.uint8).cpu().numpy().tobytes())
    return found.hexdigest()
