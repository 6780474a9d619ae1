"""Stores the matrices of a loaded model in 4 or 8 bits with bitsandbytes, and brings them back to full width."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.architecture import head_names, linear_modules, plain_base
from workbench.method import Unsuitable

BLOCK = 64
"""Weights that share one scale, as in the paper."""


def store_in_bits(model: Any, kind: str, *, double: bool, device: str = "cpu", on_meta: bool = False) -> Any:
    """Replace each linear layer of the body by one that keeps its matrix as nf4, fp4 or int8, and freeze the rest.

    Embeddings, norms, the output layer and the task head stay as they are. A model that is stored so already is left alone.
    """
    if is_stored_in_bits(model):
        return model
    layers = linear_modules(model)
    if not layers:
        raise Unsuitable(
            f"a {plain_base(model).config.model_type} model has no linear layers that could be stored in few bits:"
            " choose one whose blocks are made of them"
        )
    model.requires_grad_(False)
    for name, layer in layers.items():
        if kind == "int8":
            model.set_submodule(name, _in_8_bits(layer, device, on_meta))
        else:
            model.set_submodule(name, _in_4_bits(layer, kind, double, device, on_meta))
    # PEFT asks the model which kind of layers it has.
    model.is_loaded_in_8bit, model.is_loaded_in_4bit = kind == "int8", kind != "int8"
    return model


def is_stored_in_bits(model: Any) -> bool:
    base = plain_base(model)
    return bool(getattr(base, "is_loaded_in_4bit", False) or getattr(base, "is_loaded_in_8bit", False))


def stored_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """The layers of bitsandbytes with their full names; a tuner's own layers around them are not among them."""
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    return (
        (name, module) for name, module in model.named_modules() if isinstance(module, Linear4bit | Linear8bitLt)
    )


def widen(model: Any) -> Any:
    """Put plain linear layers with the values that the stored ones stand for in their place, in the model itself."""
    import torch

    base = plain_base(model)
    for name, layer in list(stored_layers(base)):
        weight = wide_weight(layer)
        plain = torch.nn.Linear(
            layer.in_features, layer.out_features, layer.bias is not None, device="meta", dtype=weight.dtype
        )
        plain.weight = torch.nn.Parameter(weight, requires_grad=False)
        if layer.bias is not None:
            plain.bias = layer.bias
        base.set_submodule(name, plain.train(layer.training))
    base.is_loaded_in_4bit = base.is_loaded_in_8bit = False
    return model


def wide_weight(layer: Any) -> Any:
    """The matrix that a stored layer stands for, in the width it had before."""
    from bitsandbytes import functional

    if hasattr(layer.weight, "quant_state"):
        return functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    scales = layer.weight.SCB if layer.state.SCB is None else layer.state.SCB
    return functional.int8_vectorwise_dequant(layer.weight.data, scales.to(layer.weight.device))


def _in_4_bits(layer: Any, kind: str, double: bool, device: str, on_meta: bool) -> Any:
    import torch
    from bitsandbytes.nn import Linear4bit, Params4bit

    weight, inside, outside = _matrix(layer)
    # On a GPU the layer's inputs are narrowed as the weights are; on a CPU autocast says how to compute.
    narrow = torch.bfloat16 if device.startswith("cuda") and torch.cuda.is_bf16_supported() else None
    stored = Linear4bit(
        inside,
        outside,
        bias=False,
        compute_dtype=narrow,
        compress_statistics=double,
        quant_type=kind,
        device="meta",
    )
    # bitsandbytes would repack weights for faster answers on some CPUs: nothing could be trained after that, and narrow
    # layers fail.
    stored.support_avx512bf16_for_cpu = False
    if on_meta:
        data = torch.empty(((weight.numel() + 1) // 2, 1), dtype=torch.uint8, device="meta")
        stored.weight = Params4bit(
            data, compress_statistics=double, quant_type=kind, bnb_quantized=True, module=stored
        )
    else:
        stored.weight = Params4bit(
            weight.detach().contiguous(), compress_statistics=double, quant_type=kind, module=stored, blocksize=BLOCK
        ).to(device)
    return _finished(stored, layer, device, on_meta)


def _in_8_bits(layer: Any, device: str, on_meta: bool) -> Any:
    import torch
    from bitsandbytes.nn import Int8Params, Linear8bitLt

    weight, inside, outside = _matrix(layer)
    stored = Linear8bitLt(inside, outside, bias=False, has_fp16_weights=False, threshold=6.0, device="meta")
    if on_meta:
        stored.weight = torch.nn.Parameter(
            torch.empty((outside, inside), dtype=torch.int8, device="meta"), requires_grad=False
        )
    else:
        stored.weight = Int8Params(
            weight.detach().contiguous(), requires_grad=False, has_fp16_weights=False
        ).to(device)
    return _finished(stored, layer, device, on_meta)


def _matrix(layer: Any) -> tuple[Any, int, int]:
    """[out, in], its width in and its width out: GPT-2's Conv1D has its matrix the other way round."""
    from torch import nn

    weight = layer.weight if isinstance(layer, nn.Linear) else layer.weight.T
    return weight, weight.shape[1], weight.shape[0]


def _finished(stored: Any, layer: Any, device: str, on_meta: bool) -> Any:
    if layer.bias is not None:
        stored.bias = layer.bias if on_meta else type(layer.bias)(layer.bias.detach().to(device), requires_grad=False)
    return stored.train(layer.training)


def check_package() -> None:
    """Unsuitable where bitsandbytes is not installed (it has no macOS build)."""
    import importlib.util

    if importlib.util.find_spec("bitsandbytes") is None:
        raise Unsuitable(
            "storing weights in few bits needs the package bitsandbytes, which is not installed here:"
            " pip install bitsandbytes, or choose lora"
        )


__all__ = [
    "check_package",
    "head_names",
    "is_stored_in_bits",
    "store_in_bits",
    "stored_layers",
    "wide_weight",
    "widen",
]
