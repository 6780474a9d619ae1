"""Puts tensors without values in place of a model's own, and lets a CPU's operations behave like CUDA's where they differ.

Fake CUDA tensors need a torch that was built for CUDA, and memory must be told on any machine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from workbench.ledger import Ledger

# What autocast computes in 32 bits on CUDA, and leaves as it is on a CPU.
_WIDE = {
    functional.layer_norm,
    functional.group_norm,
    functional.softmax,
    functional.log_softmax,
    torch.softmax,
    torch.log_softmax,
    torch.Tensor.softmax,
    torch.Tensor.log_softmax,
    torch.rsqrt,
    torch.Tensor.rsqrt,
    torch.pow,
    torch.Tensor.pow,
    torch.Tensor.__pow__,
    torch.exp,
    torch.Tensor.exp,
    torch.cumsum,
    torch.Tensor.cumsum,
}
_MASK_GRANULE = 16
# Whole numbers up to so many are sizes, more of them places.
_SIZES = 4


@contextlib.contextmanager
def without_values(device: str) -> Iterator[None]:
    """Within the block new tensors have shapes but no values, and what asks for a value raises.

    On `meta` operations are many times cheaper to follow than on a fake `cpu`, but that is where autocast acts.
    """
    if device == "meta":
        with mock.patch("transformers.masking_utils.is_tracing", return_value=True), torch.device("meta"):
            yield
    else:
        with FakeTensorMode(allow_non_fake_inputs=True):
            yield


@contextlib.contextmanager
def without_padding() -> Iterator[None]:
    """Within the block masks are taken for whole: transformers looks into a mask and makes none of it where nothing is
    padded, which can't be seen of one without values."""
    from transformers import masking_utils

    names = [
        name
        for name in ("_ignore_causal_mask_sdpa", "_ignore_bidirectional_mask_sdpa")
        if hasattr(masking_utils, name)
    ]

    def of_whole(ignored: Any) -> Any:
        return lambda padding_mask=None, *args, **kwargs: ignored(None, *args, **kwargs)

    stand_ins = {name: of_whole(getattr(masking_utils, name)) for name in names}
    with mock.patch.multiple(masking_utils, **stand_ins):
        yield


def replace_tensors(model: Any, device: str, *, host_stays: bool = False) -> Any:
    """Replace all that the model's modules hold, ties kept: parameters, buffers, and tensors in plain attributes.

    With `host_stays` what lies in the machine's own memory, while the model is on meta, stays there. A few whole numbers
    always keep their values: they are sizes, which some methods ask for.
    """
    known: dict[int, Any] = {}
    # Replaced tensors must live until the end, so that no other one gets their place in memory and with it their id.
    kept: list[Any] = []

    def fake(tensor: Any) -> Any:
        if tensor.device.type == "cpu" and (host_stays or _is_a_size(tensor)):
            return tensor
        if id(tensor) not in known:
            kept.append(tensor)
            new: Any = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)
            if isinstance(tensor, torch.nn.Parameter):
                new = torch.nn.Parameter(new, requires_grad=tensor.requires_grad)
                if hasattr(tensor, "quant_state"):  # stored in 4 bits: there are no scales
                    new.quant_state = None
            known[id(tensor)] = new
        return known[id(tensor)]

    def replaced(value: Any, depth: int = 0) -> Any:
        if isinstance(value, torch.Tensor):
            return fake(value)
        if depth < 2 and type(value) is dict:
            return {name: replaced(part, depth + 1) for name, part in value.items()}
        if depth < 2 and type(value) in (list, tuple):
            return type(value)(replaced(part, depth + 1) for part in value)
        return value

    for module in model.modules():
        for held in (module._parameters, module._buffers):
            held.update({name: fake(t) for name, t in held.items() if t is not None})
        for name, value in vars(module).items():
            if not name.startswith("_") and isinstance(value, torch.Tensor | dict | list | tuple):
                vars(module)[name] = replaced(value)
    return model


def _is_a_size(tensor: Any) -> bool:
    return not tensor.is_floating_point() and tensor.numel() <= _SIZES and not tensor.requires_grad


class WithoutValues(TorchFunctionMode):
    """Sparse matrices stand for nothing but their shape: torch can't follow them without values."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.sparse_coo_tensor and len(args) >= 3:
            return _Sparse.apply(args[1], args[0], tuple(args[2]))
        if (
            func in (torch.Tensor.coalesce, torch.Tensor._nnz, torch.Tensor.to_dense)
            and not args[0].is_sparse
        ):
            return _of_sparse(func, args[0])
        return func(*args, **(kwargs or {}))


def _of_sparse(func: Any, matrix: Any) -> Any:
    """What is asked of a matrix that stands for a sparse one."""
    if func is torch.Tensor.coalesce:
        return matrix
    if func is torch.Tensor._nnz:
        return 1  # some
    return _Dense.apply(matrix) if matrix.dim() and not any(matrix.stride()) else matrix


class _Dense(torch.autograd.Function):
    """All places of a sparse matrix."""

    @staticmethod
    def forward(ctx: Any, matrix: Any) -> Any:
        return matrix.new_empty(matrix.shape)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad


class _Sparse(torch.autograd.Function):
    """A matrix of a few places: keeps its numbers and where they stand, and its gradient is one number for each."""

    @staticmethod
    def forward(ctx: Any, values: Any, places: Any, shape: tuple[int, ...]) -> Any:
        ctx.save_for_backward(values, places.long())
        return values.new_empty(1).expand(shape)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad.new_empty(ctx.saved_tensors[0].shape), None, None


class CudaManners(TorchFunctionMode):
    """Attention that keeps only its inputs, its output and one number for each row, and autocast's list of CUDA."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            return self._attend(*args, **kwargs)
        if func in _WIDE and torch.is_autocast_enabled("cpu"):
            args = tuple(_wide(part) for part in args)
        return func(*args, **kwargs)

    def _attend(
        self, query: Any, key: Any, value: Any, attn_mask: Any = None, *rest: Any, **named: Any
    ) -> Any:
        if torch.is_autocast_enabled("cpu"):
            narrow = torch.get_autocast_dtype("cpu")
            query, key, value = (t.to(narrow) for t in (query, key, value))
        if attn_mask is not None:
            # The kernel wants numbers to add, in rows of a length that suits it.
            row = -(-attn_mask.shape[-1] // _MASK_GRANULE) * _MASK_GRANULE
            attn_mask = torch.empty((*attn_mask.shape[:-1], row), dtype=query.dtype, device=query.device)
        return _Attention.apply(query, key, value, attn_mask, self.ledger)


def _wide(part: Any) -> Any:
    narrow = isinstance(part, torch.Tensor) and part.dtype in (torch.bfloat16, torch.float16)
    return part.float() if narrow else part


class _Attention(torch.autograd.Function):
    """What CUDA's fused kernels take and leave."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, mask: Any, ledger: Ledger) -> Any:
        out = query.new_empty((*query.shape[:-1], value.shape[-1]))
        sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, mask, out, sums)
        ctx.ledger, ctx.flops = ledger, 2 * query.numel() * key.shape[-2]
        ledger.add_flops(2 * ctx.flops, query.dtype)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        query, key, value, _, _, sums = ctx.saved_tensors
        torch.empty_like(sums)
        ctx.ledger.add_flops(5 * ctx.flops, query.dtype)
        return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value), None, None
