"""Stores the matrices of a loaded model in 4 or 8 bits with bitsandbytes, and brings them back to full width."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from workbench.architecture import linear_modules, plain_base
from workbench.method import Unsuitable

BLOCKS = (64, 32)
"""How many weights share one scale in 4 bits: 64 as in the paper, fewer where a layer's width asks for it."""


def store_in_bits(model: Any, kind: str, *, double: bool, device: str = "cpu", on_meta: bool = False) -> Any:
    """Replace each linear layer of the body by one that keeps its matrix as nf4, fp4 or int8, and freeze the rest.

    Embeddings, norms, the output layer and the task head stay as they are, and in 4 bits layers of odd widths. A model that
    is stored so already is left alone.
    """
    if is_stored_in_bits(model):
        return model
    found = linear_modules(model)
    layers = {name: layer for name, layer in found.items() if kind == "int8" or _block(layer)}
    if not layers:
        raise Unsuitable(
            f"a {plain_base(model).config.model_type} model has no linear layers that could be stored in few bits:"
            " choose one whose blocks are made of them, with widths that 32 divides"
        )
    model.requires_grad_(False)
    model.workbench_odd_widths = sorted({_matrix(found[name])[1] for name in found.keys() - layers.keys()})
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
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, Linear4bit | Linear8bitLt)
    )


def odd_widths(model: Any) -> list[int]:
    """Widths of the layers that were left as they are."""
    return getattr(plain_base(model), "workbench_odd_widths", [])


def _block(layer: Any) -> int | None:
    """Weights to a scale. They must divide a row: on CPUs bitsandbytes 0.50 else reads wrong scales, without a word."""
    inside = _matrix(layer)[1]
    return next((size for size in BLOCKS if inside % size == 0), None)


def widen(model: Any, *, on_meta: bool = False) -> Any:
    """Put plain linear layers with the values that the stored ones stand for in their place, in the model itself; with
    `on_meta` there are shapes only."""
    import torch

    base = plain_base(model)
    for name, layer in list(stored_layers(base)):
        weight = wide_weight(layer, on_meta)
        plain = torch.nn.Linear(
            layer.in_features, layer.out_features, layer.bias is not None, device="meta", dtype=weight.dtype
        )
        plain.weight = torch.nn.Parameter(weight, requires_grad=False)
        if layer.bias is not None:
            plain.bias = layer.bias
        base.set_submodule(name, plain.train(layer.training))
    base.is_loaded_in_4bit = base.is_loaded_in_8bit = False
    return model


def widened(model: Any) -> Any:
    """The same adapter on the same base with plain linear layers: a copy of a PEFT model."""
    import copy

    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    from workbench.methods._peft_derived import settle

    adapter = get_peft_model_state_dict(model, save_embedding_layers=False)
    config = copy.deepcopy(model.active_peft_config)
    bare = copy.deepcopy(model)
    base = plain_base(bare)
    base.is_loaded_in_4bit = base.is_loaded_in_8bit = False  # else (IA)3 does not let go of it
    plain = widen(bare.unload())
    again = get_peft_model(plain, config)
    set_peft_model_state_dict(again, adapter)
    settle(again)
    return again.eval()


def wide_weight(layer: Any, on_meta: bool = False) -> Any:
    """The matrix that a stored layer stands for, in the width it had before."""
    import torch
    from bitsandbytes import functional

    if on_meta:
        return torch.empty((layer.out_features, layer.in_features), device="meta")

    if hasattr(layer.weight, "quant_state"):
        return functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    scales = layer.weight.SCB if layer.state.SCB is None else layer.state.SCB
    return functional.int8_vectorwise_dequant(layer.weight.data, scales.to(layer.weight.device))


def _in_4_bits(layer: Any, kind: str, double: bool, device: str, on_meta: bool) -> Any:
    import torch
    from bitsandbytes.nn import Params4bit

    weight, inside, outside = _matrix(layer)
    stored = _layer_classes()[0](
        inside, outside, bias=False, compress_statistics=double, quant_type=kind, device="meta"
    )
    if on_meta:
        data = torch.empty((weight.numel() // 2, 1), dtype=torch.uint8, device="meta")
        stored.weight = Params4bit(
            data, compress_statistics=double, quant_type=kind, bnb_quantized=True, module=stored
        )
    else:
        stored.weight = Params4bit(
            weight.detach().contiguous(),
            compress_statistics=double,
            quant_type=kind,
            module=stored,
            blocksize=_block(layer),
        ).to(device)
    return _finished(stored, layer, device, on_meta)


def _in_8_bits(layer: Any, device: str, on_meta: bool) -> Any:
    import torch
    from bitsandbytes.nn import Int8Params

    weight, inside, outside = _matrix(layer)
    stored = _layer_classes()[1](
        inside, outside, bias=False, has_fp16_weights=False, threshold=6.0, device="meta"
    )
    if on_meta:
        stored.weight = torch.nn.Parameter(
            torch.empty((outside, inside), dtype=torch.int8, device="meta"), requires_grad=False
        )
    else:
        stored.weight = Int8Params(
            weight.detach().contiguous(), requires_grad=False, has_fp16_weights=False
        ).to(device)
    return _finished(stored, layer, device, on_meta)


@functools.cache
def _layer_classes() -> tuple[Any, Any]:
    """bitsandbytes' layers, computing as any other layer does: in autocast's precision, and with a bias that stays as it is.

    Theirs keep the precision of the first input they meet for good, and narrow the bias itself to each input's.
    """
    import torch
    from bitsandbytes import matmul, matmul_4bit
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    def narrowed(x: Any) -> Any:
        kind = x.device.type
        if kind == "meta":  # has no autocast
            return x
        return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x

    class Shapes(torch.autograd.Function):
        """What the layer does, without weights: its matrix is unpacked once forward, and once more backward."""

        @staticmethod
        def forward(ctx: Any, x: Any, packed: Any, outside: int) -> Any:
            ctx.outside = outside
            ctx.save_for_backward(packed)
            return x @ x.new_empty((x.shape[-1], outside))

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            inside = 2 * ctx.saved_tensors[0].numel() // ctx.outside
            return grad @ grad.new_empty((ctx.outside, inside)), None, None

    class Stored4bit(Linear4bit):
        def forward(self, x: Any) -> Any:
            x, state = narrowed(x), self.weight.quant_state
            if state is None:
                found = Shapes.apply(x, self.weight, self.out_features)
            else:
                found = matmul_4bit(x, self.weight, quant_state=state)
            return found if self.bias is None else found + self.bias.to(found.dtype)

    class Stored8bit(Linear8bitLt):
        def forward(self, x: Any) -> Any:
            self.state.is_training = self.training
            if self.weight.CB is not None:
                self.init_8bit_state()
            found = matmul(narrowed(x), self.weight, state=self.state)
            return found if self.bias is None else found + self.bias.to(found.dtype)

    return Stored4bit, Stored8bit


def _matrix(layer: Any) -> tuple[Any, int, int]:
    """[out, in], its width in and its width out: GPT-2's Conv1D has its matrix the other way round."""
    from torch import nn

    weight = layer.weight if isinstance(layer, nn.Linear) else layer.weight.T
    return weight, weight.shape[1], weight.shape[0]


def _finished(stored: Any, layer: Any, device: str, on_meta: bool) -> Any:
    if layer.bias is not None:
        stored.bias = (
            layer.bias if on_meta else type(layer.bias)(layer.bias.detach().to(device), requires_grad=False)
        )
    return stored.train(layer.training)


def check_package() -> None:
    """Unsuitable where bitsandbytes is not installed (it has no macOS build)."""
    import importlib.util

    if importlib.util.find_spec("bitsandbytes") is None:
        raise Unsuitable(
            "storing weights in few bits needs the package bitsandbytes, which is not installed here:"
            " pip install bitsandbytes, or choose lora"
        )
