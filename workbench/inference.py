"""One text through finished runs and their base model, side by side. Loaded models are kept, the least used go first."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from workbench import evaluate, measure, models, registry, saving
from workbench.result import Run
from workbench.spec import Setting
from workbench.store import Store
from workbench.task import Task

Answer = dict[str, Any]

CACHE_MODELS = 16
CACHE_BYTES = 4 * 2**30
UNTRAINED = "The base model has no trained head for this task, so its label would mean nothing."


@dataclass(frozen=True)
class Loaded:
    """A model ready to answer."""

    model: Any
    tokenizer: Any
    task: Task
    labels: tuple[str, ...]
    max_length: int
    device: str
    precision: str

    @property
    def bytes(self) -> int:
        return sum(p.numel() * p.element_size() for p in self.model.parameters())

    def batch(self, text: str) -> tuple[dict[str, torch.Tensor], bool]:
        """The text as a batch of one, and whether it had to be cut."""
        rows = [{"text": text, "label": self.labels[0]}]
        encoded = self.task.encode(self.tokenizer, rows, self.labels, self.max_length)
        return evaluate.collate(encoded, evaluate.pad_id(self.model)), encoded[0]["truncated"]


class Cache:
    """Loaded models by key, safe for several threads; at most so many of them and so many bytes."""

    def __init__(self, count: int = CACHE_MODELS, size: int = CACHE_BYTES) -> None:
        self.count, self.size = count, size
        self._models: OrderedDict[tuple[str, ...], Loaded] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, ...], load: Callable[[], Loaded]) -> Loaded:
        """The model under `key`, loaded when it is not there."""
        with self._lock:
            if key not in self._models:
                self._models[key] = load()
                self._trim()
            self._models.move_to_end(key)
            return self._models[key]

    def clear(self) -> None:
        with self._lock:
            self._models.clear()

    def __len__(self) -> int:
        return len(self._models)

    def _trim(self) -> None:
        while len(self._models) > 1 and (
            len(self._models) > self.count or sum(m.bytes for m in self._models.values()) > self.size
        ):
            self._models.popitem(last=False)


_cache = Cache()


def answer(store: Store, run_ids: Sequence[str], text: str, *, with_base: bool = True) -> list[Answer]:
    """An answer per run, in order, and one per base model before them.

    Each has run_id (`base` for a base model), model, label, probabilities by label, ms, live, truncated and reason:
    where reason is not None, it says in one sentence why there is no label.
    """
    if not text.strip():
        raise ValueError("the text is empty: give one that the models shall judge")
    runs = [store.run(run_id) for run_id in run_ids]
    answers: list[Answer] = []
    bases: dict[tuple[str, ...], Run] = {}
    for run in runs:
        bases.setdefault(_base_key(store, run.spec.setting), run)
    if with_base:
        answers += [_safely(_base_answer, store, run, text, "base") for run in bases.values()]
    return answers + [_safely(_run_answer, store, run, text, run.id) for run in runs]


def _safely(ask: Callable[[Store, Run, str], Answer], store: Store, run: Run, text: str, name: str) -> Answer:
    """What can't be loaded is an answer too: one broken run must not hide the others."""
    try:
        found = ask(store, run, text)
    except (OSError, ValueError, RuntimeError) as error:
        found = _nothing(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
    return {"run_id": name, "model": run.spec.setting.model, **found}


def _run_answer(store: Store, run: Run, text: str) -> Answer:
    if run.state != "finished" or run.result is None:
        return _nothing(f"The run is {run.state}: only finished runs can answer.")
    if run.result.live is False:
        return _nothing(
            "The method did not act on the model when it was measured, so its label is not shown.", live=False
        )
    setting = run.spec.setting
    loaded = _cache.get((str(store.folder), run.id), lambda: _load_run(store, run))
    base = _base(store, setting)
    batch, truncated = loaded.batch(text)
    on = evaluate.logits(loaded.model, batch, loaded.device, "float32")
    plain = evaluate.logits(base.model, base.batch(text)[0], base.device, "float32")
    if not measure.prove_live(on, plain, plain).live:
        return _nothing(
            "The loaded method does not change the base model's answer, so its label is not shown.",
            live=False,
        )
    return _spoken(loaded, batch, truncated, live=True)


def _base_answer(store: Store, run: Run, text: str) -> Answer:
    loaded = _base(store, run.spec.setting)
    if models.has_new_head(loaded.model):
        return _nothing(UNTRAINED)
    batch, truncated = loaded.batch(text)
    return _spoken(loaded, batch, truncated, live=None)


def _spoken(loaded: Loaded, batch: dict[str, torch.Tensor], truncated: bool, live: bool | None) -> Answer:
    begun = time.perf_counter()
    shares = evaluate.probabilities(loaded.model, batch, loaded.device, loaded.precision)[0]
    ms = (time.perf_counter() - begun) * 1000
    best = max(range(len(shares)), key=shares.__getitem__)
    return {
        "label": loaded.labels[best],
        "probabilities": dict(zip(loaded.labels, shares)),
        "ms": ms,
        "live": live,
        "truncated": truncated,
        "reason": None,
    }


def _nothing(reason: str, live: bool | None = None) -> Answer:
    return {
        "label": None,
        "probabilities": {},
        "ms": None,
        "live": live,
        "truncated": False,
        "reason": reason,
    }


def _base(store: Store, setting: Setting) -> Loaded:
    return _cache.get(_base_key(store, setting), lambda: _load_base(store, setting))


def _base_key(store: Store, setting: Setting) -> tuple[str, ...]:
    revision = setting.model_revision or ""
    return (
        str(store.folder),
        "base",
        setting.model,
        revision,
        setting.task,
        str(setting.max_length),
        *setting.data.labels,
    )


def _load_base(store: Store, setting: Setting) -> Loaded:
    source = models.resolve(setting.model, store=store, revision=setting.model_revision)
    with _untouched_random_numbers():
        model = models.load_model(source, setting.task, setting.data.labels, store=store)
    return _ready(store, setting, source, model)


def _load_run(store: Store, run: Run) -> Loaded:
    setting = run.spec.setting
    source = models.resolve(setting.model, store=store, revision=setting.model_revision)
    folder = saving.trained_folder(Path(store.run_folder(run.id)))
    return _ready(store, setting, source, saving.load_trained(source, folder, store=store))


def _ready(store: Store, setting: Setting, source: models.ModelSource, model: Any) -> Loaded:
    device = evaluate.pick_device()
    tokenizer = models.load_tokenizer(source, store=store)
    room = evaluate.longest_input(model, tokenizer)
    loaded = Loaded(
        model.to(device).eval(),
        tokenizer,
        registry.task(setting.task),
        tuple(setting.data.labels),
        min(setting.max_length, room or setting.max_length),
        device,
        evaluate.resolve_precision(setting.precision, device),
    )
    # The first pass is slower than all others: it must not count as this model's time.
    evaluate.probabilities(model, loaded.batch("a")[0], device, loaded.precision)
    return loaded


@contextlib.contextmanager
def _untouched_random_numbers() -> Any:
    """A new head is drawn at random, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
