"""Stores a whole model in 8 or 4 bits, as transformers reads it back by itself: torchao's int8, bitsandbytes' NF4."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
import transformers

from workbench.architecture import head_names, linear_modules
from workbench.exporting.opened import Opened
from workbench.method import Unsuitable
from workbench.models import quiet

NF4_BLOCK = 64
"""Weights that share a scale in bitsandbytes; rows that it does not divide are read with wrong scales on a CPU."""


def write_rounded(one: Opened, whole: Path, folder: Path, kind: str) -> None:
    """`whole` is the run as a plain model on disk; the rounded one goes to `folder`."""
    auto = getattr(transformers, one.task.model_class)
    config = int8(auto, whole) if kind == "int8" else nf4(auto, whole)
    for name in ("torchao", "bitsandbytes"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with quiet():
        model = auto.from_pretrained(
            str(whole), quantization_config=config, device_map=device(), dtype=torch.float32
        )
        model.save_pretrained(folder)
    one.tokenizer().save_pretrained(folder)


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def int8(auto: Any, whole: Path) -> Any:
    """One scale for each row, weights alone; the head and the output layer stay as they are."""
    from torchao.quantization import Int8WeightOnlyConfig

    skip, _ = _apart(auto, whole)
    return transformers.TorchAoConfig(Int8WeightOnlyConfig(version=2), modules_to_not_convert=skip)


def nf4(auto: Any, whole: Path) -> Any:
    """NF4 with double quantisation. Unsuitable where no layer has a width that its blocks divide."""
    skip, linear = _apart(auto, whole)
    odd = [name for name, width in linear.items() if width % NF4_BLOCK]
    if len(odd) == len(linear):
        widths = ", ".join(str(width) for width in sorted(set(linear.values())))
        raise Unsuitable(
            f"no linear layer of this model can be stored in 4 bits: bitsandbytes shares scales among {NF4_BLOCK} weights of a"
            f" row, and the rows here have {widths}; take the 8-bit model"
        )
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32 if device() == "cpu" else torch.bfloat16,
        llm_int8_skip_modules=[*skip, *odd],
    )


def _apart(auto: Any, whole: Path) -> tuple[list[str], dict[str, int]]:
    """Modules that stay wide, and the body's linear layers with their row's length; read off the shapes alone."""
    config = transformers.AutoConfig.from_pretrained(str(whole))
    with torch.device("meta"), quiet():
        shapes = auto.from_config(config)
    linear = {
        name: int(getattr(layer, "in_features", 0) or layer.weight.shape[0])
        for name, layer in linear_modules(shapes).items()
    }
    output = shapes.get_output_embeddings() if hasattr(shapes, "get_output_embeddings") else None
    kept = [name for name, module in shapes.named_modules() if output is not None and module is output]
    return [*head_names(shapes), *kept], linear
