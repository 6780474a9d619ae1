"""The optimisers a setting may name: what each is for, whether it can be used here, and those made by us."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

GALORE_RANK = 128
# Below this a matrix has hardly more values in the optimiser than its projection would have.
GALORE_SIDE = 32


@dataclass(frozen=True)
class OptimizerFact:
    """One optimiser by the name that transformers gives it. `package` must be importable; `rate` says by what to
    multiply a learning rate that was found with AdamW, as a first guess."""

    name: str
    title: str
    help: str
    package: str | None = None
    rate: float = 1.0
    needs_cuda: bool = False


FACTS = (
    OptimizerFact("adamw_torch_fused", "AdamW", "The usual choice: two values kept for each trained weight."),
    OptimizerFact("adamw_torch", "AdamW, unfused", "The same steps, slower: for comparison."),
    OptimizerFact(
        "adamw_8bit",
        "AdamW, 8-bit",
        "AdamW that keeps its values in 8 bits for matrices of 4096 weights and more: a quarter of the memory.",
        "bitsandbytes",
    ),
    OptimizerFact(
        "paged_adamw_8bit",
        "AdamW, 8-bit, paged",
        "The same, and moves its values to the machine's memory when the GPU's is full.",
        "bitsandbytes",
        needs_cuda=True,
    ),
    OptimizerFact(
        "adafactor",
        "Adafactor",
        "Keeps a row and a column for each matrix in place of a value for each weight.",
    ),
    OptimizerFact(
        "lion_32bit",
        "Lion",
        "Steps of one size for all weights, by the sign of the gradient: half of AdamW's memory. Wants a learning"
        " rate three to ten times lower than AdamW's.",
        "bitsandbytes",
        rate=0.2,
    ),
    OptimizerFact(
        "lion_8bit",
        "Lion, 8-bit",
        "Lion that keeps its values in 8 bits for matrices of 4096 weights and more.",
        "bitsandbytes",
        rate=0.2,
    ),
    OptimizerFact(
        "galore_adamw",
        "GaLore",
        "AdamW that keeps its values for a low-rank projection of each matrix's gradient: for methods that train whole"
        " matrices. Weights of adapters, biases and norms get plain AdamW.",
        "galore_torch",
    ),
)
BY_NAME = {fact.name: fact for fact in FACTS}
PIP_NAMES = {"galore_torch": "galore-torch"}


def refusal(name: str, device: str | None = None) -> str | None:
    """One sentence that says why this optimiser can't be used, or None. Without a device only packages are looked at."""
    fact = BY_NAME[name]
    if fact.package and importlib.util.find_spec(fact.package) is None:
        wanted = PIP_NAMES.get(fact.package, fact.package)
        return f"optimizer {name} needs the package {wanted}, which is not installed: pip install {wanted}, or choose adamw_torch_fused"
    if fact.needs_cuda and device is not None and not device.startswith("cuda"):
        return (
            f"optimizer {name} needs a CUDA device, not {device}: choose {name.removeprefix('paged_')} here"
        )
    return None


def create(name: str, model: Any, learning_rate: float, weight_decay: float) -> Any:
    """The optimiser, or None where transformers makes it as it should be."""
    if name in ("lion_32bit", "lion_8bit"):
        return _lion(model, learning_rate, weight_decay, bits=8 if name == "lion_8bit" else 32)
    if name == "galore_adamw":
        return _galore(model, learning_rate, weight_decay)
    return None


def adamw(model: Any, learning_rate: float, weight_decay: float) -> Any:
    """The usual optimiser, for methods that make their own from it."""
    import torch

    return torch.optim.AdamW(_groups(model, weight_decay), lr=learning_rate, fused=True)


def paged_adamw_8bit(model: Any, learning_rate: float, weight_decay: float) -> Any:
    """AdamW with values of 8 bits that go to the machine's memory when the GPU's is full."""
    from bitsandbytes.optim import PagedAdamW8bit

    return PagedAdamW8bit(_groups(model, weight_decay), lr=learning_rate)


def _groups(model: Any, weight_decay: float) -> list[dict[str, Any]]:
    """Trained weights in two groups, as transformers makes them: biases and norms do not decay."""
    decaying = _decaying(model)
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    return [
        {"params": [p for name, p in trained if name in decaying], "weight_decay": weight_decay},
        {"params": [p for name, p in trained if name not in decaying], "weight_decay": 0.0},
    ]


def _decaying(model: Any) -> set[str]:
    from torch import nn
    from transformers.trainer_pt_utils import get_parameter_names

    forbidden = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]
    return set(get_parameter_names(model, [nn.LayerNorm], forbidden))


def _lion(model: Any, learning_rate: float, weight_decay: float, bits: int) -> Any:
    """With its paper's betas: transformers would pass on AdamW's. As there, embeddings keep 32 bits."""
    from bitsandbytes.optim.lion import Lion
    from bitsandbytes.optim.optimizer import GlobalOptimManager
    from torch import nn

    for module in model.modules():
        if bits == 8 and isinstance(module, nn.Embedding):
            GlobalOptimManager.get_instance().register_module_override(module, "weight", {"optim_bits": 32})
    return Lion(_groups(model, weight_decay), lr=learning_rate, betas=(0.9, 0.99), optim_bits=bits)


def _galore(model: Any, learning_rate: float, weight_decay: float) -> Any:
    """Each body matrix that is trained whole gets a projection to a quarter of its shorter side, at most 128."""
    import torch
    from galore_torch import GaLoreAdamW
    from galore_torch.galore_projector import GaLoreProjector

    from workbench.architecture import linear_modules

    # A checkpoint's optimiser state holds projectors, and is read back with nothing allowed but tensors.
    torch.serialization.add_safe_globals([GaLoreProjector])
    matrices = [] if hasattr(model, "peft_config") else [m.weight for m in linear_modules(model).values()]
    chosen = {id(p) for p in matrices if p.requires_grad and min(p.shape) >= GALORE_SIDE}
    by_rank: dict[int, list[Any]] = {}
    for matrix in matrices:
        if id(matrix) in chosen:
            by_rank.setdefault(min(GALORE_RANK, min(matrix.shape) // 4), []).append(matrix)
    plain = [
        group | {"params": [p for p in group["params"] if id(p) not in chosen]}
        for group in _groups(model, weight_decay)
    ]
    projected = [
        {
            "params": found,
            "weight_decay": weight_decay,
            "rank": rank,
            "update_proj_gap": 200,
            "scale": 0.25,
            "proj_type": "std",
        }
        for rank, found in by_rank.items()
    ]
    return GaLoreAdamW([*plain, *projected], lr=learning_rate, no_deprecation_warning=True)
