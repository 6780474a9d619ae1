"""Writes an adapter as plain PEFT reads it: nothing of this machine in it, and a start that was taken out of the base
folded into the adapter itself."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from workbench import saving
from workbench.exporting import forms, whole
from workbench.exporting.opened import Opened


def write_adapter(one: Opened, folder: Path, *, with_base: bool | None = None) -> None:
    """`PeftModel.from_pretrained(base, folder)` gives the run's predictions. `with_base` puts the base beside it, by
    default where no Hub has it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((one.trained / saving.PEFT_CONFIG).read_text(encoding="utf-8"))
    state = load_file(one.trained / forms.ADAPTER)
    if (one.trained / saving.START).is_file():
        config, state = _with_start(config, state, load_file(one.trained / saving.START))
    bring = whole.brings_base(one) if with_base is None else with_base
    config["base_model_name_or_path"] = whole.BASE if bring else one.source.path_or_id
    config["revision"] = None if bring else one.source.revision
    config["inference_mode"] = True
    (folder / saving.PEFT_CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    save_file(state, folder / forms.ADAPTER, metadata={"format": "pt"})
    one.tokenizer().save_pretrained(folder)
    if bring:
        whole.write_base(one, folder / whole.BASE)


def _with_start(
    config: dict[str, Any], state: dict[str, torch.Tensor], start: dict[str, torch.Tensor]
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The same change of the untouched base as LoRA of twice the rank: base - s·B₀A₀ + s·BA is base + s·[B, -B₀][A; A₀]."""
    found = dict(state)
    for name, first in start.items():
        saved = name.replace(".default.weight", ".weight")
        if saved not in found:
            raise ValueError(f"the adapter has no {saved}, which its start belongs to")
        is_a = ".lora_A." in name
        parts = [found[saved], first if is_a else -first]
        found[saved] = torch.cat(parts, dim=0 if is_a else 1).contiguous()
    rooted = bool(config.get("use_rslora"))
    factor = math.sqrt(2) if rooted else 2  # what the update is multiplied by stays as it was
    config = dict(config) | {
        "r": config["r"] * 2,
        "lora_alpha": config["lora_alpha"] * factor,
        "init_lora_weights": True,
    }
    for name, times in (("rank_pattern", 2), ("alpha_pattern", factor)):
        config[name] = {key: value * times for key, value in (config.get(name) or {}).items()}
    return config, found


def write_parts(one: Opened, folder: Path) -> None:
    """Adapters that PEFT does not know: their tensors, how they hang in the model, and a loader that needs torch alone."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(one.trained / saving.TENSORS, folder / "adapter.safetensors")
    (folder / "adapter.json").write_text(json.dumps(_places(one.model()), indent=1) + "\n", encoding="utf-8")
    shutil.copyfile(Path(__file__).with_name("parts_loader.py.txt"), folder / "load.py")
    one.tokenizer().save_pretrained(folder)
    bring = whole.brings_base(one)
    values = {
        "base": whole.BASE if bring else one.source.path_or_id,
        "revision": None if bring else one.source.revision,
        "auto_class": one.task.model_class,
        "labels": list(one.labels) if one.is_classifier else None,
    }
    (folder / "base.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    if bring:
        whole.write_base(one, folder / whole.BASE)


def _places(model: Any) -> list[dict[str, Any]]:
    """Each adapter: behind or beside which module, how wide, with which activation and factor."""
    names = {id(module): name for name, module in model.named_modules()}
    beside = {
        id(module.__dict__["workbench_adapter"]): names[id(module)]
        for module in model.modules()
        if "workbench_adapter" in module.__dict__
    }
    found = []
    for name, module in model.named_modules():
        if name.endswith(".adapter") and hasattr(module, "workbench_enabled"):
            found.append(
                {
                    "at": name.removesuffix(".adapter"),
                    "reads": beside.get(id(module)),
                    "width": module.down.in_features,
                    "narrow": module.down.out_features,
                    "activation": type(module.activation).__name__,
                    "scale": module.scale,
                }
            )
    return found
