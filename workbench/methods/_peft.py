"""What all methods that ride on PEFT share: attach a config, with the task head trained and errors in plain words."""

from __future__ import annotations

import warnings
from typing import Any

from workbench.architecture import head_names, plain_base
from workbench.method import Context, Unsuitable
from workbench.pooling import pool_last_real_token


def attach(model: Any, config: Any, context: Context) -> Any:
    """get_peft_model with the head in modules_to_save, so that all-linear leaves it alone and it is saved too."""
    from peft import get_peft_model

    if hasattr(model, "peft_config"):
        raise Unsuitable("this model carries PEFT adapters already: merge them first, or choose its base")
    config.modules_to_save = list(head_names(model)) or None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return get_peft_model(model, config, low_cpu_mem_usage=context.on_meta)
    except (ValueError, AttributeError, TypeError, KeyError, NotImplementedError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Unsuitable(
            f"PEFT can't put {config.peft_type.value} on a {model.config.model_type} model: {first[:300]}"
        ) from error


def attach_prompt(model: Any, config: Any, context: Context) -> Any:
    """The same for methods with virtual tokens: sizes that PEFT can't infer are filled in, pooling is put right."""
    values = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    if not any(name in values.to_dict() for name in ("hidden_size", "n_embd", "d_model")):
        config.token_dim = values.hidden_size
        config.num_attention_heads = values.num_attention_heads
        config.num_layers = values.num_hidden_layers
    room = getattr(values, "max_position_embeddings", None)
    if isinstance(room, int) and config.num_virtual_tokens >= room:
        raise ValueError(
            f"num_virtual_tokens is below the model's longest input of {room} tokens, not {config.num_virtual_tokens}"
        )
    peft_model = attach(model, config, context)
    pool_last_real_token(peft_model)
    return peft_model


def takes_past_keys(model: Any) -> bool:
    """Whether the model's body can be given keys and values of earlier positions, as prefix tuning does."""
    import inspect

    base = plain_base(model)
    body = getattr(base, base.base_model_prefix)
    return "past_key_values" in inspect.signature(body.forward).parameters
