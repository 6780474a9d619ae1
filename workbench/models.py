"""Loads configs, tokenizers and models from a `ModelSource`: never remote code, safetensors only, nothing printed."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig

from workbench import registry
from workbench.method import Unsuitable
from workbench.sources import (
    ModelCard,
    ModelError,
    ModelSource,
    architectures,
    embedded,
    known_references,
    read_architecture,
    resolve,
)
from workbench.task import Task

if TYPE_CHECKING:
    from workbench.result import Run
    from workbench.store import Store

# PEFT imports torchao and bitsandbytes, which tell at length what of theirs this machine's processor can't do.
for _name in ("torchao", "bitsandbytes", "torch.utils._pytree"):
    logging.getLogger(_name).setLevel(logging.ERROR)

__all__ = [
    "ModelCard",
    "ModelError",
    "ModelSource",
    "architectures",
    "embedded",
    "has_new_head",
    "known_references",
    "load_config",
    "load_model",
    "load_tokenizer",
    "model_from_config",
    "quiet",
    "resolve",
]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' and PEFT's notes and progress bars: what they say of new heads is what we expect."""
    from transformers.utils import logging as transformers_logging

    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    peft_logger = logging.getLogger("peft")
    peft_level = peft_logger.level
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    peft_logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(level)
        peft_logger.setLevel(peft_level)
        if bars:
            transformers_logging.enable_progress_bar()


def load_config(source: ModelSource, *, store: Store | None = None) -> PreTrainedConfig:
    """The model's config."""
    if source.kind == "run":
        return load_config(_base_of(source, store), store=store)
    if source.kind == "architecture":
        values = read_architecture(source.path_or_id)
        values.pop("_name_or_path")
        return AutoConfig.for_model(values.pop("model_type"), **values)
    with quiet(), _plain_errors(source):
        return AutoConfig.from_pretrained(source.path_or_id, **_where(source))


def load_tokenizer(source: ModelSource, *, store: Store | None = None) -> Any:
    """The model's tokenizer, padding on the right, with a pad token (its end token where it has none of its own)."""
    if source.kind == "run":
        return load_tokenizer(_base_of(source, store), store=store)
    if source.kind == "architecture":
        raise ModelError(f"{source.title} is an architecture for counting: it has no tokenizer", "no_weights")
    with quiet(), _plain_errors(source):
        tokenizer = AutoTokenizer.from_pretrained(source.path_or_id, **_where(source))
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise ModelError(f"the tokenizer of {source.ref!r} has neither a pad nor an end token", "not_a_model")
    tokenizer.padding_side = "right"
    return tokenizer


def load_model(
    source: ModelSource,
    task: str | Task,
    labels: Sequence[str],
    *,
    meta: bool = False,
    dtype: torch.dtype | None = None,
    store: Store | None = None,
) -> Any:
    """The model with a head for `task`; weights in float32 unless `dtype` says otherwise, in evaluation mode.

    Set the seed before: a new head is initialised here. With `meta` the model has shapes but no weights.
    """
    task = registry.task(task) if isinstance(task, str) else task
    if source.kind == "run" and not meta:
        return _model_of_run(source, task, labels, dtype, store)
    if meta:
        return model_from_config(load_config(source, store=store), task, labels, title=source.title)
    if source.kind == "architecture":
        raise ModelError(f"{source.title} is an architecture for counting: it has no weights", "no_weights")
    config = load_config(source)
    auto = getattr(transformers, task.model_class)
    _check_class(auto, config, task, source.title)
    config = _with_labels(config, task, labels)
    config.pad_token_id = load_tokenizer(source).pad_token_id
    # No cache of keys and values is built where nothing is generated; generating asks for it. Trainer turns it off too: a
    # base that kept it on would answer some percent slower than what was trained on it.
    config.use_cache = False
    with quiet(), _plain_errors(source):
        model, info = auto.from_pretrained(
            source.path_or_id,
            config=config,
            use_safetensors=True,
            dtype=dtype or torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **_where(source),
        )
    _note_new_head(model, [*info["missing_keys"], *[key[0] for key in info["mismatched_keys"]]])
    return model.eval()


def model_from_config(
    config: PreTrainedConfig,
    task: str | Task,
    labels: Sequence[str],
    *,
    title: str = "",
    device: str = "meta",
) -> Any:
    """A model of this architecture without its weights: on the meta device for counting, random on any other."""
    task = registry.task(task) if isinstance(task, str) else task
    auto = getattr(transformers, task.model_class)
    _check_class(auto, config, task, title or config.model_type)
    config = _with_labels(config, task, labels)
    if config.pad_token_id is None:
        end = config.eos_token_id
        config.pad_token_id = end[0] if isinstance(end, list) else end
    with quiet(), torch.device(device):
        model = auto.from_config(config, trust_remote_code=False, dtype=torch.float32)
    return model.eval()


def has_new_head(model: Any) -> bool:
    """Whether the task head was made new when the model was loaded: an untrained head's labels mean nothing."""
    return bool(getattr(model, "workbench_new_head", False))


def _note_new_head(model: Any, missing: Sequence[str]) -> None:
    from workbench.architecture import head_names

    heads = head_names(model)
    model.workbench_new_head = any(key.split(".")[0] in heads for key in missing)


def _where(source: ModelSource) -> dict[str, Any]:
    """The arguments that say where to read, the same for every from_pretrained."""
    where: dict[str, Any] = {"trust_remote_code": False}
    if source.kind == "hub":
        return where | {"revision": source.revision, "local_files_only": source.offline}
    return where | {"local_files_only": True}


def _with_labels(config: PreTrainedConfig, task: Task, labels: Sequence[str]) -> PreTrainedConfig:
    if "SequenceClassification" in task.model_class:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: i for i, label in enumerate(labels)}
        config.problem_type = "single_label_classification"
    return config


def _check_class(auto: Any, config: PreTrainedConfig, task: Task, title: str) -> None:
    task.check_model(config, title)
    if type(config) not in auto._model_mapping:
        raise Unsuitable(
            f"{title} is of type {config.model_type}, for which transformers has no {task.title.lower()} model:"
            " choose a causal or encoder language model"
        )


@contextlib.contextmanager
def _plain_errors(source: ModelSource) -> Iterator[None]:
    """transformers' errors on what is not a model it knows, as one sentence of ours."""
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        if isinstance(error, ModelError | Unsuitable):
            raise
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{source.ref!r:.200} can't be loaded: {first[:300]}", "not_a_model") from error


def _base_of(source: ModelSource, store: Store | None) -> ModelSource:
    """What a run was trained on."""
    if store is None:
        raise ModelError(f"{source.ref} names an earlier run, but no store was given to look it up in", "run")
    run = store.run(Path(source.path_or_id).name)
    return resolve(run.spec.setting.model, store=store)


def _model_of_run(
    source: ModelSource, task: Task, labels: Sequence[str], dtype: torch.dtype | None, store: Store | None
) -> Any:
    """An earlier run's result as one plain model; a new head where its labels are others."""
    from workbench import architecture, saving

    if store is None:
        raise ModelError(f"{source.ref} names an earlier run, but no store was given to look it up in", "run")
    run = store.run(Path(source.path_or_id).name)
    earlier = run.spec.setting.task
    if registry.task(earlier).model_class != task.model_class:
        if _lends_its_trunk(earlier, task):
            return _on_trunk_of(run, task, labels, dtype, store)
        raise Unsuitable(
            f"run {run.id} was trained for {earlier} and its model has no part for {task.name}:"
            f" choose {run.spec.setting.model}, which it was trained on, or a run of the same task"
        )
    model = saving.load_trained(
        resolve(run.spec.setting.model, store=store),
        saving.trained_folder(Path(source.path_or_id)),
        store=store,
    )
    model = saving.plain(model)
    if architecture.head_names(model) and list(labels) != list(run.spec.setting.data.labels):
        architecture.new_head(model, labels)
        model.workbench_new_head = True
    return (model.to(dtype) if dtype else model).eval()


def _lends_its_trunk(earlier: str, task: Task) -> bool:
    """A language model has all that a classifier has but the head; the other way its own head would be missing."""
    return (
        registry.task(earlier).model_class == "AutoModelForCausalLM"
        and task.model_class == "AutoModelForSequenceClassification"
    )


def _on_trunk_of(run: Run, task: Task, labels: Sequence[str], dtype: torch.dtype | None, store: Store) -> Any:
    """A classifier with a new head on what an earlier run made of a language model."""
    setting = run.spec.setting
    source = resolve(setting.model, store=store, revision=setting.model_revision)
    found = resolve(f"run:{run.id}", store=store)
    language_model = _model_of_run(found, registry.task(setting.task), (), dtype, store)
    model = load_model(source, task, labels, dtype=dtype, store=store)
    trunk = model.base_model_prefix
    setattr(model, trunk, getattr(language_model, language_model.base_model_prefix))
    model.workbench_new_head = True
    return model.eval()
