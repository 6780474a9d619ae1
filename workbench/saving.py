"""Saves what training changed and loads it back to the same predictions; merges it; switches it off to compare.

PEFT models are saved in PEFT's own format, others as one safetensors file of the trained tensors; `method.json` beside
them says how to rebuild the model.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from workbench import registry
from workbench.method import Context, Method, Unsuitable
from workbench.methods import _bitsandbytes, _low_rank, _torchao
from workbench.methods._peft_derived import settle
from workbench.models import ModelSource, load_model, quiet
from workbench.options import Options
from workbench.pooling import pool_last_real_token

if TYPE_CHECKING:
    from workbench.store import Store

RECIPE = "method.json"
TENSORS = "trained.safetensors"
# What was taken out of the base before training: PEFT would look for it anew, and need not find the same again.
START = "start.safetensors"
PEFT_CONFIG = "adapter_config.json"


def trained_folder(run_folder: Path) -> Path:
    """Where a run keeps its trained weights."""
    return run_folder / "trained"


def is_peft(model: Any) -> bool:
    return hasattr(model, "peft_config") and hasattr(model, "get_base_model")


def save_trained(
    model: Any,
    folder: Path,
    *,
    method: str | Method,
    options: Options | Mapping[str, Any],
    context: Context,
    source: ModelSource | None = None,
) -> None:
    """Write everything that is needed to restore the result, apart from the base model."""
    folder.mkdir(parents=True, exist_ok=True)
    if is_peft(model):
        with quiet():
            # Asking whether embeddings changed would call the Hub; no method here resizes them.
            model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)
        if start := _start(model):
            save_file(start, folder / START)
    elif _is_converted(model):
        save_file(_torchao.packed_state(model), folder / TENSORS)
    else:
        save_file(trainable_state(model), folder / TENSORS)
    config = model.get_base_model().config if is_peft(model) else model.config
    recipe = {
        "method": method if isinstance(method, str) else method.name,
        "options": options.to_dict() if isinstance(options, Options) else dict(options),
        "task": context.task,
        "labels": [config.id2label[i] for i in range(len(config.id2label))],
        "model": source.ref if source else None,
        "model_revision": source.revision if source else None,
    }
    partial = folder / f"{RECIPE}.partial"
    partial.write_text(json.dumps(recipe, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, folder / RECIPE)


def read_recipe(folder: Path) -> dict[str, Any]:
    """What `save_trained` noted: method, options, task, labels, model and its revision."""
    path = folder / RECIPE
    if not path.is_file():
        raise ValueError(f"{folder} holds no trained weights: {RECIPE} is missing")
    return json.loads(path.read_text(encoding="utf-8"))


def load_trained(
    base: ModelSource | Any,
    folder: Path,
    *,
    store: Store | None = None,
    dtype: torch.dtype | None = None,
) -> Any:
    """The trained model with the predictions it was saved with, in evaluation mode.

    `base` is where the base model comes from, or the loaded base itself (which is then changed).
    """
    recipe = read_recipe(folder)
    # A new head is drawn and then overwritten: the caller's random numbers must not notice.
    with torch.random.fork_rng(devices=[]), quiet():
        if isinstance(base, ModelSource):
            base = load_model(base, recipe["task"], recipe["labels"], dtype=dtype, store=store)
        base = _prepared(base, recipe)
        model = (
            _load_peft(base, folder) if (folder / PEFT_CONFIG).is_file() else _load_own(base, folder, recipe)
        )
    base.workbench_new_head = False
    return model.requires_grad_(False).eval()


def _prepared(base: Any, recipe: Mapping[str, Any]) -> Any:
    """The base as the method had it: its weights stored in few bits, for one."""
    method = registry.methods().get(recipe["method"])
    if method is None or method.prepare_model is None:
        return base
    return method.prepare_model(base, method.options.from_dict(recipe["options"]), _context(base, recipe))


def _context(base: Any, recipe: Mapping[str, Any]) -> Context:
    device = str(next(base.parameters()).device)
    return Context(task=recipe["task"], labels=len(recipe["labels"]), device=device)


def _load_peft(base: Any, folder: Path) -> Any:
    from peft import PeftConfig, PeftModel

    if (folder / START).is_file():
        config = PeftConfig.from_pretrained(str(folder))
        config.init_lora_weights = True
        model = PeftModel.from_pretrained(base, str(folder), is_trainable=False, config=config)
        with safe_open(folder / START, framework="pt") as file:
            _low_rank.take_out(model, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        return model
    model = PeftModel.from_pretrained(base, str(folder), is_trainable=False)
    settle(model)
    if model.active_peft_config.is_prompt_learning:
        pool_last_real_token(model)
    return model


def _load_own(base: Any, folder: Path, recipe: Mapping[str, Any]) -> Any:
    method = registry.method(recipe["method"])
    context, options = _context(base, recipe), method.options.from_dict(recipe["options"])
    model = method.apply(base, options, context)
    if method.after_training is not None:
        model = method.after_training(model, options, context)
    with safe_open(folder / TENSORS, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if _is_converted(model):
        _torchao.load_packed_state(model, state)
    else:
        load_trainable_state(model, state)
    return model


def _is_converted(model: Any) -> bool:
    """Whether the model answers from rounded weights, which training can't go on with."""
    return hasattr(model, "workbench_trained")


def _start(model: Any) -> dict[str, torch.Tensor]:
    """What the method took out of the base weights, where it did: without it the base alone is another model."""
    return getattr(model, "workbench_start", {})


def trained_bytes(folder: Path) -> int:
    """Bytes of everything in the folder: all of it is needed to restore the result."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def trainable_state(model: Any) -> dict[str, torch.Tensor]:
    """A copy of all tensors that training changes, on the CPU: to keep the best checkpoint, or to put the start back."""
    state = {
        n: p.detach().to("cpu", copy=True).contiguous()
        for n, p in model.named_parameters()
        if p.requires_grad
    }
    if not state:
        raise ValueError("nothing in this model is trainable, so there is no trained state to keep")
    return state


def load_trainable_state(model: Any, state: Mapping[str, torch.Tensor]) -> None:
    """Put such a copy back, exactly."""
    parameters = dict(model.named_parameters())
    if unknown := [name for name in state if name not in parameters]:
        raise ValueError(
            f"the state does not fit the model: it has no {unknown[0]} (and {len(unknown) - 1} more)"
        )
    with torch.no_grad():
        for name, tensor in state.items():
            if parameters[name].shape != tensor.shape:
                raise ValueError(
                    f"the state does not fit the model: {name} is {tuple(parameters[name].shape)} in the model"
                    f" and {tuple(tensor.shape)} in the state"
                )
            parameters[name].copy_(tensor)


def merge(model: Any, *, in_place: bool = False) -> Any:
    """A plain model with the method folded in; the given one stays as it is unless `in_place`.

    A base that is stored in few bits is widened first: what is folded into rounded weights would be rounded too.
    Unsuitable for PEFT methods that can't be folded; a model without PEFT has nothing to fold.
    """
    if not is_peft(model):
        return model
    if model.active_peft_config.is_prompt_learning or not hasattr(model, "merge_and_unload"):
        raise Unsuitable(
            f"{model.active_peft_config.peft_type.value} can't be folded into the model: it is no change of weights"
        )
    if _bitsandbytes.is_stored_in_bits(model):
        with quiet():
            model = _bitsandbytes.widened(model)
    else:
        model = model if in_place else copy.deepcopy(model)
    _unwrap_heads(model)
    with quiet():
        merged = model.merge_and_unload()
    return merged.requires_grad_(False).eval()


def _unwrap_heads(model: Any) -> None:
    """Put trained heads in place of PEFT's wrappers: its own unloading expects a single layer, RoBERTa's head has two."""
    from peft.utils import ModulesToSaveWrapper

    for name, module in list(model.named_modules()):
        if isinstance(module, ModulesToSaveWrapper):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.modules_to_save[module.active_adapters[0]])


def plain(model: Any) -> Any:
    """The result as a model that further methods can be applied to: PEFT adapters folded in, ours kept as parts, rounded
    weights as plain ones."""
    model = _torchao.widen(merge(model, in_place=True))
    for module in model.modules():
        if hasattr(module, "workbench_enabled"):  # from here on it is the base's: no method is off without it
            module.workbench_of_base = True
    return model


@contextlib.contextmanager
def without_method(model: Any, original: Mapping[str, torch.Tensor] | None = None) -> Iterator[Any]:
    """The model as it was before training, for the time of a `with` block: PEFT and added modules switched off.

    `original` is `trainable_state(model)` taken before the first step: it puts back what training overwrote, the head
    included. Without it, methods that train the model's own weights can't be switched off (Unsuitable).
    """
    if original is None and not is_peft(model):
        raise Unsuitable(
            "this method changed the model's own weights: switching it off needs the original ones"
        )
    with contextlib.ExitStack() as stack:
        if original is not None:
            stack.enter_context(_tensors(model, original))
        if start := _start(model):
            stack.enter_context(_tensors(model, start))
            stack.enter_context(_heads_off(model))
        elif is_peft(model):
            stack.enter_context(_peft_off(model))
        else:
            stack.enter_context(_switched_off(model))
        yield model


@contextlib.contextmanager
def _peft_off(model: Any) -> Iterator[None]:
    """PEFT's disable_adapter, which for prompt methods fails on classifiers and would leave the trained head on."""
    if not model.active_peft_config.is_prompt_learning:
        frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
        with model.disable_adapter():
            yield
        for parameter in frozen:  # PEFT switches an adapter on by training all of it
            parameter.requires_grad_(False)
        return
    model.forward = model.base_model.forward
    try:
        with _heads_off(model):
            yield
    finally:
        del model.forward


@contextlib.contextmanager
def _heads_off(model: Any) -> Iterator[None]:
    """The base's own head in place of the trained copy."""
    from peft.utils import ModulesToSaveWrapper

    heads = [module for module in model.modules() if isinstance(module, ModulesToSaveWrapper)]
    for head in heads:
        head.enable_adapters(False)
    try:
        yield
    finally:
        for head in heads:
            head.enable_adapters(True)


@contextlib.contextmanager
def _tensors(model: Any, original: Mapping[str, torch.Tensor]) -> Iterator[None]:
    parameters = dict(model.named_parameters())
    trained = {name: parameters[name].detach().to("cpu", copy=True) for name in original}
    load_trainable_state(model, original)
    try:
        yield
    finally:
        load_trainable_state(model, trained)


@contextlib.contextmanager
def _switched_off(model: Any) -> Iterator[None]:
    """Our own modules, and torchao's imitation of rounding."""
    own = [m for m in model.modules() if not getattr(m, "workbench_of_base", False)]
    switches = [(m, "workbench_enabled") for m in own if hasattr(m, "workbench_enabled")]
    switches += [(m, "enabled") for m in _torchao.imitators(model)]
    for module, name in switches:
        setattr(module, name, False)
    try:
        yield
    finally:
        for module, name in switches:
            setattr(module, name, True)
