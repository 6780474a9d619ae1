"""The inference engine: each distinct base loaded once, finished runs switched on it, the least used let go under a budget."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from workbench import evaluate, registry, saving
from workbench.engine_bases import Base, base_key, few_bits_base, load_base
from workbench.engine_tensors import storages
from workbench.engine_trees import DamagedBase, MixedTree, Tree, can_mix, own_tree
from workbench.result import Run
from workbench.spec import Setting
from workbench.store import Store
from workbench.task import Live, Task

BUDGET = "WORKBENCH_INFERENCE_BYTES"
CPU_BYTES = 4 * 2**30
GPU_SHARE = 0.6


@dataclass
class Resident:
    """A loaded run: the tree that it stands on, and how it is asked. `room` is how many tokens the model takes."""

    run: Run
    base: Base
    tree: Tree
    live: Live
    room: int | None
    used: int = 0

    @property
    def task(self) -> Task:
        return registry.task(self.run.spec.setting.task)

    @property
    def max_length(self) -> int:
        wanted = self.run.spec.setting.max_length
        return min(wanted, self.room or wanted)

    @property
    def mixes(self) -> bool:
        return isinstance(self.tree, MixedTree)


class Engine:
    """Finished runs of one store, ready to answer. One forward pass at a time: callers hold `lock` or use `using`.

    `precision` is what they compute in; None: each as it was trained."""

    def __init__(
        self,
        store: Store,
        *,
        budget_bytes: int | None = None,
        device: str | None = None,
        precision: str | None = None,
    ) -> None:
        self.store, self.precision = store, precision
        self.device = evaluate.pick_device(device)
        self.budget_bytes = budget_bytes if budget_bytes is not None else default_budget(self.device)
        self.lock = threading.RLock()
        self._bases: dict[str, Base] = {}
        self._mixed: dict[str, MixedTree] = {}
        self._runs: dict[str, Resident] = {}
        self._clock = 0

    # -- loading -----------------------------------------------------------------------------------------------------

    def load(self, run_ids: Sequence[str]) -> None:
        """Load what is not loaded yet, and let go of others where the budget asks for it."""
        with self.lock:
            for run_id in run_ids:
                self.resident(run_id, keep=run_ids)

    def resident(self, run_id: str, keep: Sequence[str] = ()) -> Resident:
        """The loaded run, loaded now where it is not; `keep` names runs that must stay."""
        with self.lock:
            self._clock += 1
            found = self._runs.get(run_id)
            if found is None:
                found = self._runs[run_id] = self._load(self.store.run(run_id))
                self._trim({run_id, *keep})
            found.used = found.base.used = self._clock
            return found

    def has(self, run_id: str) -> bool:
        """Whether the run is loaded."""
        return run_id in self._runs

    def unload(self, run_ids: Sequence[str] | None = None) -> None:
        """Let go of these runs, or of everything."""
        with self.lock:
            for run_id in list(self._runs) if run_ids is None else run_ids:
                self._drop(run_id)
            standing = {resident.base.key for resident in self._runs.values()}
            for key in [key for key in self._bases if key not in standing]:
                self._drop_base(key)

    def _load(self, run: Run) -> Resident:
        if run.state != "finished" or run.result is None:
            raise ValueError(f"The run is {run.state}: only finished runs can answer.")
        folder = saving.trained_folder(Path(self.store.run_folder(run.id)))
        recipe = saving.read_recipe(folder)
        plain = self._base(run.spec.setting)
        base = self._few_bits(plain, recipe) or plain
        if base is plain and can_mix(folder):
            tree: Tree = self._add_to_mixed(base, run.id, folder)
        else:
            try:
                tree = own_tree(base, run.id, folder)
            except DamagedBase:
                for run_id in [r.run.id for r in self._runs.values() if r.base is base]:
                    self._drop(run_id)
                self._drop_base(base.key)
                raise
        live, room = self._live(tree.model, base, run.spec.setting)
        resident = Resident(run, base, tree, live, room)
        tree.select(run.id)
        _warm_up(resident)
        return resident

    def _add_to_mixed(self, base: Base, run_id: str, folder: Path) -> MixedTree:
        tree = self._mixed.get(base.key) or MixedTree(base)
        tree.add(run_id, folder)
        self._mixed[base.key] = tree
        return tree

    def _base(self, setting: Setting) -> Base:
        key = base_key(setting)
        if key not in self._bases:
            self._bases[key] = load_base(self.store, setting, key, self.device, list(self._bases.values()))
        return self._bases[key]

    def _few_bits(self, plain: Base, recipe: Mapping[str, Any]) -> Base | None:
        found = few_bits_base(plain, recipe, list(self._bases.values()))
        return None if found is None else self._bases.setdefault(found.key, found)

    def _live(self, model: Any, base: Base, setting: Setting) -> tuple[Live, int | None]:
        live = Live(
            model,
            base.tokenizer,
            tuple(setting.data.labels),
            registry.task(setting.task).options.from_dict(setting.task_options),
            self.device,
            evaluate.resolve_precision(self.precision or setting.precision, self.device),
        )
        return live, evaluate.longest_input(model, base.tokenizer)

    # -- letting go --------------------------------------------------------------------------------------------------

    @property
    def bytes(self) -> int:
        """Unique bytes of all tensors that are loaded."""
        return sum(self._storages().values())

    @property
    def is_over_budget(self) -> bool:
        return self.bytes > self.budget_bytes

    def _storages(self) -> dict[int, int]:
        models = [base.model for base in self._bases.values()]
        trees = {id(r.tree): r.tree.model for r in self._runs.values()}
        return storages(*models, *trees.values())

    def _trim(self, keep: set[str]) -> None:
        """Runs that were not asked for the longest time go first, then bases that no run stands on."""
        while self.is_over_budget:
            kept_bases = {r.base.key for r in self._runs.values()}
            idle = [base for base in self._bases.values() if base.key not in kept_bases]
            if idle:
                self._drop_base(min(idle, key=lambda base: base.used).key)
                continue
            others = [r for r in self._runs.values() if r.run.id not in keep]
            if not others:
                return
            self._drop(min(others, key=lambda r: r.used).run.id)

    def _drop(self, run_id: str) -> None:
        resident = self._runs.pop(run_id, None)
        if resident is not None and isinstance(resident.tree, MixedTree):
            resident.tree.remove(run_id)
            if not resident.tree.names:
                self._mixed.pop(resident.base.key, None)

    def _drop_base(self, key: str) -> None:
        self._bases.pop(key, None)
        self._mixed.pop(key, None)

    # -- asking ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def using(self, run_id: str, *, off: bool = False) -> Iterator[Live]:
        """The run's model, switched to it; or with the method switched off. No other thread computes meanwhile."""
        with self.lock:
            resident = self.resident(run_id)
            if not off:
                resident.tree.select(run_id)
                yield replace(resident.live, model=resident.tree.model)
                return
            with resident.tree.off(run_id) as model:
                yield replace(resident.live, model=model)

    def base(self, run_id: str) -> Live:
        """The bare base that the run stands on, asked as the run is."""
        with self.lock:
            resident = self.resident(run_id)
            return replace(resident.live, model=resident.base.model)

    def bare_base(self, run: Run) -> tuple[Live, int | None]:
        """The base of any run, finished or not, without the run: as the model came, at full width."""
        with self.lock:
            base = self._base(run.spec.setting)
            self._clock += 1
            base.used = self._clock
            return self._live(base.model, base, run.spec.setting)

    def base_key(self, run_id: str) -> str:
        """Equal for runs that share one loaded base."""
        return self.resident(run_id).base.key

    def mixes(self, run_ids: Sequence[str]) -> list[list[str]]:
        """The runs in groups that can stand in one batch."""
        groups: dict[str, list[str]] = {}
        with self.lock:
            for run_id in run_ids:
                resident = self.resident(run_id, keep=run_ids)
                group = f"mixed {resident.base.key}" if resident.mixes else run_id
                groups.setdefault(group, []).append(run_id)
        return list(groups.values())

    def contents(self) -> dict[str, Any]:
        """What is loaded and what it costs: tensors that several share count once."""
        with self.lock:
            bases = []
            for base in self._bases.values():
                standing = [r for r in self._runs.values() if r.base is base]
                bases.append(
                    {
                        "key": base.key,
                        "model": base.source.ref,
                        "title": base.source.title,
                        "few_bits": base.few_bits,
                        "task": base.task,
                        "bytes": sum(storages(base.model).values()),
                        "runs": [
                            {
                                "run_id": r.run.id,
                                "bytes": r.tree.own_bytes(r.run.id),
                                "kind": r.tree.kind,
                                "mixes": r.mixes,
                            }
                            for r in standing
                        ],
                    }
                )
            return {
                "bytes": self.bytes,
                "budget_bytes": self.budget_bytes,
                "device": self.device,
                "bases": bases,
            }


def default_budget(device: str) -> int:
    """What WORKBENCH_INFERENCE_BYTES says, else a fixed sum on a CPU and most of a GPU."""
    if given := os.environ.get(BUDGET):
        if not given.isdigit():
            raise ValueError(f"{BUDGET} is a whole number of bytes, not {given!r}")
        return int(given)
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(device).total_memory * GPU_SHARE)
    return CPU_BYTES


def _warm_up(resident: Resident) -> None:
    """The first pass is slower than all others: it must not count as this model's time."""
    batch, _ = resident.task.ask_batch(resident.live, "a", resident.max_length, resident.room)
    resident.task.logits(replace(resident.live, model=resident.tree.model), batch)
