"""Counts a live model's weights the way the table's columns mean them; `estimate` and `measure` both use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.architecture import head_names, is_head


@dataclass(frozen=True)
class Counts:
    """Weights of a prepared model. `trainable` = `head` + `method`; `total` is what PEFT prints (its frozen copy of
    the head included); `base` is the model before the method came."""

    trainable: int
    head: int
    method: int
    total: int
    base: int

    @property
    def share(self) -> float:
        return self.trainable / self.total if self.total else 0.0


def count_parameters(model: Any, *, base: int) -> Counts:
    """The counts of a model that a method was applied to; `base` is `total_parameters` of the model before."""
    heads = head_names(model)
    trainable = {name: size(p) for name, p in model.named_parameters() if p.requires_grad}
    head = sum(n for name, n in trainable.items() if is_head(name, heads))
    all_trainable = sum(trainable.values())
    return Counts(all_trainable, head, all_trainable - head, total_parameters(model), base)


def total_parameters(model: Any) -> int:
    """All weights, each tied one once, quantised ones unpacked."""
    return sum(size(parameter) for parameter in model.parameters())


def size(parameter: Any) -> int:
    """Weights in one parameter: bitsandbytes packs two 4-bit weights into each byte and hides the true shape."""
    count: int = parameter.numel()
    if count == 0 and hasattr(parameter, "ds_numel"):
        count = parameter.ds_numel
    if type(parameter).__name__ == "Params4bit":
        state = getattr(parameter, "quant_state", None)
        if state is not None:
            count = 1
            for length in state.shape:
                count *= int(length)
        else:
            count = count * 2 * getattr(getattr(parameter, "quant_storage", None), "itemsize", 1)
    return count
