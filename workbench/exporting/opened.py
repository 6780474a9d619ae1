"""A finished run opened for export: where its base is, what was trained, and its model as it answered when measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from workbench import models, registry, saving
from workbench.exporting import forms
from workbench.result import Run
from workbench.store import Store
from workbench.task import Task


@dataclass(frozen=True)
class Opened:
    """What an export needs of a result. Without a store and a run it is a folder of trained weights on some base."""

    trained: Path
    source: models.ModelSource
    recipe: Mapping[str, Any]
    store: Store | None = None
    run: Run | None = None

    @property
    def made_of(self) -> str:
        return forms.made_of(self.trained)

    @property
    def task(self) -> Task:
        return registry.task(self.recipe["task"])

    @property
    def labels(self) -> Sequence[str]:
        return list(self.recipe["labels"])

    @property
    def is_classifier(self) -> bool:
        return "SequenceClassification" in self.task.model_class

    def base(self) -> Any:
        """The base model as it is loaded, with a head of any values."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return models.load_model(self.source, self.task, self.labels, store=self.store)

    def base_as_kept(self) -> Any:
        """The base as the method had it, at full width: what a few-bit base stands for where it was one."""
        from workbench.methods import _bitsandbytes

        base = saving._prepared(self.base(), self.recipe)
        return _bitsandbytes.widen(base) if _bitsandbytes.is_stored_in_bits(base) else base

    def model(self) -> Any:
        """The trained model with the predictions it was saved with."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return saving.load_trained(self.source, self.trained, store=self.store)

    def whole(self) -> Any:
        """One plain model of transformers with the same predictions. Unsuitable where there is none."""
        return saving.plain(self.model())

    def tokenizer(self) -> Any:
        return models.load_tokenizer(self.source, store=self.store)


def open_run(store: Store, run: Run) -> Opened:
    """ValueError where the run has nothing to export."""
    if run.state != "finished":
        raise ValueError(f"run {run.id} is {run.state}: only a finished run can be exported")
    setting = run.spec.setting
    trained = saving.trained_folder(store.run_folder(run.id))
    recipe = saving.read_recipe(trained)
    source = models.resolve(setting.model, store=store, revision=setting.model_revision)
    return Opened(trained, source, recipe, store, run)


def keeps_few_bits(one: Opened) -> bool:
    """Whether the adapter was trained on a base that is stored in few bits."""
    method = registry.methods().get(one.recipe["method"])
    return one.made_of == forms.PEFT and method is not None and method.prepare_model is not None
