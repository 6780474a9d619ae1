"""Peak memory of a training step by a formula, from a model's config alone: shown at once, until the step was followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.model_config import WIDTH, config_of, first

# Bytes of a weight as the base is kept, and values of four bytes that an optimiser keeps for each trained weight.
WEIGHT_BYTES = {"float32": 4.0, "bfloat16": 2.0, "4bit": 0.52}
STATES = {
    "adamw_torch_fused": 2.0,
    "adamw_torch": 2.0,
    "adamw_8bit": 0.5,
    "paged_adamw_8bit": 0.5,
    "adafactor": 0.02,
    "lion_32bit": 1.0,
    "lion_8bit": 0.25,
    "galore_adamw": 1.0,
}
WIDE, NARROW = 4, 2


@dataclass(frozen=True)
class Shape:
    """What the formula needs of an architecture. `keys` is the width of keys and of values, `gated` says that the
    feed-forward part has three matrices, `experts` how many of them a token goes through."""

    width: int
    layers: int
    inner: int
    keys: int
    heads: int
    vocabulary: int
    gated: bool
    experts: int = 1


def shape_of(model: str) -> Shape | None:
    """From a config on this machine: an embedded model's, a folder's, or one that is shipped. None where there is none."""
    config = config_of(model)
    try:
        return read(config) if config else None
    except (ValueError, KeyError, TypeError):
        return None


def read(config: Mapping[str, Any]) -> Shape:
    """KeyError or TypeError where a config does not say what is needed."""
    if isinstance(config.get("text_config"), Mapping):
        config = config["text_config"]

    width = int(first(config, *WIDTH))
    heads = int(first(config, "num_attention_heads", "n_head", "n_heads"))
    of_head = int(config.get("head_dim") or width // heads)
    act = str(first(config, "hidden_act", "hidden_activation", "activation_function") or "")
    kind = str(config.get("model_type", ""))
    experts = int(config.get("num_experts_per_tok") or 1)
    inner = first(config, "moe_intermediate_size") if experts > 1 else None
    inner = inner or first(config, "intermediate_size", "n_inner", "d_ff", "hidden_dim") or 4 * width
    return Shape(
        width,
        int(first(config, "num_hidden_layers", "n_layer", "n_layers")),
        int(inner),
        int(config.get("num_key_value_heads") or heads) * of_head,
        heads,
        int(config["vocab_size"]),
        act in ("silu", "swish") or "gemma" in kind,
        experts,
    )


def memory(
    shape: Shape,
    *,
    base: int,
    trained: int,
    total: int,
    training: Mapping[str, Any],
    narrow: bool,
    on_cuda: bool,
    language: bool,
) -> dict[str, int]:
    """Bytes by kind. `base`, `trained` and `total` count weights; `narrow` says that products are computed in 16 bits,
    `language` that the loss is on words and not on one label a row."""
    size = NARROW if narrow else WIDE
    tokens = training["batch_size"] * training["max_length"]
    added = max(0, total - base)
    kept = WEIGHT_BYTES[training["weights"]]
    weights = base * kept + added * WIDE
    gradient = kept if not added and training["weights"] != "4bit" else WIDE
    # Autocast keeps a copy of each wide weight for the backward pass.
    copies = base * NARROW if narrow and training["weights"] == "float32" else 0
    row = _of_layer(shape, size, training["max_length"], on_cuda)
    held = row * shape.layers
    if training["gradient_checkpointing"]:
        held = size * shape.width * shape.layers + row
    loss = tokens * shape.vocabulary * (size + 3 * WIDE) if language else 0
    found = {
        "weights": round(weights),
        "gradients": round(trained * gradient),
        "optimizer": round(
            trained * WIDE * STATES[training["optimizer"]] * (kept / WIDE if not added else 1)
        ),
        "activations": round(tokens * held + copies),
        "loss": round(loss),
    }
    return {"peak": sum(found.values()), **found}


def _of_layer(shape: Shape, size: int, length: int, on_cuda: bool) -> float:
    """Bytes that a layer keeps for the backward pass for one token."""
    norms = 2 * WIDE * shape.width
    attention = size * (2 * shape.width + 2 * shape.keys + shape.width)
    # A processor's plain attention keeps the whole table of weights, fused kernels keep none of it.
    table = 0 if on_cuda or size == WIDE else shape.heads * length * (WIDE + size)
    forward = size * shape.inner * (3 if shape.gated else 2) * shape.experts
    return norms + attention + table + forward
