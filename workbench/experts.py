"""Where the experts and the router of a mixture-of-experts model are, by the names that transformers gives them.

The experts of one block are one module named `experts`: fused three-dimensional weights, or a list of small networks.
Its sibling `gate` or `router` chooses among them.
"""

from __future__ import annotations

from typing import Any

from workbench.architecture import mixture_names, plain_base
from workbench.method import Unsuitable

ROUTERS = ("gate", "router")


def expert_parameters(model: Any) -> list[str]:
    """Full names of all weights of the experts. Unsuitable for a model without any."""
    return _inside(model, [f"{mixture}.experts" for mixture in mixture_names(model)], "experts")


def router_parameters(model: Any) -> list[str]:
    """Full names of the weights that choose among the experts. Unsuitable for a model without any."""
    routers = [f"{mixture}.{name}" for mixture in mixture_names(model) for name in ROUTERS]
    return _inside(model, routers, "router")


def fused_expert_parameters(model: Any) -> list[str]:
    """Full names of the experts' matrices where all of a block stand in one tensor (experts, rows, columns)."""
    base = plain_base(model)
    fused = [name for name in expert_parameters(model) if base.get_parameter(name).dim() == 3]
    if not fused:
        raise Unsuitable(
            f"the experts of this {_kind(model)} model are separate matrices, not one tensor for each block: choose LoRA,"
            " which reaches them by the names of their layers"
        )
    return fused


def _inside(model: Any, modules: list[str], what: str) -> list[str]:
    found = [
        name
        for name, _ in plain_base(model).named_parameters()
        if any(name.startswith(f"{module}.") for module in modules)
    ]
    if found:
        return found
    if mixture_names(model):
        raise Unsuitable(
            f"no {what} that the workbench knows in this {_kind(model)} model, though it has experts: choose LoRA"
        )
    raise Unsuitable(
        f"this {_kind(model)} model has no experts: choose LoRA, or a mixture-of-experts model (Mixtral, OLMoE, Qwen3-MoE)"
    )


def _kind(model: Any) -> str:
    return str(plain_base(model).config.model_type)
