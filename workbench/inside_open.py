"""Opens a finished run: its base model, its trained one, and its weights before and after, for looking inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from workbench import inside_states, models, saving
from workbench.data import load_prepared
from workbench.inside_weights import Place, places
from workbench.method import Unsuitable
from workbench.methods._bitsandbytes import is_stored_in_bits
from workbench.result import Run
from workbench.store import Store

DOUBLE_UP_TO = 200_000_000
"""Models of up to so many weights are merged in float64: rounding in float32 would look like a change of its own."""


@dataclass(frozen=True)
class Opened:
    """A finished run with what it takes to build its model."""

    store: Store
    run: Run
    source: models.ModelSource
    recipe: Mapping[str, Any]
    trained: Path

    @property
    def is_peft(self) -> bool:
        return (self.trained / saving.PEFT_CONFIG).is_file()

    def base(self) -> Any:
        """The model as it was before the first step, its new head included."""
        torch.manual_seed(self.run.spec.seed)
        recipe = self.recipe
        return models.load_model(self.source, recipe["task"], recipe["labels"], store=self.store)

    def tokenizer(self) -> Any:
        return models.load_tokenizer(self.source, store=self.store)

    def texts(self, room: int = 0) -> list[inside_states.Batch]:
        """A few typical texts of the test part; `room` positions of the model are taken by virtual tokens."""
        setting = self.run.spec.setting
        prepared = load_prepared(self.store.data_folder(setting.data.fingerprint))
        longest = models.load_config(self.source, store=self.store).get_text_config()
        limit = int(getattr(longest, "max_position_embeddings", None) or setting.max_length) - room
        return inside_states.typical_texts(
            prepared.rows["test"], self.tokenizer(), max(1, min(setting.max_length, limit))
        )


@dataclass(frozen=True)
class Change:
    """Weights of the body and head before and after, by their names in the base model."""

    before: Mapping[str, torch.Tensor]
    after: Mapping[str, torch.Tensor]
    where: Mapping[str, Place]
    trained: set[str]
    ranks: Mapping[str, int]

    def matrices(self) -> Iterator[tuple[str, torch.Tensor]]:
        """The change of each trained matrix outside the head."""
        for name in self.before:
            matrix = self.before[name].dim() >= 2 and min(self.before[name].shape[-2:]) > 1
            if name in self.trained and matrix and self.where[name].kind != "head":
                yield name, self.after[name].detach().double() - self.before[name].detach().double()


def open_run(store: Store, run: Run) -> Opened:
    setting = run.spec.setting
    trained = saving.trained_folder(store.run_folder(run.id))
    source = models.resolve(setting.model, store=store, revision=setting.model_revision)
    return Opened(store, run, source, saving.read_recipe(trained), trained)


def changed_weights(one: Opened) -> Change:
    """The change of weights alone, for comparing directions."""
    base = one.base()
    where = places(base)
    if one.is_peft:
        return merged_weights(one, base, where)
    return own_weights(one, base, where)[0]


def own_weights(one: Opened, base: Any, where: Mapping[str, Place]) -> tuple[Change, bool]:
    """What a method without PEFT made of the base's own weights, and whether it added weights besides."""
    before = dict(base.named_parameters())
    with safe_open(one.trained / saving.TENSORS, framework="pt") as file:
        names = list(file.keys())
        after = {name: file.get_tensor(name) for name in names if name in before}
    rounded = [name.removesuffix(".qdata") for name in names if name.endswith(".qdata")]
    if rounded:
        model = saving.plain(saving.load_trained(one.base(), one.trained))
        after |= {name: p for name, p in model.named_parameters() if name in rounded}
    added = len(names) - len(after) - len(rounded)  # a rounded matrix has its scales beside it
    return Change(before, after, where, set(after), {}), added > 0


def merged_weights(one: Opened, base: Any, where: Mapping[str, Place]) -> Change:
    """What a PEFT method makes of the weights when it is folded in. Unsuitable where that is not the same model."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    if any(not p.is_floating_point() for p in base.parameters()):
        raise Unsuitable("the base's weights are stored quantised: a change of them has no size of its own")
    small = sum(p.numel() for p in base.parameters()) <= DOUBLE_UP_TO
    model = saving.load_trained(one.base(), one.trained)
    if is_stored_in_bits(model):
        raise Unsuitable("the base is stored in few bits: rounding would look like a change that was learnt")
    model = model.double() if small else model
    ids = torch.arange(5, 13)[None] % base.get_input_embeddings().weight.shape[0]
    tuned = {n: m for n, m in model.get_base_model().named_modules() if isinstance(m, BaseTunerLayer)}
    ranks = {name: rank for name, module in tuned.items() if (rank := _nominal_rank(model, module))}
    with torch.inference_mode():
        wanted = model(input_ids=ids).logits
    merged = saving.merge(model, in_place=True)
    with torch.inference_mode():
        got = merged(input_ids=ids).logits
    if float((got - wanted).abs().max()) > 1e-3 * max(1.0, float(wanted.abs().max())):
        raise Unsuitable("folded in, this method is not the same model")
    before = dict(base.named_parameters())
    after = {n: p for n, p in merged.named_parameters() if n in before and p.shape == before[n].shape}
    trained = {n for n in after if not torch.equal(after[n], before[n].to(after[n].dtype))}
    trained |= {f"{name}.weight" for name in tuned if f"{name}.weight" in after}
    return Change(
        {n: before[n] for n in after},
        after,
        {n: where[n] for n in after},
        trained,
        {f"{n}.weight": r for n, r in ranks.items()},
    )


def _nominal_rank(model: Any, module: Any) -> int | None:
    rank = getattr(module, "r", None)
    if isinstance(rank, Mapping):
        rank = rank.get(model.active_adapter)
    return rank if isinstance(rank, int) and not isinstance(rank, bool) and rank > 0 else None
