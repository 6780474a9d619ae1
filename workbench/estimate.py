"""Says before any run what a method would train on a model, and which methods can serve it: without weights or network.

The real architecture is built on the meta device and the real method applied to it, so nothing is kept by hand.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import importlib.metadata
import inspect
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from workbench import architecture, parameters, pooling, registry
from workbench.home import default_store
from workbench.method import Context, Method, Unsuitable
from workbench.models import ModelSource, load_config, model_from_config, quiet, resolve
from workbench.options import Options
from workbench.parameters import Counts, count_parameters, total_parameters

if TYPE_CHECKING:
    from workbench.store import Store


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
    built = model_from_config(load_config(source, store=store), task, names, title=source.title)
    base = total_parameters(built)
    with quiet():
        changed = method.apply(built, options, Context(task=task, labels=labels, on_meta=True))
    return count_parameters(changed, base=base)


def estimates(
    model: str,
    wanted: Sequence[tuple[str | Method, Options | Mapping[str, Any] | None]],
    *,
    task: str = "classification",
    labels: int = 2,
    store: Store | None = None,
) -> list[dict[str, Any]]:
    """One row for each (method, options): counts, or the reason why there are none. Memory is not predicted yet."""
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
        rows.append(row | _columns(found))
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


def usable(
    model: str, task: str = "classification", *, store: Store | None = None, cache: Path | None = None
) -> dict[str, str | None]:
    """Method name -> None where it can serve, else the reason. Each is built on the meta device, then takes one real
    training step on a copy of the architecture shrunk to two small layers. Remembered in a file by model and versions.
    """
    source = resolve(model, store=store, counting=True)
    registry.task(task)
    config = load_config(source, store=store)
    path = (cache or default_store() / "cache") / f"usable-{_key(config, task)}.json"
    with contextlib.suppress(OSError, ValueError):  # missing or torn: probe again
        known = json.loads(path.read_text(encoding="utf-8"))
        return {name: known[name] for name in registry.methods()}
    reasons = {
        name: _reason(method, config, task, source.title) for name, method in registry.methods().items()
    }
    with contextlib.suppress(OSError):  # a cache that can't be written costs time, not the answer
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{uuid.uuid4().hex[:8]}")
        partial.write_text(json.dumps(reasons, ensure_ascii=False), encoding="utf-8")
        os.replace(partial, path)
    return reasons


def _reason(method: Method, config: Any, task: str, title: str) -> str | None:
    if task not in method.tasks:
        return f"{method.title} does not serve {task}; it serves {', '.join(method.tasks)}"
    context = Context(task=task, on_meta=True)
    try:
        with quiet():
            built = model_from_config(copy.deepcopy(config), task, ("0", "1"), title=title)
            _apply(method, built, context)
            _train_one_step(method, config, task)
    except Unsuitable as reason:
        return str(reason)
    except Exception as error:  # whatever a method or library raises here, a run would meet too
        return f"{method.title} can't train on {title}: {_first_line(error)}"
    return None


def _apply(method: Method, model: Any, context: Context) -> Any:
    """The method with its defaults, fewer layers where the model has too few for them."""
    try:
        return method.apply(model, method.options(), context)
    except Unsuitable:
        raise
    except ValueError:
        numbers = [fact.name for fact in method.options.facts() if fact.kind == "int" and fact.min == 1]
        if "layers" not in numbers:
            raise
        return method.apply(model, method.options(layers=1), context)  # type: ignore[call-arg]


def _train_one_step(method: Method, config: Any, task: str) -> None:
    """Forward and backward with random weights: a method may build well and still not train (Unsuitable says so)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            model = model_from_config(shrunken(config), task, ("0", "1"), device="cpu")
        except (
            Exception
        ):  # an architecture whose sizes hang together otherwise: the meta device has had its say
            return
        model = _apply(method, model, Context(task=task)).train()
        ids = torch.randint(10, 60, (2, 6))
        mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
        pad = architecture.plain_base(model).config.get_text_config().pad_token_id or 0
        ids = torch.where(mask == 1, ids, pad)
        loss = model(input_ids=ids, attention_mask=mask, labels=torch.tensor([0, 1])).loss
        loss.backward()
    if not torch.isfinite(loss):
        raise Unsuitable(f"{method.title} gives no finite loss on a {config.model_type} model")
    heads = architecture.head_names(model)
    body = [p for n, p in model.named_parameters() if p.requires_grad and not architecture.is_head(n, heads)]
    if body and not any(p.grad is not None and p.grad.abs().sum() > 0 for p in body):
        raise Unsuitable(
            f"{method.title} gets no gradient on a {config.model_type} model: nothing of it would be trained"
        )


def shrunken(config: Any) -> Any:
    """The same architecture with two small layers and 64 words; what is grouped stays grouped."""
    small = copy.deepcopy(config)
    text = small.get_text_config()
    layers, heads = text.num_hidden_layers, text.num_attention_heads
    grouped = getattr(text, "num_key_value_heads", None)
    sizes: dict[str, Any] = {
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "vocab_size": 64,
    }
    sizes |= {"num_key_value_heads": 4 if grouped == heads else 2} if grouped else {}
    for name, value in (
        ("head_dim", 16),
        ("intermediate_size", 96),
        ("hidden_dim", 96),
        ("ffn_dim", 96),
        ("n_inner", 96),
        ("word_embed_proj_dim", 64),
        ("embedding_size", 64),
        ("pooler_hidden_size", 64),
    ):
        if isinstance(getattr(text, name, None), int):
            sizes[name] = value
    if isinstance(getattr(text, "layer_types", None), list) and len(text.layer_types) == layers:
        sizes["layer_types"] = text.layer_types[:2]
    for name, value in sizes.items():
        setattr(text, name, value)
    for number, name in enumerate(("pad_token_id", "bos_token_id", "eos_token_id")):
        given = getattr(text, name, None)
        if isinstance(given, list) or (isinstance(given, int) and given >= 64):
            setattr(text, name, number)
    return small


def _key(config: Any, task: str) -> str:
    """Changes with the architecture, the libraries, the methods' own files and what they stand on."""
    versions = [importlib.metadata.version(name) for name in ("torch", "transformers", "peft")]
    digest = hashlib.sha256(f"{task} {versions}".encode())
    digest.update(json.dumps(config.to_dict(), sort_keys=True, default=str).encode())
    files = {inspect.getsourcefile(method.apply) for method in registry.methods().values()}
    files |= {module.__file__ for module in (architecture, parameters, pooling)} | {__file__}
    for path in sorted(filter(None, files)):
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:16]


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
