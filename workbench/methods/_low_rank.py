"""What LoRA and its kin share: first options, the way to PEFT's LoraConfig, a start that is taken out of the base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.architecture import checked_targets, linear_names, mixture_names
from workbench.method import Context
from workbench.methods._peft import attach
from workbench.options import Options, option

ADAPTER = "default"


def linear_targets() -> Any:
    """Declare `target_modules` of a method that changes linear layers."""
    return option(
        ("all-linear",), "Linear layers that get an update, by name; all-linear means every one but the head."
    )


@dataclass(frozen=True)
class LowRankOptions(Options):
    """What LoRA and all of its variants ask for."""

    r: int = option(8, "Rank: how many directions the update may use.", min=1, max=1024)
    lora_alpha: int = option(16, "Scale: the update is multiplied by lora_alpha / r.", min=1, max=4096)
    lora_dropout: float = option(
        0.0, "Share of the update's inputs dropped at random in training.", min=0, max=0.9
    )
    target_modules: tuple[str, ...] = linear_targets()


def attach_lora(
    model: Any, options: LowRankOptions, context: Context, fused_experts: bool = True, **more: Any
) -> Any:
    """PEFT's LoRA with these options; `more` are further fields of LoraConfig. Without `fused_experts` all-linear leaves
    out experts that are one weight for all: PEFT can put plain LoRA on those, and none of its variants."""
    from peft import LoraConfig

    targets = checked_targets(model, options.target_modules)
    if targets == "all-linear" and not fused_experts and mixture_names(model):
        targets = linear_names(model)
    config = LoraConfig(
        task_type=context.peft_task,
        r=options.r,
        lora_alpha=options.lora_alpha,
        lora_dropout=options.lora_dropout,
        target_modules=targets,
        **more,
    )
    return attach(model, config, context)


def attach_out_of_weights(model: Any, options: LowRankOptions, context: Context, init: str) -> Any:
    """LoRA that starts from a part of each matrix, which PEFT takes out of the base: only both together are the model.

    The start stays with the model as `workbench_start`: switching the method off and saving it need it.
    """
    if context.on_meta:  # there are no weights to take a part of, and the shapes are the same
        return attach_lora(model, options, context, fused_experts=False)
    peft_model = attach_lora(model, options, context, fused_experts=False, init_lora_weights=init)
    peft_model.workbench_start = {
        f"{name}.{factor}.{ADAPTER}.weight": getattr(layer, factor)[ADAPTER].weight.detach().cpu().clone()
        for name, layer in lora_layers(peft_model)
        for factor in ("lora_A", "lora_B")
    }
    return peft_model


def take_out(model: Any, start: Mapping[str, Any]) -> None:
    """Take a saved start out of the base weights of a loaded model, in the way in which it was taken out before."""
    for name, layer in lora_layers(model):
        weight = layer.get_base_layer().weight
        a, b = (
            start[f"{name}.{factor}.{ADAPTER}.weight"].to(weight.device).float()
            for factor in ("lora_A", "lora_B")
        )
        part = layer.scaling[ADAPTER] * b @ a
        wide = weight.data.float()
        weight.data = (wide - (part.T if layer.fan_in_fan_out else part)).to(weight.dtype)
    model.workbench_start = dict(start)


def lora_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """PEFT's LoRA layers with their full names."""
    from peft.tuners.lora import LoraLayer

    return ((name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer))
