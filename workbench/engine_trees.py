"""What stands on a shared base: one PEFT model with several LoRA adapters, or a structure of one run's own.

Both are switched on and off without a weight of the base being written.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import safe_open

from workbench import models, saving
from workbench.engine_bases import Base
from workbench.engine_tensors import Private, share_again, storages, unshare

WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
# Fields of PEFT's LoraConfig that ask for another forward pass, which can't stand in a batch with other adapters.
VARIANTS = (
    "use_dora", "alora_invocation_tokens", "arrow_config", "use_bdlora", "use_qalora", "kasa_config", "velora_config",
    "monteclora_config", "mica", "target_parameters", "trainable_token_indices", "layer_replication", "megatron_config",
)  # fmt: skip


class DamagedBase(RuntimeError):
    """Loading a run wrote into the shared base."""


@dataclass
class MixedTree:
    """A PEFT model on which the plain LoRA runs of a base stand beside each other, under their ids."""

    base: Base
    model: Any = None
    names: list[str] = field(default_factory=list)
    kind = "adapter"

    def add(self, run_id: str, folder: Path) -> None:
        from peft import PeftModel

        device = str(next(self.base.model.parameters()).device)
        given: dict[str, Any] = {"adapter_name": run_id, "low_cpu_mem_usage": True, "torch_device": device}
        with models.quiet():
            if self.model is None:
                self.model = PeftModel.from_pretrained(
                    self.base.structure(), str(folder), is_trainable=False, **given
                )
            else:
                try:
                    self.model.load_adapter(str(folder), **given)
                except BaseException:
                    if run_id in self.model.peft_config:  # half of it is there
                        self.model.delete_adapter(run_id)
                    raise
        self.model.requires_grad_(False).eval()
        self.names.append(run_id)

    def remove(self, run_id: str) -> None:
        self.names.remove(run_id)
        if not self.names:
            self.model = None
            return
        with models.quiet():
            if run_id in self.model.active_adapters:
                self.select(self.names[0])
            self.model.delete_adapter(run_id)

    def select(self, run_id: str) -> None:
        """Answer as this run from now on."""
        if self.model.active_adapters != [run_id]:
            self.model.set_adapter(run_id, inference_mode=True)

    @contextlib.contextmanager
    def off(self, run_id: str) -> Iterator[Any]:
        self.select(run_id)
        with saving._peft_off(self.model):
            yield self.model

    def own_bytes(self, run_id: str) -> int:
        mine = [p for n, p in self.model.named_parameters() if f".{run_id}." in f"{n}."]
        return sum({p.data_ptr(): p.untyped_storage().nbytes() for p in mine}.values())


@dataclass
class OwnTree:
    """A structure of one run's own on the base's tensors; where the run changed a tensor it holds its own instead."""

    base: Base
    model: Any
    changed: list[Private]
    names: list[str]
    kind: str

    def select(self, run_id: str) -> None:
        """It answers as its run unless it is switched off."""

    @contextlib.contextmanager
    def off(self, run_id: str) -> Iterator[Any]:
        if self.kind == "few bits" and not saving.is_peft(self.model):
            yield self.base.model  # its layers are of another kind: there is nothing to switch
            return
        switch = saving._peft_off if saving.is_peft(self.model) else saving._switched_off
        for place in self.changed:
            place.swap()
        try:
            with switch(self.model):
                yield self.model
        finally:
            for place in self.changed:
                place.swap()

    def own_bytes(self, run_id: str) -> int:
        shared = storages(self.base.model)
        return sum(size for at, size in storages(self.model).items() if at not in shared)


Tree = MixedTree | OwnTree


def can_mix(folder: Path) -> bool:
    """Whether a saved run is plain LoRA: PEFT computes it for some rows of a batch while others have other adapters."""
    if not (folder / saving.PEFT_CONFIG).is_file() or (folder / saving.START).is_file():
        return False
    config = json.loads((folder / saving.PEFT_CONFIG).read_text(encoding="utf-8"))
    plain = config.get("peft_type") == "LORA" and config.get("bias", "none") == "none"
    if not plain or any(config.get(name) for name in VARIANTS):
        return False
    # A start that PEFT would work out anew when it loads, and take out of the weights.
    if config.get("init_lora_weights") not in (True, False, "gaussian", "orthogonal", "eva"):
        return False
    heads = tuple(f"{PREFIX}{name}." for name in config.get("modules_to_save") or ())
    return all(
        ".lora_A." in key or ".lora_B." in key or key.startswith(heads) for key in _keys(folder / WEIGHTS)
    )


def own_tree(base: Base, run_id: str, folder: Path) -> OwnTree:
    """The run on a structure of its own. DamagedBase where that changed the base, which then has to be loaded again."""
    structure = base.structure()
    private = unshare(structure, _written(folder))
    model = saving.load_trained(structure, folder).to(next(base.model.parameters()).device)
    changed = share_again(private)
    if not base.is_untouched:
        raise DamagedBase(
            f"loading run {run_id} would change the base model that other runs stand on, so it is not loaded beside them"
        )
    return OwnTree(base, model, changed, [run_id], _kind(base, model, changed))


def _kind(base: Base, model: Any, changed: Sequence[Private]) -> str:
    if base.few_bits or hasattr(model, "workbench_trained"):
        return "few bits"
    if saving.is_peft(model):
        return "adapter"
    own = [
        m
        for m in model.modules()
        if hasattr(m, "workbench_enabled") and not getattr(m, "workbench_of_base", False)
    ]
    return "own modules" if own else "changed weights"


def _written(folder: Path) -> set[str]:
    """Names of the base's parameters that loading may write: those that the run's files bring, or take a part out of."""
    names = set()
    for file in (saving.TENSORS, WEIGHTS):
        names |= {key.removeprefix(PREFIX).replace(".base_layer.", ".") for key in _keys(folder / file)}
    for key in _keys(folder / saving.START):
        names.add(f"{key.split('.lora_')[0].removeprefix(PREFIX)}.weight")
    return names


def _keys(path: Path) -> list[str]:
    if not path.is_file():
        return []
    with safe_open(path, framework="pt") as file:
        return list(file.keys())
