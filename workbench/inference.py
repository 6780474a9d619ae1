"""One text through finished runs and their base model, side by side. Loaded models are kept, the least used go first."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from workbench import evaluate, measure, models, registry, saving
from workbench.result import Run
from workbench.spec import Setting, canonical_json
from workbench.store import Store
from workbench.task import Live, Task

Answer = dict[str, Any]

CACHE_MODELS = 16
CACHE_BYTES = 4 * 2**30
UNTRAINED = "The base model has no trained head for this task, so its label would mean nothing."


@dataclass(frozen=True)
class Loaded:
    """A model ready to answer. `room` is how many tokens it takes altogether."""

    live: Live
    task: Task
    max_length: int
    room: int | None = None

    @property
    def bytes(self) -> int:
        return sum(p.numel() * p.element_size() for p in self.live.model.parameters())

    def asked(self, options: Mapping[str, Any] | None) -> Loaded:
        """The same model with other options of its task. ValueError names an unknown one."""
        if not options:
            return self
        changed = self.task.options.from_dict({**self.live.options.to_dict(), **options})
        return replace(self, live=replace(self.live, options=changed))

    def batch(self, text: str) -> tuple[Any, bool]:
        """The text as a batch of one, and whether it had to be cut."""
        return self.task.ask_batch(self.live, text, self.max_length, self.room)


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


def answer(
    store: Store,
    run_ids: Sequence[str],
    text: str,
    *,
    with_base: bool = True,
    with_runs: bool = True,
    options: Mapping[str, Any] | None = None,
) -> list[Answer]:
    """An answer per run, in order, and one per base model before them; without runs, of their bases alone.

    Each has run_id (`base` for a base model), model, label, probabilities by label, ms, live, truncated and reason:
    where reason is not None, it says in one sentence why there is no answer. A generated answer has text, tokens and
    ended (whether it came to its end token) besides. `options` change the task's own: the decoding of a generated text.
    """
    if not text.strip():
        raise ValueError("the text is empty: give one that the models shall judge")
    runs = [store.run(run_id) for run_id in run_ids]
    for run in runs:
        _checked_options(run.spec.setting, options)
    answers: list[Answer] = []
    bases: dict[tuple[str, ...], Run] = {}
    for run in runs:
        bases.setdefault(_base_key(store, run.spec.setting), run)
    if with_base:
        answers += [_safely(_base_answer, store, run, text, options, "base") for run in bases.values()]
    if with_runs:
        answers += [_safely(_run_answer, store, run, text, options, run.id) for run in runs]
    return answers


def _checked_options(setting: Setting, options: Mapping[str, Any] | None) -> None:
    registry.task(setting.task).options.from_dict({**setting.task_options, **(options or {})})


def _safely(
    ask: Callable[[Store, Run, str, Mapping[str, Any] | None], Answer],
    store: Store,
    run: Run,
    text: str,
    options: Mapping[str, Any] | None,
    name: str,
) -> Answer:
    """What can't be loaded is an answer too: one broken run must not hide the others."""
    try:
        found = ask(store, run, text, options)
    except (OSError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        found = _nothing(run, first)
    return {"run_id": name, "model": run.spec.setting.model, **found}


def _run_answer(store: Store, run: Run, text: str, options: Mapping[str, Any] | None) -> Answer:
    if run.state != "finished" or run.result is None:
        return _nothing(run, f"The run is {run.state}: only finished runs can answer.")
    if run.result.live is False:
        return _nothing(
            run,
            f"The method did not act on the model when it was measured, so its {_what(run)} is not shown.",
            live=False,
        )
    setting = run.spec.setting
    loaded = _cache.get((str(store.folder), run.id), lambda: _load_run(store, run)).asked(options)
    base = _base(store, setting).asked(options)
    batch, truncated = loaded.batch(text)
    on = loaded.task.logits(replace(loaded.live, precision="float32"), batch)
    plain = base.task.logits(replace(base.live, precision="float32"), base.batch(text)[0])
    if not measure.prove_live(on, plain, plain).live:
        return _nothing(
            run,
            f"The loaded method does not change the base model's answer, so its {_what(run)} is not shown.",
            live=False,
        )
    return _spoken(loaded, batch, truncated, live=True)


def _base_answer(store: Store, run: Run, text: str, options: Mapping[str, Any] | None) -> Answer:
    loaded = _base(store, run.spec.setting).asked(options)
    if models.has_new_head(loaded.live.model):
        return _nothing(run, UNTRAINED)
    batch, truncated = loaded.batch(text)
    return _spoken(loaded, batch, truncated, live=None)


def _what(run: Run) -> str:
    """What an answer of this run's task consists of."""
    return "text" if "text" in registry.task(run.spec.setting.task).silence else "label"


def _spoken(loaded: Loaded, batch: Any, truncated: bool, live: bool | None) -> Answer:
    found = loaded.task.answer(loaded.live, batch)
    return {**found, "live": live, "truncated": truncated, "reason": None}


def _nothing(run: Run, reason: str, live: bool | None = None) -> Answer:
    silence = registry.task(run.spec.setting.task).silence
    return {**silence, "live": live, "truncated": False, "reason": reason}


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
        canonical_json(dict(setting.task_options)),
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
    device, task = evaluate.pick_device(), registry.task(setting.task)
    tokenizer = models.load_tokenizer(source, store=store)
    room = evaluate.longest_input(model, tokenizer)
    live = Live(
        model.to(device).eval(),
        tokenizer,
        tuple(setting.data.labels),
        task.options.from_dict(setting.task_options),
        device,
        evaluate.resolve_precision(setting.precision, device),
    )
    loaded = Loaded(live, task, min(setting.max_length, room or setting.max_length), room)
    # The first pass is slower than all others: it must not count as this model's time.
    task.logits(live, loaded.batch("a")[0])
    return loaded


@contextlib.contextmanager
def _untouched_random_numbers() -> Any:
    """A new head is drawn at random, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
