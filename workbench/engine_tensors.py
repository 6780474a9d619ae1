"""Tensors of models that share them: structures copied without their weights, private copies of some, unique bytes, checksums."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch


def copied_structure(model: Any) -> Any:
    """A model of its own modules whose tensors are the given model's: what is added to one is not in the other."""
    memo = {id(tensor): tensor for tensor in _holders(model)}
    return copy.deepcopy(model, memo)


def _holders(model: Any) -> Iterator[Any]:
    """Parameters and buffers as the modules hold them, and what layers of bitsandbytes keep beside them."""
    yield from model.parameters()
    yield from model.buffers()
    for module in model.modules():
        state = getattr(module, "state", None)
        yield from (v for v in vars(state).values() if isinstance(v, torch.Tensor)) if state else ()


def tensors(model: Any) -> Iterator[torch.Tensor]:
    """All plain tensors that the model holds: those that stand for rounded weights are taken apart."""
    for tensor in _holders(model):
        yield from _parts(tensor)


def _parts(tensor: Any) -> Iterator[torch.Tensor]:
    if hasattr(tensor, "qdata"):  # torchao
        yield from (tensor.qdata, tensor.scale)
        if isinstance(zero := getattr(tensor, "zero_point", None), torch.Tensor):
            yield zero
        return
    yield tensor.detach()
    for name in ("CB", "SCB"):  # bitsandbytes, 8 bits
        if isinstance(found := getattr(tensor, name, None), torch.Tensor):
            yield found
    state = getattr(tensor, "quant_state", None)  # bitsandbytes, 4 bits
    while state is not None:
        yield from (v for v in vars(state).values() if isinstance(v, torch.Tensor))
        state = getattr(state, "state2", None)


def storages(*models: Any) -> dict[int, int]:
    """Address -> bytes of every storage that the models hold, each once however many look at it."""
    found: dict[int, int] = {}
    for model in models:
        for tensor in tensors(model):
            storage = tensor.untyped_storage()
            if storage.nbytes():
                found[storage.data_ptr()] = storage.nbytes()
    return found


def unique_bytes(*models: Any) -> int:
    return sum(storages(*models).values())


def checksum(model: Any) -> int:
    """A number that changes when a bit of the weights does (other than by two changes that cancel out)."""
    return sum(int(_words(tensor).sum()) for tensor in tensors(model))


def _words(tensor: torch.Tensor) -> torch.Tensor:
    raw = tensor.detach().contiguous().flatten().view(torch.uint8)
    return raw.view(torch.int64) if raw.numel() % 8 == 0 else raw.to(torch.int64)


@dataclass
class Private:
    """A place of a structure that holds a tensor of its own, and the shared one that it holds no longer."""

    module: Any
    name: str
    shared: Any

    def swap(self) -> None:
        """Exchange the two, without copying."""
        held = self.module._parameters[self.name]
        self.module._parameters[self.name], self.shared = self.shared, held


def unshare(model: Any, names: Iterable[str]) -> list[Private]:
    """Give the model its own copies of the named parameters. What was tied stays tied."""
    known = dict(model.named_parameters())
    chosen = {id(known[name]): known[name] for name in names if name in known}
    copies: dict[int, Any] = {}
    found = []
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is None or id(parameter) not in chosen:
                continue
            if id(parameter) not in copies:
                copies[id(parameter)] = torch.nn.Parameter(parameter.detach().clone(), requires_grad=False)
            found.append(Private(module, name, parameter))
    for place in found:
        place.module._parameters[place.name] = copies[id(place.shared)]
    return found


def share_again(places: Iterable[Private]) -> list[Private]:
    """Drop the private copies that are bit for bit what they were copied from; those left differ."""
    left = []
    for place in places:
        own = place.module._parameters.get(place.name)
        if own is not None and same(own, place.shared):
            place.module._parameters[place.name] = place.shared
        else:
            left.append(place)
    return left


def share_with(model: Any, donor: Any) -> None:
    """Let parameters and buffers of the same name and the same bits be the donor's: two heads on one body."""
    given = dict(donor.named_parameters()) | dict(donor.named_buffers())
    swaps = {
        id(tensor): given[name]
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
        if name in given and same(tensor, given[name])
    }
    for module in model.modules():
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is not None and id(tensor) in swaps:
                    held[name] = swaps[id(tensor)]


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Bit for bit. Tensors that stand for others (rounded weights) never are."""
    plain = (torch.Tensor, torch.nn.Parameter)
    if type(a) not in plain or type(b) not in plain:
        return False
    if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
        return False
    return a.data_ptr() == b.data_ptr() or torch.equal(_words(a), _words(b))
