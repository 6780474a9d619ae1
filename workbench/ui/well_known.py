"""Which methods the page puts first: the well-known ones of each family, and a handful for a first comparison."""

from __future__ import annotations

from collections.abc import Mapping

from workbench import registry

# The order in which cards of a family stand; what is not named follows, folded, by title.
WELL_KNOWN = (
    "full",
    "freeze", "head", "bitfit",
    "lora", "dora", "rslora", "adalora", "pissa", "vera",
    "oft", "boft", "road",
    "prompt", "prefix", "p_tuning", "p_tuning_v2",
    "adapter", "ia3", "adapter_parallel",
    "moe_experts", "moe_router", "lora_experts",
)  # fmt: skip
# One or two of each way of working, all quick to train and often compared in papers.
HANDFUL = ("full", "head", "bitfit", "lora", "ia3", "prompt", "prefix", "adapter")


def order(name: str) -> tuple[int, str]:
    """Where a method stands among the cards of its family."""
    place = WELL_KNOWN.index(name) if name in WELL_KNOWN else len(WELL_KNOWN)
    return place, registry.method(name).title.casefold()


def handful(task: str, reasons: Mapping[str, str | None]) -> list[str]:
    """Those of the handful that serve the task and for which no reason against them is known."""
    return [name for name in HANDFUL if task in registry.method(name).tasks and not reasons.get(name)]
