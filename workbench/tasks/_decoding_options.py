"""Options that every task asks whose models write: how a prompt is laid out, and how the answer's tokens are chosen."""

from __future__ import annotations

from typing import Any

from workbench import templates
from workbench.options import option


def template() -> Any:
    return option(
        "plain",
        "How a prompt is laid out: plain (the prompt and a new line), alpaca, chat (the model's own chat template), or a"
        " text of your own with {prompt} in it; the answer follows at its end.",
        names=templates.NAMES,
    )


def do_sample(default: bool) -> Any:
    return option(default, "Draw each token by its probability instead of taking the likeliest (greedy).")


def temperature() -> Any:
    return option(
        0.8,
        "Where tokens are drawn: below 1 likely tokens are drawn more often.",
        min=0.01,
        max=10,
        advanced=True,
    )


def top_p(default: float) -> Any:
    return option(
        default,
        "Where tokens are drawn: only from the likeliest that make up this share.",
        min=0.01,
        max=1,
        advanced=True,
    )


def top_k() -> Any:
    return option(
        0, "Where tokens are drawn: only from so many of the likeliest; 0 for all.", min=0, advanced=True
    )


def decoding_seed() -> Any:
    return option(0, "Where tokens are drawn: the seed of the draw.", min=0, max=2**31 - 1, advanced=True)
