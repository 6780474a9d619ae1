"""Counts the bytes in which a live model's weights are kept, and measures what rounding or folding does to its answers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from workbench import saving
from workbench.architecture import head_names, is_head, plain_base
from workbench.build import Plan
from workbench.methods import _bitsandbytes, _torchao
from workbench.metric import metric
from workbench.task import Live

Numbers = dict[str, float]


@dataclass(frozen=True)
class Stored:
    """Bytes of a model's weights as they lie in memory to answer. `body` leaves out word embeddings, output layer and
    head, which are in `rest`. `bits` is what one weight of the matrices that are kept in few bits is worth, scales
    included, packed or not; None where there are none."""

    body: int
    rest: int
    bits: float | None


def stored(model: Any) -> Stored:
    """What a model's weights take, read off its tensors."""
    apart = _apart(model)
    seen: set[int] = set()
    body = rest = 0
    for owner, tensor in _tensors(model):
        place = tensor.data_ptr()
        if place in seen or not tensor.numel():
            continue
        seen.add(place)
        size = tensor.numel() * tensor.element_size()
        body, rest = (body, rest + size) if owner in apart else (body + size, rest)
    return Stored(body, rest, _bits(model))


def _tensors(model: Any) -> Iterator[tuple[int, torch.Tensor]]:
    """Each tensor that weights are kept in, with the id of the parameter (or of itself) that it belongs to."""
    for module in model.modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                yield from ((id(parameter), tensor) for tensor in _parts(module, parameter))
        for buffer in module._buffers.values():
            if buffer is not None:
                yield id(buffer), buffer


def _parts(module: Any, parameter: Any, *, tables: bool = True) -> Iterator[torch.Tensor]:
    if hasattr(parameter, "qdata"):
        yield from (getattr(parameter, name) for name in parameter.__tensor_flatten__()[0])
        return
    yield parameter.data
    state = getattr(parameter, "quant_state", None)
    if state is not None:
        yield from _scales(state)
        yield from ([state.code, *([state.state2.code] if state.nested else [])] if tables else [])
    if type(parameter).__name__ == "Int8Params":
        scales = parameter.SCB if parameter.SCB is not None else module.state.SCB
        if scales is not None:
            yield scales


def _scales(state: Any) -> Iterator[torch.Tensor]:
    """Of 4-bit weights, and the scales of those."""
    yield state.absmax
    if state.nested:
        yield from (state.offset, state.state2.absmax)


def _apart(model: Any) -> set[int]:
    """Ids of the parameters of word embeddings, output layer and head."""
    base, heads = plain_base(model), head_names(model)
    found = {id(p) for m in base.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    output = base.get_output_embeddings() if hasattr(base, "get_output_embeddings") else None
    found |= {id(p) for p in output.parameters()} if output is not None else set()
    return found | {id(p) for name, p in model.named_parameters() if is_head(name, heads)}


def _bits(model: Any) -> float | None:
    bits = weights = 0
    for _, weight in _torchao.rounded_weights(model):
        bits += (
            weight.numel() * _torchao.bits_of(weight) + weight.scale.numel() * weight.scale.element_size() * 8
        )
        weights += weight.numel()
    if _bitsandbytes.is_stored_in_bits(model):
        for _, layer in _bitsandbytes.stored_layers(model):
            # Tables of the values that numbers stand for are the same for all layers.
            bits += sum(t.numel() * t.element_size() for t in _parts(layer, layer.weight, tables=False)) * 8
            weights += layer.in_features * layer.out_features
    return bits / weights if weights else None


@dataclass(frozen=True)
class Forms:
    """What else a result could be deployed as, by name: bytes, difference of logits, validation score. Notes say it."""

    found: Mapping[str, Numbers] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def forms(
    plan: Plan,
    trained: Any,
    finished: Any,
    rows: Sequence[Mapping[str, Any]],
    texts: Sequence[Any],
    tick: Callable[[], object] | None = None,
) -> Forms:
    """The forms of a result whose weights are in few bits; none for any other. `rows` are the validation part."""
    look = _Look(plan, rows, texts, tick)
    if finished is not trained:
        return _rounded(look, trained, finished)
    if _bitsandbytes.is_stored_in_bits(trained) and plan.method.mergeable:
        return _folded(look, trained)
    return Forms()


@dataclass(frozen=True)
class _Look:
    """How forms are compared: on the same texts, and by the metric that picks checkpoints."""

    plan: Plan
    rows: Sequence[Mapping[str, Any]]
    texts: Sequence[Any]
    tick: Callable[[], object] | None

    @property
    def score(self) -> str:
        return self.plan.task.chosen_by(self.plan.task_options)

    def live(self, model: Any, precision: str = "") -> Live:
        return self.plan.live(model, tick=self.tick, precision=precision)

    def logits(self, model: Any) -> torch.Tensor:
        live = self.live(model, "float32")
        return torch.cat([self.plan.task.logits(live, text) for text in self.texts])

    def numbers(self, model: Any, wanted: torch.Tensor | None = None) -> Numbers:
        task, kept = self.plan.task, stored(model)
        outcomes = task.validate(self.live(model), self.rows)
        scores = task.score(outcomes, self.plan.labels, self.plan.task_options)
        found = {"stored_weight_bytes": float(kept.body), self.score: scores[self.score]}
        if kept.bits is not None:
            found["weight_bits"] = kept.bits
        if wanted is not None:
            difference = (self.logits(model) - wanted).abs()
            found |= {
                "logit_difference_max": float(difference.max()),
                "logit_difference_mean": float(difference.mean()),
            }
        return found

    def shown(self, numbers: Numbers) -> str:
        value = numbers[self.score]
        return f"{value:.1%}" if metric(self.score).format == "share" else f"{value:.3f}"


def _rounded(look: _Look, trained: Any, finished: Any) -> Forms:
    before = look.numbers(trained)
    after = look.numbers(finished, look.logits(trained))
    title = metric(look.score).title.lower()
    notes = [
        f"Rounded for good, validation {title} goes from {look.shown(before)} to {look.shown(after)} and logits move by"
        f" {after['logit_difference_mean']:.2g} on average (at most {after['logit_difference_max']:.2g})."
    ]
    names = list(_torchao.rounded_weights(finished))
    if names and _torchao.bits_of(names[0][1]) < 8:
        bits = _torchao.bits_of(names[0][1])
        notes.append(
            f"Weights of {bits} bits are worth {after['weight_bits']:.2f} bits each with their scales; torchao keeps each in a"
            " whole byte in memory here, and the saved file packs them."
        )
    return Forms({"trained": before, "rounded": after}, tuple(notes))


def _folded(look: _Look, trained: Any) -> Forms:
    """The adapter folded into the widened base, and that stored in few bits again."""
    wanted = look.logits(trained)
    kept = look.numbers(trained)
    merged_model = saving.merge(trained)
    merged = look.numbers(merged_model, wanted)
    plan = look.plan
    found = {"adapter": kept, "merged": merged}
    note = (
        f"Folded into its widened base ({merged['stored_weight_bytes'] / 1e6:,.2f} MB in place of"
        f" {kept['stored_weight_bytes'] / 1e6:,.2f}, embeddings apart), its logits move by at most"
        f" {merged['logit_difference_max']:.2g}."
    )
    if plan.method.prepare_model is not None:
        again_model = plan.method.prepare_model(copy.deepcopy(merged_model), plan.options, plan.context)
        again = found["merged_in_few_bits"] = look.numbers(again_model, wanted)
        note += (
            f" Folded and stored in few bits again ({again['stored_weight_bytes'] / 1e6:,.2f} MB) they move by"
            f" {again['logit_difference_mean']:.2g} on average (at most {again['logit_difference_max']:.2g}), and validation"
            f" {metric(look.score).title.lower()} goes from {look.shown(kept)} to {look.shown(again)}."
        )
    return Forms(found, (note,))


def plain_base_or(plan: Plan, base: Any, load: Callable[[], Any]) -> tuple[Any, tuple[str, ...]]:
    """The base as it comes, which latency is compared with; where a GPU has no room for it, the base as it is stored."""
    if plan.method.prepare_model is None:
        return base, ()
    try:
        return load(), ()
    except torch.cuda.OutOfMemoryError:
        note = "The base at full width has no room on this GPU: latency and size are compared with the base as it is stored."
        return base, (note,)
