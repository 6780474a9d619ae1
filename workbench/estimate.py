"""Says before any run what a method would train on a model, without its weights or a network.

The real architecture is built on the meta device and the real method applied to it, so nothing is kept by hand.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from workbench import registry
from workbench.method import Context, Method, Unsuitable
from workbench.models import ModelSource, load_config, model_from_config, quiet, resolve
from workbench.options import Options
from workbench.parameters import Counts, count_parameters, total_parameters

if TYPE_CHECKING:
    from workbench.costs import Training
    from workbench.store import Store

# A few methods compute their start from the weights; to count them, models up to this size are built with random ones.
BUILT_WHOLE = 300_000_000


def count(
    model: str | ModelSource,
    method: str | Method,
    options: Options | Mapping[str, Any] | None = None,
    *,
    task: str = "classification",
    labels: int = 2,
    store: Store | None = None,
) -> Counts:
    """The weights that this method would train. Unsuitable where it can't serve, ValueError for a bad option."""
    method = registry.method(method) if isinstance(method, str) else method
    if labels < 2:
        raise ValueError(f"labels is a whole number of at least 2, not {labels!r}")
    if task not in method.tasks:
        raise Unsuitable(f"{method.title} does not serve {task}; it serves {', '.join(method.tasks)}")
    if not isinstance(options, Options):
        options = method.options.from_dict(options or {})
    source = model if isinstance(model, ModelSource) else resolve(model, store=store, counting=True)
    names = [str(i) for i in range(labels)]
    config = load_config(source, store=store)
    base = 0

    def build(device: str) -> Any:
        nonlocal base
        built = model_from_config(copy.deepcopy(config), task, names, title=source.title, device=device)
        base = total_parameters(built)
        return built

    changed = without_weights(method, options, build, Context(task=task, labels=labels))
    return count_parameters(changed, base=base)


def without_weights(method: Method, options: Options, build: Callable[[str], Any], context: Context) -> Any:
    """The method on a model that `build("meta")` gives; where its start is computed from the weights, on a model of random
    ones from `build("cpu")`, as long as that is small."""
    shapes = build("meta")
    whole = total_parameters(shapes)
    try:
        with quiet():
            return method.put_on(shapes, options, replace(context, on_meta=True))
    except (Unsuitable, NotImplementedError, RuntimeError) as error:
        if not needs_weights(error):
            raise
    if whole > BUILT_WHOLE:
        raise Unsuitable(
            f"{method.title} computes its start from the weights, so it can't be counted before they are loaded on a model"
            f" of {whole / 1e9:.1f} billion"
        )
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return method.put_on(build("cpu"), options, context)


def needs_weights(error: BaseException | None) -> bool:
    """Whether a method failed on the meta device for no other reason than that there are no values to read."""
    while error is not None:
        if "meta tensor" in str(error) or (isinstance(error, NotImplementedError) and "meta" in str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def estimates(
    model: str,
    wanted: Sequence[tuple[str | Method, Options | Mapping[str, Any] | None]],
    *,
    task: str = "classification",
    labels: int = 2,
    store: Store | None = None,
    training: Training | None = None,
) -> list[dict[str, Any]]:
    """One row for each (method, options): counts, or the reason why there are none. With `training`, what a training step
    needs as well: that takes a second or so for each row that is new."""
    source = resolve(model, store=store, counting=True)
    registry.task(task)
    rows = []
    for method, options in wanted:
        method = registry.method(method) if isinstance(method, str) else method
        row: dict[str, Any] = {"method": method.name, "model": source.ref, "reason": None}
        row["options"] = (
            options if isinstance(options, Options) else method.options.from_dict(options or {})
        ).to_dict()
        try:
            found = count(source, method, options, task=task, labels=labels, store=store)
        except Unsuitable as reason:
            row["reason"], found = str(reason), None
        row |= _columns(found)
        if training is not None and found is not None:
            from workbench import costs

            options = method.options.from_dict(row["options"])
            row |= costs.columns(source, method, options, training, task=task, labels=labels, store=store)
        rows.append(row)
    return rows


def _columns(counts: Counts | None) -> dict[str, Any]:
    return {
        "trainable_parameters": counts.trainable if counts else None,
        "head_parameters": counts.head if counts else None,
        "method_parameters": counts.method if counts else None,
        "total_parameters": counts.total if counts else None,
        "base_parameters": counts.base if counts else None,
        "trainable_share": counts.share if counts else None,
        "peak_memory_bytes": None,
    }
