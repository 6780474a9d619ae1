"""Looks inside a finished run: where its update went, how many directions it uses, what its prompts are near.

Everything is computed from the saved result and its base model; the page calls it through `workbench.background`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from workbench import inside_record, inside_states, models, registry, saving
from workbench.architecture import plain_base
from workbench.inside_open import Change, Opened, changed_weights, merged_weights, open_run, own_weights
from workbench.inside_weights import (
    Place,
    Tick,
    cells,
    directions,
    measure_change,
    overlap,
    places,
    spectrum,
)
from workbench.method import Context, Unsuitable
from workbench.result import Run
from workbench.store import Store

Document = dict[str, Any]


def look(store_folder: str | Path, run_id: str) -> Document:
    """What is inside a run, from its record where there is one. A document with a `reason` where it can't be said."""
    store = Store(store_folder)
    run = store.run(run_id)
    folder = store.run_folder(run.id)
    if known := inside_record.read(folder):
        return known
    if run.state != "finished":
        return _nothing(run, f"The run is {run.state}: only a finished run can be looked into.")
    try:
        with _working(folder) as tick:
            found = _look(open_run(store, run), tick)
    except (OSError, ValueError, RuntimeError, NotImplementedError) as error:
        return _nothing(run, f"This run can't be looked into: {_first_line(error)}")
    return inside_record.write(folder, _about(run) | {"reason": None} | found)


def look_overlap(store_folder: str | Path, first_id: str, second_id: str) -> Document:
    """How far the strongest directions of two runs' updates are the same ones."""
    store = Store(store_folder)
    first, second = store.run(first_id), store.run(second_id)
    folder, name = store.run_folder(first.id), f"inside-{second.id}.json"
    if known := inside_record.read(folder, name):
        return known
    with _working(folder) as tick:
        found = _overlaps(open_run(store, first), open_run(store, second), tick)
    return inside_record.write(folder, {"first": first.id, "second": second.id, **found}, name)


def _look(one: Opened, tick: Tick) -> Document:
    base = one.base()
    where = places(base)
    shape = {"layers": max((p.layer for p in where.values() if p.layer), default=0)}
    if not one.is_peft:
        return shape | _look_at_own(one, base, where, tick)
    model = saving.load_trained(one.base(), one.trained)
    if model.active_peft_config.is_prompt_learning:
        return shape | _look_at_prompt(one, base, model, tick)
    if scaled := inside_states.scales(model, where):
        return shape | {"kind": "scales", "cells": scaled + _untouched(where, scaled), **_head(base, model)}
    try:
        change = merged_weights(one, base, where)
    except (Unsuitable, NotImplementedError, ValueError, RuntimeError, AttributeError, TypeError):
        return shape | _look_at_effect(one, base, model, where, tick)
    return shape | _weights(change, tick)


def _look_at_own(one: Opened, base: Any, where: Mapping[str, Place], tick: Tick) -> Document:
    """Methods that are not PEFT's: the file of trained tensors says what they changed and what they added."""
    change, has_more = own_weights(one, base, where)
    if not has_more:
        return _weights(change, tick)
    model = saving.load_trained(one.base(), one.trained)
    texts = one.texts()
    found = inside_states.added_modules(model, where, texts, tick)
    also = sorted({where[name].kind for name in change.after if where[name].kind != "head"})
    return {
        "kind": "added",
        "cells": found + _untouched(where, found),
        "texts": len(texts),
        "also_trained": also,
        **_head(base, model),
    }


def _weights(change: Change, tick: Tick) -> Document:
    found = []
    matrices = list(change.matrices())
    for number, (name, matrix) in enumerate(matrices):
        place, size = change.where[name], measure_change(change.before[name], change.after[name])
        found.append(
            {
                "name": name,
                "layer": place.layer,
                "kind": place.kind,
                "shape": list(matrix.shape),
                "value": size[0] / size[1] if size[1] else None,
                "nominal": change.ranks.get(name),
                **asdict(spectrum(matrix)),
            }
        )
        tick((number + 1) / len(matrices))
    grid = cells(change.before, change.after, change.where, change.trained)
    head = next((cell["value"] for cell in grid if cell["kind"] == "head"), None)
    return {"kind": "weights", "cells": grid, "matrices": found, "head": head}


def _look_at_effect(one: Opened, base: Any, model: Any, where: Mapping[str, Place], tick: Tick) -> Document:
    """What can't be folded in: its effect on each layer's output, or else on the hidden state after each block."""
    texts = one.texts()
    found = inside_states.peft_layers(model, where, texts, tick)
    kind = "added"
    if not found:
        found, kind = inside_states.drift(model, base, texts, tick), "drift"
    rest = _untouched(where, found) if kind == "added" else []
    return {"kind": kind, "cells": found + rest, "texts": len(texts), **_head(base, model)}


def _look_at_prompt(one: Opened, base: Any, model: Any, tick: Tick) -> Document:
    count = int(model.active_peft_config.num_virtual_tokens)
    is_prefix = not isinstance(model.get_prompt(1), torch.Tensor)
    found: Document = {"kind": "prefix" if is_prefix else "prompt", "virtual_tokens": count, "cells": []}
    if not is_prefix:
        found["prompt"] = inside_states.prompt_tokens(model, one.tokenizer())
    found["moved"] = _moved(one, model)
    found |= _head(base, model)
    texts = one.texts(count)
    try:
        found |= inside_states.attention_on_prompt(model, texts, tick) | {"texts": len(texts)}
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:
        found["attention_reason"] = f"This model's attention can't be read: {_first_line(error)}"
    return found


def _moved(one: Opened, model: Any) -> float | None:
    """How far the learned vectors went from where they started; None where the start can't be drawn again."""
    if not (one.run.device or "").startswith("cpu"):
        return None
    method, spec = registry.method(one.recipe["method"]), one.run.spec
    context = Context(
        task=one.recipe["task"],
        labels=len(one.recipe["labels"]),
        steps=one.run.result.steps if one.run.result else None,
        seed=spec.seed,
    )
    base = one.base()
    torch.manual_seed(spec.seed)
    start = _learned(method.apply(base, method.options.from_dict(one.recipe["options"]), context))
    end = _learned(model)
    if start.shape != end.shape:
        return None
    change, size = measure_change(start, end)
    return change / size if size else None


def _learned(model: Any) -> torch.Tensor:
    encoder = model.prompt_encoder[model.active_adapter]
    if model.active_peft_config.inference_mode:
        return torch.as_tensor(encoder.embedding.weight.detach())
    return torch.as_tensor(model.get_prompt_embedding_to_save(model.active_adapter))


def _head(base: Any, model: Any) -> Document:
    """The relative change of the task head, under PEFT's wrapper or as it is."""
    where = places(base)
    trained = {
        name.replace(".modules_to_save.default.", "."): parameter
        for name, parameter in plain_base(model).named_parameters()
        if ".original_module." not in name
    }
    before = {n: p for n, p in base.named_parameters() if where[n].kind == "head" and n in trained}
    sizes = [measure_change(p, trained[n]) for n, p in before.items()]
    size = math.hypot(*(s for _, s in sizes))
    return {"head": math.hypot(*(c for c, _ in sizes)) / size if size else None}


def _untouched(where: Mapping[str, Place], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The model's other places, which the method leaves alone; the head is told apart."""
    known = {(cell["layer"], cell["kind"]) for cell in found}
    rest = dict.fromkeys((p.layer, p.kind) for p in where.values() if p.kind != "head")
    return [
        {"layer": layer, "kind": kind, "trained": False, "value": None}
        for layer, kind in rest
        if (layer, kind) not in known
    ]


def _overlaps(one: Opened, other: Opened, tick: Tick) -> Document:
    changes = [changed_weights(one), changed_weights(other)]
    pairs = [
        {n: m for n, m in c.matrices() if c.where[n].layer and m.dim() == 2 and m.any()} for c in changes
    ]
    names = [name for name in pairs[0] if name in pairs[1]]
    if not names:
        raise ValueError(
            "these two runs changed no matrix in common, so they have no directions to compare:"
            " choose two that train the same layers, such as LoRA and full fine-tuning"
        )
    sums: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for number, name in enumerate(names):
        sides = [directions(pair[name]) for pair in pairs]
        ranks = [side[0].shape[1] for side in sides]
        most = min(ranks)
        for i in {*(k for k in (1, 2, 4, 8, 16, 32, 64) if k <= most), most}:
            for j in {i, ranks[1]}:
                chance = sum(j / width for width in pairs[0][name].shape) / 2
                sums.setdefault((i, j), []).append((overlap(sides[0], sides[1], i, j), chance))
        tick((number + 1) / len(names))
    rows = [
        {"top": i, "among": j, "share": _mean(v, 0), "chance": _mean(v, 1), "matrices": len(v)}
        for (i, j), v in sorted(sums.items())
        if len(v) == len(names)
    ]
    return {"rows": rows, "matrices": len(names)}


def _mean(values: list[tuple[float, float]], place: int) -> float:
    return sum(value[place] for value in values) / len(values)


@contextmanager
def _working(folder: Path) -> Iterator[Callable[[float], None]]:
    """Random numbers and the libraries' notes are as they were afterwards; progress stands in the run's folder."""
    try:
        with torch.random.fork_rng(devices=[]), models.quiet():
            yield lambda share: inside_record.say_progress(folder, share)
    finally:
        inside_record.end_progress(folder)


def _about(run: Run) -> Document:
    return {
        "run": run.id,
        "label": run.label,
        "method": run.spec.choice.method,
        "seed": run.spec.seed,
    }


def _nothing(run: Run, reason: str) -> Document:
    return _about(run) | {"kind": "none", "reason": reason, "cells": [], "layers": 0}


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
