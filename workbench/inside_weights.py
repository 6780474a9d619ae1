"""Measures a change of weights: its size beside the weight's own by layer and module, its singular values and their rank."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from workbench.architecture import (
    ATTENTION_OUTPUTS,
    FEED_FORWARD_OUTPUTS,
    FUSED,
    KEYS,
    QUERIES,
    VALUES,
    head_names,
    is_head,
    named_blocks,
)
from workbench.method import Unsuitable

MOST_VALUES = 64
"""So many singular values are kept of each matrix."""
EXACT_SIDE = 1536
"""Up to this smaller side all singular values are computed; beyond it the largest ones, by a randomised method."""
SKETCH = 96
ROUNDING = 1e-6
"""What is smaller beside the largest singular value is float32 weights' rounding."""
SHARES = (0.5, 0.9, 0.99)
GATES, UPS = ("gate_proj",), (
    "up_proj",
    "c_fc",
    "fc1",
    "fc_in",
    "lin1",
    "dense_h_to_4h",
    "Wi",
    "ffn",
)  # fmt: skip
Tick = Callable[[float], None]


@dataclass(frozen=True)
class Place:
    """Where a weight stands: `layer` counts from 1 and is None outside the blocks."""

    layer: int | None
    kind: str


@dataclass(frozen=True)
class Spectrum:
    """The singular values of a change, largest first, at most MOST_VALUES of them.

    `rank` counts those that are not zero to rounding, `effective_rank` is the exponential of their entropy (Roy and
    Vetterli 2007), `directions` says how many hold 50, 90 and 99 % of the energy (the sum of squares). `exact` is False
    where only the largest were computed: what they can't tell is None then.
    """

    values: tuple[float, ...]
    energy: float
    rank: int | None
    effective_rank: float | None
    directions: Mapping[str, int | None]
    exact: bool


def places(model: Any) -> dict[str, Place]:
    """Each parameter of a plain model by its full name."""
    blocks = {name: number for number, (name, _) in enumerate(_blocks(model), 1)}
    heads = head_names(model)
    modules = dict(model.named_modules())
    output = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    found = {}
    for name, parameter in model.named_parameters():
        path, _, leaf = name.rpartition(".")
        module = modules[path]
        block = next((b for b in blocks if name.startswith(f"{b}.")), None)
        if block is not None:
            found[name] = Place(blocks[block], _kind(path[len(block) + 1 :], leaf, module, parameter.dim()))
        elif is_head(name, heads):
            found[name] = Place(None, "head")
        elif isinstance(module, torch.nn.Embedding):
            found[name] = Place(None, "embeddings")
        elif module is output:
            found[name] = Place(None, "output layer")
        else:
            found[name] = Place(None, "norm" if _is_norm(module) else "other")
    return found


def _blocks(model: Any) -> list[tuple[str, Any]]:
    try:
        return named_blocks(model)
    except Unsuitable:
        return []


def _kind(path: str, leaf: str, module: Any, dimensions: int) -> str:
    """The column of a weight inside a block."""
    last = path.split(".")[-1]
    if "experts" in path.split("."):
        return "experts down" if "down" in f"{path}.{leaf}" or last == "w2" else "experts up"
    if leaf in ("bias", "beta") or leaf.endswith("_bias"):
        return "bias"
    if _is_norm(module) or dimensions < 2:
        return "norm" if _is_norm(module) else "other"
    for kind, names in (("q", QUERIES), ("k", KEYS), ("v", VALUES), ("qkv", FUSED), ("gate", GATES)):
        if last in names:
            return kind
    if path in ATTENTION_OUTPUTS:
        return "o"
    if path in FEED_FORWARD_OUTPUTS:
        return "down"
    if last == "gate_up_proj":
        return "gate and up"
    if last in UPS or path == "intermediate.dense":
        return "up"
    return "router" if last in ("gate", "router") else "other"


def _is_norm(module: Any) -> bool:
    return "norm" in type(module).__name__.lower()


def measure_change(before: torch.Tensor, after: torch.Tensor) -> tuple[float, float]:
    """||after - before||_F and ||before||_F."""
    start = before.detach().double()
    return float(torch.linalg.vector_norm(after.detach().double() - start)), float(
        torch.linalg.vector_norm(start)
    )


def cells(
    before: Mapping[str, torch.Tensor],
    after: Mapping[str, torch.Tensor],
    where: Mapping[str, Place],
    trained: set[str],
) -> list[dict[str, Any]]:
    """One cell per place that the model has, in the model's order: `value` is the relative change of all trained weights
    there together; `trained` is False where the method leaves the place alone."""
    sums: dict[Place, list[float]] = {}
    for name, place in where.items():
        cell = sums.setdefault(place, [0.0, 0.0, 0])
        if name in trained:
            change, size = measure_change(before[name], after[name])
            cell[0] += change**2
            cell[1] += size**2
            cell[2] += 1
    return [
        {
            "layer": place.layer,
            "kind": place.kind,
            "trained": count > 0,
            "change": math.sqrt(change),
            "size": math.sqrt(size),
            "value": math.sqrt(change / size) if count and size else None,
        }
        for place, (change, size, count) in sums.items()
    ]


def spectrum(change: torch.Tensor) -> Spectrum:
    """Of a matrix; of a stack of matrices (fused experts) that of the one that moved most."""
    matrix = change.detach()
    if matrix.dim() > 2:
        stack = matrix.reshape(-1, *matrix.shape[-2:])
        matrix = stack[int(torch.linalg.vector_norm(stack.double(), dim=(1, 2)).argmax())]
    exact = min(matrix.shape) <= EXACT_SIDE
    if exact:
        values = torch.linalg.svdvals(matrix.double())
        energy = float((values**2).sum())
    else:
        # Seeded, so that the same run always shows the same figures.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            values = torch.svd_lowrank(matrix.float(), q=SKETCH, niter=4)[1].double()
        energy = float((matrix.double() ** 2).sum())
        exact = float((values**2).sum()) >= (1 - 1e-6) * energy
    return _spectrum(values, energy, exact)


def _spectrum(values: torch.Tensor, energy: float, exact: bool) -> Spectrum:
    if not energy > 0:
        return Spectrum((), 0.0, 0, None, {_percent(share): None for share in SHARES}, exact)
    kept = values[values > ROUNDING * values[0]]
    shares = torch.cumsum(kept**2, 0) / energy
    directions = {
        _percent(share): int((shares < share - 1e-9).sum()) + 1
        if exact or float(shares[-1]) >= share
        else None
        for share in SHARES
    }
    weights = kept / kept.sum()
    entropy = float(-(weights * weights.log()).sum())
    return Spectrum(
        values=tuple(float(v) for v in kept[:MOST_VALUES]),
        energy=energy,
        rank=len(kept) if exact else None,
        effective_rank=math.exp(entropy) if exact else None,
        directions=directions,
        exact=exact,
    )


def _percent(share: float) -> str:
    return f"{share * 100:.0f}"


def directions(change: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The change's directions on the output and on the input side as columns, strongest first: as many as its rank, at
    most MOST_VALUES."""
    if min(change.shape) <= EXACT_SIDE:
        left, values, right = torch.linalg.svd(change.detach().double(), full_matrices=False)
        right = right.T
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            left, values, right = torch.svd_lowrank(change.detach().float(), q=SKETCH, niter=4)
    count = min(MOST_VALUES, int((values > ROUNDING * values[0]).sum()))
    return left[:, :count].double(), right[:, :count].double()


def overlap(
    first: tuple[torch.Tensor, torch.Tensor], second: tuple[torch.Tensor, torch.Tensor], i: int, j: int
) -> float:
    """Share of the first's top i directions that lies among the second's top j.

    Hu et al. 2021, section 7.2: ||U_i^T V_j||_F^2 / min(i, j), here the mean of both sides; 1 where one holds the other,
    about max(i, j) / width between directions drawn at random.
    """
    shares = [float(((u[:, :i].T @ v[:, :j]) ** 2).sum()) / min(i, j) for u, v in zip(first, second)]
    return sum(shares) / 2
