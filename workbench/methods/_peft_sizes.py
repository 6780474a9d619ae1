"""Sizes that must fit the widths of a model: what the adapted layers measure, and the largest size that suits them all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from workbench.architecture import linear_modules, plain_base
from workbench.method import Unsuitable


def widths(model: Any, targets: Any) -> dict[str, tuple[int, int]]:
    """Full name -> (inputs, outputs) of the linear layers that these checked `target_modules` name."""
    sizes = {}
    for name, module in linear_modules(model).items():
        if targets in ("all-linear", None) or any(name == t or name.endswith("." + t) for t in targets):
            conv = type(module).__name__ == "Conv1D"
            inputs, outputs = module.weight.shape if conv else (module.in_features, module.out_features)
            sizes[name] = (int(inputs), int(outputs))
    if not sizes:
        raise Unsuitable(
            f"target_modules name no linear layer of this {plain_base(model).config.model_type} model:"
            " name linear layers, or all-linear"
        )
    return sizes


def largest_divisor(number: int, most: int, *, even: bool = False) -> int:
    """The largest divisor of `number` that is at most `most`; 1 where there is none."""
    fitting = (size for size in range(min(number, most), 0, -1) if number % size == 0)
    return next((size for size in fitting if not (even and size % 2)), 1)


def dividing(name: str, given: int | None, lengths: Iterable[int], most: int, *, even: bool = False) -> int:
    """The size given, or the largest one up to `most`, that divides all lengths. Unsuitable where the given does not."""
    common = math.gcd(*lengths)
    best = largest_divisor(common, most, even=even)
    if given is None:
        return best
    if common % given or (even and given % 2):
        raise Unsuitable(
            f"{name} must {'be even and ' if even else ''}divide the widths of all adapted layers, that is {common},"
            f" and {given} does not: {best} would do, or fewer target_modules"
        )
    return given


def at_most(name: str, given: int | None, limit: int, default: int, what: str) -> int:
    """The size given, or the default where the model has room for it. Unsuitable where the given one is too large."""
    if given is None:
        return max(1, min(default, limit))
    if given > limit:
        raise Unsuitable(f"{name} is at most {limit} on this model, {what}, not {given}")
    return given
