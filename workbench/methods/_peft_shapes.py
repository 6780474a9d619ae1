"""Lets PEFT build tuners on the meta device that look at weight values to do so: counting needs their shapes alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def shapes_only() -> Iterator[None]:
    """Within the block, what has no values stays without: copies to the CPU, random choices, clusters.

    A copy of a meta tensor to the CPU stays on meta; random permutations have no values either (which alone saves
    minutes on matrices of millions of entries). AdaMSS's k-means gives clusters of equal size, whose number is what
    its counts depend on; FRoD's shared directions are a square matrix.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class ShapesOnly(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = dict(kwargs or {})
            if func is torch.randperm:
                kwargs.pop("generator", None)
                return func(*args, **kwargs | {"device": "meta"})
            first = args[0] if args else None
            if isinstance(first, torch.Tensor) and first.is_meta:
                if func is torch.Tensor.cpu:
                    return first
                if func is torch.Tensor.to:
                    args = tuple(_stay(part) for part in args)
                    kwargs = {name: _stay(part) for name, part in kwargs.items()}
                if func is torch.Tensor.__getitem__ and _by_mask(args[1]):
                    return first
                if func is torch.Tensor.__setitem__ and _by_mask(args[1]):
                    return None
            return func(*args, **kwargs)

    def _stay(part: Any) -> Any:
        if isinstance(part, torch.Tensor):
            return part if part.is_meta else part.dtype
        return "meta" if str(part) == "cpu" else part

    def _by_mask(index: Any) -> bool:
        parts = index if isinstance(index, tuple) else (index,)
        return any(
            isinstance(part, torch.Tensor) and part.is_meta and part.dtype is torch.bool for part in parts
        )

    def equal_clusters(rows: Any, wanted: int, rounds: int) -> Any:
        number = min(wanted, rows.shape[0])
        return torch.arange(rows.shape[0]) % number, number

    def directions(matrices: Any, regularization: float) -> Any:
        return torch.empty(matrices[0].shape[1], matrices[0].shape[1], device="meta")

    def first_places(base_layer: Any, r: int, **_: Any) -> Any:
        rows, columns = base_layer.out_features, base_layer.in_features
        return (torch.arange(rows * columns, device="cpu") < r * (rows + columns)).view(rows, columns)

    with contextlib.ExitStack() as stack:
        stack.enter_context(_replaced("peft.tuners.shira.config", "random_mask", first_places))
        stack.enter_context(_replaced("peft.tuners.frod.model", "_projection_from_weights", directions))
        stack.enter_context(_replaced("peft.tuners.adamss.layer", "clustering_Z", equal_clusters))
        stack.enter_context(ShapesOnly())
        yield


@contextlib.contextmanager
def _replaced(module: str, name: str, stand_in: Any) -> Iterator[None]:
    """The module's function replaced for the time of the block; nothing where this PEFT has none of that name."""
    import importlib

    try:
        place = importlib.import_module(module)
        kept = getattr(place, name)
    except (ImportError, AttributeError):
        yield
        return
    setattr(place, name, stand_in)
    try:
        yield
    finally:
        setattr(place, name, kept)
