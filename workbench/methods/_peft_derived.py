"""What PEFT's configs leave to the caller and the model can tell: how many layers, which tokens, a size that divides widths.

Keyed by the name of a config's field, so that a new tuner with the same field is served too.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from typing import Any

from workbench.architecture import named_blocks, plain_base
from workbench.method import Context, Unsuitable
from workbench.methods._peft_sizes import dividing, widths

VIRTUAL_TOKENS = 16


def text_config(model: Any) -> Any:
    """The part of a model's config that describes its text body."""
    config = plain_base(model).config
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def _vector_length(model: Any, values: dict[str, Any], context: Context) -> dict[str, Any]:
    sizes = widths(model, values.get("target_modules")).values()
    return {"vector_length": dividing("vector_length", None, itertools.chain(*sizes), 256)}


def _frequencies(model: Any, values: dict[str, Any], context: Context) -> dict[str, Any]:
    """PEFT's default, but no more than a quarter of the smallest adapted matrix."""
    smallest = min(math.prod(pair) for pair in widths(model, values.get("target_modules")).values())
    return {"n_frequency": max(1, min(2592, smallest // 4))}


def _rank_that_fits(model: Any, values: dict[str, Any], context: Context) -> dict[str, Any]:
    """PEFT's default of 32, but no more than the smallest side of an adapted matrix."""
    return {"r": min(32, *(min(pair) for pair in widths(model, values.get("target_modules")).values()))}


def _blocks(model: Any, values: dict[str, Any], context: Context) -> dict[str, Any]:
    """The model's blocks, by full name."""
    return {"target_modules": [name for name, _ in named_blocks(model)]}


def _adapter_layers(model: Any, values: dict[str, Any], context: Context) -> dict[str, Any]:
    return {"adapter_layers": len(named_blocks(model))}


def _hidden_size(model: Any, values: dict[str, Any], context: Context) -> dict[str, Any]:
    return {"hidden_size": text_config(model).hidden_size}


def _edge_tokens(model: Any, values: dict[str, Any], context: Context) -> dict[str, Any]:
    """The tokens that begin and end a text."""
    config = text_config(model)
    found: list[int] = []
    for name in ("bos_token_id", "eos_token_id"):
        value = getattr(config, name, None)
        found += value if isinstance(value, list) else [value] if isinstance(value, int) else []
    if not found:
        raise Unsuitable(
            f"a {config.model_type} model names no begin or end token in its config:"
            " give the numbers of the tokens to train in token_indices"
        )
    return {"token_indices": sorted(set(found))}


def _context_tokens(model: Any, values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Words drawn at random where none are given. In PEFT's marks 2 is a token that may move and 4 one that stays and
    ends an example; without a 4 PEFT would count none of the text behind them."""
    count = values.get("num_virtual_tokens") or VIRTUAL_TOKENS
    return {
        "cpt_token_ids": random.Random(context.seed).choices(range(text_config(model).vocab_size), k=count)
    }


def _context_marks(model: Any, values: dict[str, Any], context: Context) -> dict[str, Any]:
    return {"cpt_tokens_type_mask": [2] * (len(values["cpt_token_ids"]) - 1) + [4]}


# Field -> what to give PEFT where the options leave it empty.
DERIVED: dict[str, Callable[[Any, dict[str, Any], Context], dict[str, Any]]] = {
    "vector_length": _vector_length,
    "n_frequency": _frequencies,
    "PSOFT.r": _rank_that_fits,
    "SHADOW.target_modules": _blocks,
    "adapter_layers": _adapter_layers,
    "hidden_size": _hidden_size,
    "token_indices": _edge_tokens,
    "cpt_token_ids": _context_tokens,
    "cpt_tokens_type_mask": _context_marks,
}
# Field -> the default that its option shows instead of PEFT's own; None is "chosen to fit the model".
LEFT_TO_THE_MODEL: dict[str, Any] = {
    "vector_length": None,
    "n_frequency": None,
    "PSOFT.r": None,
    "num_virtual_tokens": VIRTUAL_TOKENS,
    "adapter_len": VIRTUAL_TOKENS,
}


def left_to_the_model(peft_type: str) -> dict[str, Any]:
    """The same for one tuner, by field."""
    return {
        name.rpartition(".")[2]: default
        for name, default in LEFT_TO_THE_MODEL.items()
        if "." not in name or name.startswith(f"{peft_type}.")
    }


def unfit(peft_type: str, model: Any, context: Context) -> str | None:
    """Why a tuner can't serve here, where PEFT itself would say it badly or too late."""
    if peft_type == "XLORA":
        return (
            "X-LoRA mixes LoRA adapters that were trained before, and a single run has none to give it:"
            " choose LoRA, or MoE's LoRA on experts"
        )
    if peft_type == "CPT" and context.peft_task != "CAUSAL_LM":
        return "PEFT's context-aware prompt tuning serves generation only: choose prompt tuning for classification"
    return None


def serve_one_task(model: Any) -> None:
    """Let every row belong to task 0 where a tuner asks for a task number and none is given, in generation too."""
    from peft.tuners.multitask_prompt_tuning import MultitaskPromptEmbedding
    from peft.tuners.poly import PolyLayer

    for module in model.modules():
        if isinstance(module, PolyLayer | MultitaskPromptEmbedding) and not hasattr(module, "workbench_task"):
            module.workbench_task = 0
            module.register_forward_pre_hook(_first_task, with_kwargs=True)


def _first_task(module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    import torch

    given = kwargs.get("task_ids", args[1] if len(args) > 1 else None)
    if given is None:
        kwargs = kwargs | {"task_ids": torch.zeros(args[0].shape[0], dtype=torch.long, device=args[0].device)}
        args = args[:1]
    return args, kwargs
