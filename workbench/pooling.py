"""Makes a decoder classifier read its last real token when learned prompt vectors stand in front of padded rows."""

from __future__ import annotations

import logging
from typing import Any

from workbench.architecture import head_names, plain_base


def pool_last_real_token(model: Any) -> None:
    """Move each row's padding to the front when a decoder classifier is given embeddings instead of token ids.

    transformers finds the last token from the ids; prompt methods pass embeddings, for which it takes the last
    position, padding or not. With padding in front the last position is right, and position ids keep their values.
    """
    base = plain_base(model)
    if "score" in head_names(base) and not getattr(base, "workbench_pools_last", False):
        base.workbench_pools_last = True
        base.register_forward_pre_hook(_padding_to_the_front, with_kwargs=True)
        for name in ("transformers.modeling_layers", type(base).__module__):
            logging.getLogger(name).addFilter(_not_about_padding)


def _not_about_padding(record: logging.LogRecord) -> bool:
    """transformers warns of the very fault that is mended here."""
    return "will not detect padding tokens" not in str(record.msg)


def _padding_to_the_front(
    module: Any, args: Any, kwargs: dict[str, Any]
) -> tuple[Any, dict[str, Any]] | None:
    import inspect

    embeds, mask = kwargs.get("inputs_embeds"), kwargs.get("attention_mask")
    if embeds is None or mask is None or mask.dim() != 2 or kwargs.get("input_ids") is not None:
        return None
    order = mask.long().argsort(dim=1, stable=True)
    moved = dict(kwargs)
    moved["attention_mask"] = mask.gather(1, order)
    moved["inputs_embeds"] = embeds.gather(1, order[:, :, None].expand_as(embeds))
    if kwargs.get("token_type_ids") is not None:
        moved["token_type_ids"] = kwargs["token_type_ids"].gather(1, order)
    if "position_ids" in inspect.signature(module.forward).parameters:
        moved["position_ids"] = (moved["attention_mask"].long().cumsum(1) - 1).clamp(min=0)
    return args, moved
