"""Layers as the PEFT had them that made the published runs, where today's are built otherwise.

OSF: PEFT 0.19 kept all of the frozen part and put the whole weight together in each pass; since then it keeps what can't be
had from the trained part, and adds the change to the frozen weight's answer.
"""

from __future__ import annotations

import types
from typing import Any


def as_published(model: Any) -> None:
    """Put the layers of then in place of today's, with tensors of the same kind."""
    from peft.tuners._buffer_dict import BufferDict
    from peft.tuners.osf.layer import OSFLayer

    layers: list[Any] = [layer for layer in model.modules() if isinstance(layer, OSFLayer)]
    for layer in layers:
        for name, low in layer.osf_svd_params.items():
            rank = layer.effective_rank[name]
            outs, ins = low["U_low"].shape[0], low["V_low"].shape[1]
            made = low["U_low"].new_empty
            layer._osf_U_high[name] = made((outs, rank))
            layer._osf_V_high[name] = made((rank, ins))
            layer._osf_S_high = BufferDict({name: made(rank)})
            for start in (layer._osf_U_low_init, layer._osf_S_low_init, layer._osf_V_low_init):
                del start[name]
        layer.forward = types.MethodType(_whole_weight, layer)


def _whole_weight(layer: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    from torch.nn import functional

    name = layer.active_adapters[0]
    low = layer.osf_svd_params[name]
    frozen = (layer._osf_U_high[name] * layer._osf_S_high[name].unsqueeze(0)) @ layer._osf_V_high[name]
    weight = frozen + (low["U_low"] * low["S_low"].unsqueeze(0)) @ low["V_low"]
    return functional.linear(x.to(weight.dtype), weight, layer.get_base_layer().bias).to(x.dtype)
