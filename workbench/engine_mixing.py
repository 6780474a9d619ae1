"""One batch, several LoRA adapters: PEFT says which rows are whose (`adapter_names`), and all of them are multiplied at once.

PEFT's own loop takes each adapter's rows in turn, which for a dozen adapters costs more than the base model itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

BASE = "__base__"
"""PEFT's name for rows without an adapter."""


@dataclass(frozen=True)
class Rows:
    """Which rows belong to which adapter: `names` with `each` places, `order` the row at each place, `back` the way back."""

    names: tuple[str, ...]
    each: int
    order: torch.Tensor | None
    back: torch.Tensor | None


def arranged(adapter_names: Sequence[str], device: Any) -> Rows:
    """Rows sorted by adapter, as many places for each as the most frequent one needs."""
    names = tuple(dict.fromkeys(adapter_names))
    rows = {name: [i for i, found in enumerate(adapter_names) if found == name] for name in names}
    each = max(map(len, rows.values()))
    if each == 1:
        return Rows(names, 1, None, None)
    order: list[int] = []
    back = [0] * len(adapter_names)
    for name in names:
        for i, row in enumerate(rows[name]):
            back[row] = len(order) + i
        order += rows[name] + [rows[name][0]] * (each - len(rows[name]))
    return Rows(names, each, torch.tensor(order, device=device), torch.tensor(back, device=device))


@contextlib.contextmanager
def mixing(model: Any, adapter_names: Sequence[str]) -> Iterator[None]:
    """Meanwhile the model's LoRA layers answer this batch, given as `adapter_names`, in one product for all adapters."""
    from peft.tuners.lora import Linear

    device = next(model.parameters()).device
    rows = arranged(adapter_names, device)
    layers = [m for m in model.modules() if type(m) is Linear and not m.lora_variant]
    for layer in layers:
        layer._mixed_batch_forward = _Stacked(layer, rows)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer._mixed_batch_forward


class _Stacked:
    """A LoRA layer with the factors of a batch's adapters side by side, zero where an adapter does not change the layer."""

    def __init__(self, layer: Any, rows: Rows) -> None:
        self.layer, self.rows = layer, rows
        found = [name for name in rows.names if name in layer.lora_A]
        self.down = self.up = None
        if not found:
            return
        rank = max(layer.lora_A[name].weight.shape[0] for name in found)
        first_down, first_up = layer.lora_A[found[0]].weight, layer.lora_B[found[0]].weight
        self.down = first_down.new_zeros((len(rows.names), first_down.shape[1], rank))
        self.up = first_up.new_zeros((len(rows.names), rank, first_up.shape[0]))
        self.bias = None
        for i, name in enumerate(rows.names):
            if name in found:
                down, up = layer.lora_A[name].weight, layer.lora_B[name].weight
                self.down[i, :, : down.shape[0]] = down.T
                self.up[i, : down.shape[0]] = up.T * layer.scaling[name]
        if any(layer.lora_B[name].bias is not None for name in found):
            self.bias = first_up.new_zeros((len(rows.names), 1, first_up.shape[0]))
            for i, name in enumerate(rows.names):
                if name in found and layer.lora_B[name].bias is not None:
                    self.bias[i, 0] = layer.lora_B[name].bias * layer.scaling[name]

    def __call__(self, x: torch.Tensor, *args: Any, adapter_names: list[str], **kwargs: Any) -> torch.Tensor:
        from peft.tuners.lora.layer import VARIANT_KWARG_KEYS

        given_on = {name: value for name, value in kwargs.items() if name not in VARIANT_KWARG_KEYS}
        result: torch.Tensor = self.layer.base_layer(x, *args, **given_on)
        if self.down is None or self.up is None:
            return result
        given = x if x.dim() == 3 else x[:, None]
        length = given.shape[1]
        given = given.to(self.down.dtype)
        if self.rows.order is not None:
            given = given.index_select(0, self.rows.order).reshape(len(self.rows.names), -1, given.shape[-1])
        change = torch.bmm(torch.bmm(given, self.down), self.up)
        if self.bias is not None:
            change = change + self.bias
        if self.rows.back is not None:
            change = change.reshape(-1, length, change.shape[-1]).index_select(0, self.rows.back)
        return result + change.reshape(result.shape).to(result.dtype)
