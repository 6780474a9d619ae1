"""Rounds the matrices of a model's body to few bits with torchao: imitated while training, or once afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.architecture import linear_modules, mixture_names, plain_base
from workbench.method import Unsuitable
from workbench.options import Options, option

SCHEMES = ("int8", "int8-int4", "int4", "int2")
BITS = {"int8": 8, "int8-int4": 4, "int4": 4, "int2": 2}
SMALLEST_GROUP = 8


@dataclass(frozen=True)
class FewBitsOptions(Options):
    """How the matrices are kept in the end."""

    scheme: str = option(
        "int4",
        "Bits of each weight in the end: int8, int4 or int2; int8-int4 means 4-bit weights that multiply inputs rounded to 8"
        " bits.",
        choices=SCHEMES,
    )
    group_size: int = option(
        32,
        "Neighbouring weights that share one scale. Fewer is more exact and takes more room; int8 has one scale for each row."
        " Where it does not divide a layer's width, the next smaller that does is taken.",
        min=8,
        max=1024,
        step=8,
    )


def imitate(model: Any, options: FewBitsOptions) -> Any:
    """Round the weights in every forward pass, while they themselves stay wide and can be trained."""
    from torchao.quantization import quantize_
    from torchao.quantization.qat import QATConfig

    for names, config in _plan(model, options):
        quantize_(model, QATConfig(config, step="prepare"), filter_fn=_among(names))
    return model


def convert(model: Any, options: FewBitsOptions) -> Any:
    """Round the weights for good, in the model itself: imitated before or not, the result has the same form.

    `workbench_trained` names the other tensors that training changed: they belong to the result too.
    """
    from torch import nn
    from torch.nn.utils import parametrize
    from torchao.quantization import quantize_
    from torchao.quantization.qat import QATConfig
    from torchao.quantization.qat.linear import FakeQuantizedLinear

    for name, layer in _layers(model).items():
        if parametrize.is_parametrized(layer, "weight"):
            model.set_submodule(name, _folded(layer))
    rounded = {f"{name}.weight" for names, _ in _plan(model, options) for name in names}
    trained = [n for n, p in model.named_parameters() if p.requires_grad and n not in rounded]
    for names, config in _plan(model, options):
        if isinstance(model.get_submodule(names[0]), FakeQuantizedLinear):
            quantize_(model, QATConfig(config, step="convert"), filter_fn=_among(names))
        else:
            quantize_(model, config, filter_fn=_among(names))
        for name in names:  # torchao leaves the gradient's wish as it was
            layer = model.get_submodule(name)
            layer.weight = nn.Parameter(layer.weight.detach(), requires_grad=False)
    model.workbench_trained = tuple(trained)
    return model.requires_grad_(False).eval()


def _folded(layer: Any) -> Any:
    """A plain layer with the weight that a parametrised one computes. Taking the parametrisation off would take it off all
    copies too, which share its class."""
    from torch import nn

    plain = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
    plain.weight = nn.Parameter(layer.weight.detach().clone(), requires_grad=False)
    plain.bias = layer.bias
    return plain


def imitators(model: Any) -> list[Any]:
    """The modules that round while training; each has a switch `enabled`."""
    return [m for m in model.modules() if type(m).__name__ == "IntxFakeQuantizer"]


def groups(model: Any, options: FewBitsOptions) -> dict[int, int | None]:
    """Layer width -> how many of its weights share a scale; None is a whole row."""
    if BITS[options.scheme] == 8:
        return {layer.in_features: None for layer in _layers(model).values()}
    return {
        layer.in_features: _group(layer.in_features, options.group_size) for layer in _layers(model).values()
    }


def notes(model: Any, options: FewBitsOptions) -> tuple[str, ...]:
    """What the reader must know of how this model is rounded."""
    found = []
    if BITS[options.scheme] < 8:
        other = {width: size for width, size in groups(model, options).items() if size != options.group_size}
        for width, size in sorted(other.items()):
            got = f"groups of {size}" if size else "one scale for each row"
            found.append(
                f"A group_size of {options.group_size} does not divide the layers of width {width}: they have {got}."
            )
    if mixture_names(model):
        found.append("The experts of this mixture are no linear layers and stay as wide as they were.")
    return tuple(found)


def _plan(model: Any, options: FewBitsOptions) -> list[tuple[list[str], Any]]:
    """Names of layers that are rounded alike, and torchao's config for them."""
    import torch
    from torchao.quantization import (
        Int8DynamicActivationIntxWeightConfig,
        IntxWeightOnlyConfig,
        PerAxis,
        PerGroup,
    )

    sizes = groups(model, options)
    alike: dict[int | None, list[str]] = defaultdict(list)
    for name, layer in _layers(model).items():
        alike[sizes[layer.in_features]].append(name)
    dtype = getattr(torch, f"int{BITS[options.scheme]}")
    plan = []
    for size, names in alike.items():
        granularity: Any = PerGroup(size) if size else PerAxis(0)
        if options.scheme == "int8-int4":
            config: Any = Int8DynamicActivationIntxWeightConfig(
                weight_dtype=dtype, weight_granularity=granularity
            )
        else:
            config = IntxWeightOnlyConfig(weight_dtype=dtype, granularity=granularity)
        plan.append((names, config))
    return plan


def _layers(model: Any) -> Mapping[str, Any]:
    from torch import nn

    layers = linear_modules(model)
    other = [name for name, layer in layers.items() if not isinstance(layer, nn.Linear)]
    if other or not layers:
        kind = plain_base(model).config.model_type
        what = f"the {type(layers[other[0]]).__name__} layers" if other else "the layers"
        raise Unsuitable(
            f"torchao rounds plain linear layers, and {what} of a {kind} model are none of these:"
            " choose a Llama, Qwen or BERT type model"
        )
    return layers


def _group(width: int, wanted: int) -> int | None:
    """The largest size up to the wanted one that divides the width; None where only tiny ones do."""
    found = next(size for size in range(min(wanted, width), 0, -1) if width % size == 0)
    return found if found >= SMALLEST_GROUP else None


def _among(names: Sequence[str]) -> Any:
    wanted = set(names)
    return lambda module, name: name in wanted


def rounded_weights(model: Any) -> Iterator[tuple[str, Any]]:
    """The parameters that torchao keeps as whole numbers and scales, with their names."""
    return ((n, p) for n, p in model.named_parameters() if hasattr(p, "qdata") and hasattr(p, "target_dtype"))


def bits_of(weight: Any) -> int:
    """The width of the whole numbers that such a parameter stands for."""
    return int(str(weight.target_dtype).removeprefix("torch.int"))


def widen(model: Any) -> Any:
    """Put the values that rounded weights stand for in their place as plain ones, in the model itself."""
    from torch import nn

    for name, weight in list(rounded_weights(model)):
        layer = model.get_submodule(name.rpartition(".")[0])
        layer.weight = nn.Parameter(weight.dequantize(), requires_grad=False)
    return model


def packed_state(model: Any) -> dict[str, Any]:
    """All tensors that make up a converted model beside its base; 4- and 2-bit numbers are packed into whole bytes."""
    parameters = dict(model.named_parameters())
    state = {name: parameters[name].detach().cpu().contiguous() for name in model.workbench_trained}
    for name, weight in rounded_weights(model):
        state[f"{name}.qdata"] = pack(weight.qdata.cpu(), bits_of(weight))
        state[f"{name}.scale"] = weight.scale.detach().cpu().contiguous()
    return state


def load_packed_state(model: Any, state: Mapping[str, Any]) -> None:
    """Put such a state into a converted model of the same base and options."""
    import torch

    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in rounded_weights(model):
            numbers = unpack(state[f"{name}.qdata"], bits_of(weight), weight.numel())
            weight.qdata.copy_(numbers.reshape(weight.qdata.shape))
            weight.scale.copy_(state[f"{name}.scale"])
        for name in model.workbench_trained:
            parameters[name].copy_(state[name])


def pack(numbers: Any, bits: int) -> Any:
    """Signed whole numbers of so many bits, several to a byte."""
    import torch
    from torch.nn.functional import pad

    if bits == 8:
        return numbers.contiguous()
    each = 8 // bits
    flat = (numbers.flatten().to(torch.int16) + 2 ** (bits - 1)).to(torch.uint8)
    lines = pad(flat, (0, -len(flat) % each)).reshape(-1, each)
    return (lines << (torch.arange(each, dtype=torch.uint8) * bits)).sum(1, dtype=torch.uint8)


def unpack(packed: Any, bits: int, count: int) -> Any:
    """The inverse of `pack`."""
    import torch

    if bits == 8:
        return packed
    each = 8 // bits
    lines = (packed[:, None] >> (torch.arange(each, dtype=torch.uint8) * bits)) & (2**bits - 1)
    return (lines.flatten()[:count].to(torch.int16) - 2 ** (bits - 1)).to(torch.int8)
