"""What methods share that train by another one's parameterisation: its name as an option, applied by its own `apply`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.method import Context, Method, Unsuitable
from workbench.options import Options, option
from workbench.task import Live

if TYPE_CHECKING:
    from torch import nn

# Options of this class that are handed on where the chosen method has one of that name.
HANDED_ON = ("layers", "r")


@dataclass(frozen=True)
class WrappedOptions(Options):
    parameterisation: str = option(
        "full",
        "What is trained: full, freeze, lora or any other method by its name, with its own defaults.",
        names=("full", "freeze", "lora"),
    )
    layers: int = option(
        2,
        "With freeze: how many blocks are trained, counted from the last one.",
        min=1,
        max=1000,
        advanced=True,
    )
    r: int = option(8, "With lora and its kin: the rank of the update.", min=1, max=1024, advanced=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        wrapped(self)


def wrapped(options: WrappedOptions) -> tuple[Method, Any]:
    """The chosen method with its options. ValueError where it is none that can be chosen."""
    from workbench import registry

    method = registry.method(options.parameterisation)
    hooks = (method.make_rows, method.objective, method.prepare_model, method.after_training, method.stages)
    if any(hook is not None for hook in hooks) or issubclass(method.options, WrappedOptions):
        raise ValueError(
            f"parameterisation is a way to train weights, such as full, freeze or lora, and {method.name} is more: it brings"
            " rows, a loss, weights in few bits or stages of its own; run it as a method by itself"
        )
    known = {fact.name for fact in method.options.facts()}
    return method, method.options.from_dict({n: getattr(options, n) for n in HANDED_ON if n in known})


def apply(model: nn.Module, options: WrappedOptions, context: Context) -> nn.Module:
    method, own = wrapped(options)
    if context.task not in method.tasks:
        raise Unsuitable(
            f"{method.title} does not serve {context.task}, so it can't be the parameterisation here: choose full or lora"
        )
    return method.apply(model, own, context)


def optimizer(model: nn.Module, options: WrappedOptions, learning_rate: float, weight_decay: float) -> Any:
    """The chosen method's own; None where it has none."""
    method, own = wrapped(options)
    return method.optimizer(model, own, learning_rate, weight_decay) if method.optimizer else None


def prefix_agreement(
    live: Live, rows: Sequence[Mapping[str, Any]], options: WrappedOptions, context: Context
) -> dict[str, float]:
    """How far the model's samples begin alike."""
    from workbench import sampling_stage

    return sampling_stage.prefix_agreement(live, rows, context.seed)
