"""Measures what a method does to hidden states where it changes no weights: added modules, scales, prompts, prefixes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from workbench.architecture import plain_base
from workbench.inside_weights import Place, Tick

TEXTS = 8
NEAREST = 5
SAMPLED_TOKENS = 400
Batch = Mapping[str, torch.Tensor]
Cell = dict[str, Any]


def typical_texts(
    rows: Sequence[Mapping[str, Any]], tokenizer: Any, max_length: int, count: int = TEXTS
) -> list[Batch]:
    """Batches of one text each, of about median length. A row of generation is its prompt and its completion."""
    texts = [row["text"] if "text" in row else f"{row['prompt']}\n{row['completion']}" for row in rows]
    encoded = tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]
    order = sorted((ids for ids in encoded if ids), key=len)
    begin = max(0, (len(order) - count) // 2)
    batches: list[Batch] = []
    for ids in order[begin : begin + count]:
        batch = torch.tensor([ids])
        batches.append({"input_ids": batch, "attention_mask": torch.ones_like(batch)})
    return batches


def scales(model: Any, where: Mapping[str, Place]) -> list[Cell]:
    """(IA)³'s learned multipliers: by how much they differ from 1, on average and at most."""
    found = []
    for name, module in _named_modules(model):
        learned = getattr(module, "ia3_l", None)
        if not learned:
            continue
        distance = (learned[model.active_adapter].detach() - 1).abs()
        cell = _cell(where[f"{name}.weight"], float(distance.mean()))
        found.append(cell | {"largest": float(distance.max()), "channels": distance.numel()})
    return found


def added_modules(model: Any, where: Mapping[str, Place], batches: Sequence[Batch], tick: Tick) -> list[Cell]:
    """How much each of our added modules changes what its host gives: ||after - before|| / ||before|| over the texts."""
    hosts = []
    for name, module in _named_modules(model):
        if any(hasattr(child, "workbench_enabled") for child in module.children()):
            hosts.append((name, module, module))
    return _effects(model, hosts, where, batches, tick)


def peft_layers(model: Any, where: Mapping[str, Place], batches: Sequence[Batch], tick: Tick) -> list[Cell]:
    """The same for PEFT layers that can't be folded in: what the layer gives against what its base layer gives."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    hosts = [
        (name, module, module.get_base_layer())
        for name, module in _named_modules(model)
        if isinstance(module, BaseTunerLayer) and hasattr(module, "base_layer")
    ]
    return _effects(model, hosts, where, batches, tick)


def _effects(
    model: Any,
    hosts: Sequence[tuple[str, Any, Any]],
    where: Mapping[str, Place],
    batches: Sequence[Batch],
    tick: Tick,
) -> list[Cell]:
    """`hosts` are (name, the module whose output is taken last, the one whose output is taken first)."""
    sums = {name: [0.0, 0.0] for name, _, _ in hosts}
    handles = []
    plain: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def before(module: Any, inputs: Any, output: Any) -> None:
            plain[name] = _hidden(output).detach()

        return before

    def compare(name: str) -> Callable[..., None]:
        def after(module: Any, inputs: Any, output: Any) -> None:
            start = plain.pop(name).double()
            sums[name][0] += float(((_hidden(output).detach().double() - start) ** 2).sum())
            sums[name][1] += float((start**2).sum())

        return after

    for name, last, first in hosts:
        # Before any hook of the method, and after all of them.
        handles.append(first.register_forward_hook(keep(name), prepend=True))
        handles.append(last.register_forward_hook(compare(name)))
    try:
        _read(model, batches, tick)
    finally:
        for handle in handles:
            handle.remove()
    return [
        _cell(_place(name, where), (change / size) ** 0.5) for name, (change, size) in sums.items() if size
    ]


def drift(model: Any, base: Any, batches: Sequence[Batch], tick: Tick) -> list[Cell]:
    """How far the hidden state after each layer is from the base model's on the same texts."""
    sums: list[list[float]] = []
    with torch.inference_mode():
        for number, batch in enumerate(batches):
            pair = [one(**batch, output_hidden_states=True).hidden_states[1:] for one in (model, base)]
            sums = sums or [[0.0, 0.0] for _ in pair[0]]
            for total, ours, theirs in zip(sums, *pair):
                total[0] += float(((ours - theirs).double() ** 2).sum())
                total[1] += float((theirs.double() ** 2).sum())
            tick((number + 1) / len(batches))
    return [
        _cell(Place(layer, "hidden state"), (change / size) ** 0.5 if size else None)
        for layer, (change, size) in enumerate(sums, 1)
    ]


def prompt_tokens(model: Any, tokenizer: Any) -> dict[str, Any]:
    """The learned vectors of prompt tuning: their norm beside that of words, and the words that lie nearest.

    `usual_nearest` is how near a word's own nearest word usually is, `chance_nearest` how near the nearest word is to a
    vector of random direction: between the two, "nearest" means little.
    """
    vectors = model.get_prompt(1)[0].detach().double()
    words = plain_base(model).get_input_embeddings().weight.detach().double()
    norms = torch.linalg.vector_norm(words, dim=1)
    real = [i for i in range(len(words)) if norms[i] > 0 and i not in set(tokenizer.all_special_ids)]
    directions = words[real] / norms[real, None]
    similar = (vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True)) @ directions.T
    best = similar.topk(min(NEAREST, len(real)), dim=1)
    found = [
        {
            "norm": float(torch.linalg.vector_norm(vector)),
            "nearest": [
                {"token": tokenizer.decode([real[int(i)]]), "cosine": float(cosine)}
                for cosine, i in zip(cosines, ids)
            ],
        }
        for vector, cosines, ids in zip(vectors, best.values, best.indices)
    ]
    return {
        "tokens": found,
        "word_norm": float(norms[real].mean()),
        **_near_and_far(directions),
    }


def _near_and_far(directions: torch.Tensor) -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    count = min(SAMPLED_TOKENS, len(directions))
    chosen = torch.randperm(len(directions), generator=generator)[:count]
    among = directions[chosen] @ directions.T
    among[torch.arange(count), chosen] = -1.0
    random = torch.randn(count, directions.shape[1], generator=generator, dtype=directions.dtype)
    random = random / torch.linalg.vector_norm(random, dim=1, keepdim=True)
    return {
        "usual_nearest": float(among.max(dim=1).values.median()),
        "chance_nearest": float((random @ directions.T).max(dim=1).values.median()),
    }


def attention_on_prompt(model: Any, batches: Sequence[Batch], tick: Tick) -> dict[str, Any]:
    """For each layer the share of the texts' attention that goes to the learned positions, and for a prefix the mean norm
    of its keys and values beside the texts' own.

    `even` is the share that they would get if every position were attended to alike.
    """
    count = int(model.active_peft_config.num_virtual_tokens)
    base = plain_base(model)
    base.set_attn_implementation("eager")
    shares: list[list[float]] = []
    norms: list[list[list[float]]] = []
    even: list[float] = []
    with torch.inference_mode(), _caches(base) as caches:
        for number, batch in enumerate(batches):
            caches.clear()
            weights = model(**batch, output_attentions=True).attentions
            if not weights or weights[0] is None:
                raise ValueError("this model does not tell its attention")
            length = int(batch["input_ids"].shape[1])
            shares.append([float(one[..., -length:, :count].sum(-1).mean()) for one in weights])
            causal = float(weights[0][0, :, -length, -1].abs().max()) == 0.0 and length > 1
            seen = [count + (i + 1 if causal else length) for i in range(length)]
            even.append(statistics.fmean(count / one for one in seen))
            if caches:
                norms.append(_cache_norms(caches[0], count))
            tick((number + 1) / len(batches))
    return {
        "attention": [statistics.fmean(layer) for layer in zip(*shares)],
        "even": statistics.fmean(even),
        "norms": [[statistics.fmean(values) for values in zip(*layer)] for layer in zip(*norms)],
    }


@contextmanager
def _caches(base: Any) -> Iterator[list[Any]]:
    """The caches of keys and values that the body is given: they hold the prefix, and after the pass the text as well."""
    found: list[Any] = []

    def look(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        if kwargs.get("past_key_values") is not None:
            found.append(kwargs["past_key_values"])

    handle = base.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield found
    finally:
        handle.remove()


def _cache_norms(cache: Any, count: int) -> list[list[float]]:
    """Per layer: mean norm of the prefix's keys, the text's keys, the prefix's values, the text's values."""
    found = []
    for layer in cache.layers:
        row = []
        for states in (layer.keys, layer.values):
            norms = torch.linalg.vector_norm(states[0].double(), dim=-1)
            row += [float(norms[:, :count].mean()), float(norms[:, count:].mean())]
        found.append(row)
    return found


def _read(model: Any, batches: Sequence[Batch], tick: Tick) -> None:
    with torch.inference_mode():
        for number, batch in enumerate(batches):
            model(**batch)
            tick((number + 1) / len(batches))


def _hidden(output: Any) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output


def _named_modules(model: Any) -> list[tuple[str, Any]]:
    """With the names that they have in the plain model."""
    return list(plain_base(model).named_modules())


def _place(name: str, where: Mapping[str, Place]) -> Place:
    """Of a module: its weight's; a part without a weight of its own has the layer of what is in it, and its own name."""
    if f"{name}.weight" in where:
        return where[f"{name}.weight"]
    inside = [place.layer for known, place in where.items() if known.startswith(f"{name}.")]
    return Place(inside[0] if inside else None, name.rsplit(".", 1)[-1])


def _cell(place: Place, value: float | None) -> Cell:
    return {"layer": place.layer, "kind": place.kind, "trained": True, "value": value}
