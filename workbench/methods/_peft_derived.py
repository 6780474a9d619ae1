"""What PEFT's configs leave to the caller and the model can tell: how many layers, which tokens, a size that divides widths.

Keyed by the name of a config's field, so that a new tuner with the same field is served too.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from typing import Any

from workbench.architecture import KEYS, key_value_names, named_blocks, plain_base, query_names
from workbench.method import Context, Unsuitable
from workbench.methods._peft import takes_past_keys
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
    """The tokens that begin and end a text, where every text teaches them: the end is written in each answer."""
    config = text_config(model)
    found: list[int] = []
    for name in ("bos_token_id", "eos_token_id"):
        value = getattr(config, name, None)
        found += value if isinstance(value, list) else [value] if isinstance(value, int) else []
    if not found or context.peft_task != "CAUSAL_LM" or not config.tie_word_embeddings:
        raise Unsuitable(
            "trainable tokens must be told which: give numbers from the vocabulary in token_indices"
            " (only a generating model that reads and writes with the same vectors has a default, its begin and end tokens)"
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
    kind = plain_base(model).config.model_type
    if peft_type == "XLORA":
        return (
            "X-LoRA mixes LoRA adapters that were trained before, and a single run has none to give it:"
            " choose LoRA, or LoRA on the experts of a mixture-of-experts model"
        )
    if peft_type == "CPT" and context.peft_task != "CAUSAL_LM":
        return "PEFT's context-aware prompt tuning serves generation only: choose prompt tuning for classification"
    if peft_type == "CARTRIDGE" and not takes_past_keys(model):
        return (
            f"a {kind} model takes no keys and values from outside, which a cartridge is made of:"
            " choose prompt tuning, or a model of BERT, RoBERTa or decoder type"
        )
    if peft_type == "ADAPTION_PROMPT":
        from peft.tuners.adaption_prompt.config import TRANSFORMERS_MODEL_CONFIG as KNOWN

        if kind not in KNOWN:
            return (
                f"PEFT knows adaption prompts for models of type {', '.join(KNOWN)} only, and this one is of type {kind}:"
                " choose prefix tuning"
            )
    if peft_type == "LILY" and not context.on_meta:
        return (
            "PEFT's Lily mixes its parts by the mean over a whole batch, padding included, so that what it says of a text"
            " would depend on the texts beside it: choose LoRA or Poly"
        )
    return None


def usual_targets(peft_type: str, model: Any) -> list[str] | None:
    """Query and value projections (BEFT: values alone) where a tuner has defaults by model type and none for this one."""
    from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

    tuner = next((c for t, c in PEFT_TYPE_TO_TUNER_MAPPING.items() if t.value == peft_type), None)
    known = getattr(tuner, "target_module_mapping", None)
    if not known or known.get(plain_base(model).config.model_type):
        return None
    values = [name for name in key_value_names(model) if name not in KEYS]
    return values if peft_type == "BEFT" else list(dict.fromkeys([*query_names(model), *values]))


def settle(model: Any) -> None:
    """Put right what PEFT's tuners ask of a caller, after building or loading: every row belongs to task 0 where no task
    is given, in generation too; CPT's vectors, once within their bounds, are not rounded anew at each reading; ShadowPEFT
    adds no loss of its own, and the head that only this loss would train stays as it is."""
    import types

    from peft.tuners.cpt import CPTEmbedding
    from peft.tuners.multitask_prompt_tuning import MultitaskPromptEmbedding
    from peft.tuners.poly import PolyLayer
    from peft.tuners.shadow import ShadowModel

    one_task: Any = (PolyLayer, MultitaskPromptEmbedding)  # Any: the classes' own types allow nothing of this
    projecting: Any = CPTEmbedding
    shadowing: Any = ShadowModel
    for module in model.modules():
        if hasattr(module, "workbench_settled"):
            continue
        if isinstance(module, one_task):
            module.register_forward_pre_hook(_first_task, with_kwargs=True)
        elif isinstance(module, projecting):
            module.get_projection = types.MethodType(_within_bounds, module)
        elif isinstance(module, shadowing):
            module.shadow_auxiliary_loss = types.MethodType(_no_loss, module)
            _freeze_unread(module)
        else:
            continue
        module.workbench_settled = True


def _within_bounds(embedding: Any) -> Any:
    """CPT's projection with room for rounding: what lies within its bound by a millionth stays as it is, bit by bit."""
    import torch

    with torch.no_grad():
        vectors = embedding.delta_embedding.weight.clone()
        lengths = vectors.norm(p=2, dim=1)
        bounds = embedding.get_epsilon().to(vectors.device)
        outside = lengths > bounds * (1 + 1e-6)
        vectors[outside] *= (bounds[outside] / lengths[outside]).view(-1, 1)
        return vectors


def _freeze_unread(shadow: Any) -> None:
    """What only ShadowPEFT's own loss would train, and what the last block writes: no block reads it."""
    shadow.shadow_head.requires_grad_(False)
    blocks = [module for module in shadow.modules() if hasattr(module, "shadow_update_gate")]
    for part in ("shadow_update_gate", "shadow_update_transform"):
        if blocks:
            getattr(blocks[-1], part).requires_grad_(False)


def _no_loss(model: Any, labels: Any, attention_mask: Any = None) -> None:
    """ShadowPEFT's own loss, left out."""


def _first_task(module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    import torch

    given = kwargs.get("task_ids", args[1] if len(args) > 1 else None)
    if given is None:
        kwargs = kwargs | {"task_ids": torch.zeros(args[0].shape[0], dtype=torch.long, device=args[0].device)}
        args = args[:1]
    return args, kwargs
