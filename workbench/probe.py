"""Finds out which methods can serve a model and a task: each is built on its shapes and takes one real training step on a
copy with two small layers. The reasons are what the methods and libraries say; nothing is kept by hand."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import importlib.metadata
import json
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from workbench import architecture, registry
from workbench.estimate import needs_weights
from workbench.home import default_store
from workbench.method import Context, Method, Unsuitable
from workbench.models import load_config, model_from_config, quiet, resolve
from workbench.options import Options

if TYPE_CHECKING:
    from workbench.store import Store

LABELS = ("0", "1")
DEPTHS = (2, 4, 8, 12)
WIDTH, HEADS, WORDS = 64, 4, 64
# Sizes of config fields in the small copy, where the architecture has such a field.
SMALL = {
    "head_dim": 16,
    "intermediate_size": 128,
    "hidden_dim": 128,
    "ffn_dim": 128,
    "n_inner": 128,
    "moe_intermediate_size": 64,
    "shared_expert_intermediate_size": 64,
    "word_embed_proj_dim": WIDTH,
    "embedding_size": WIDTH,
    "pooler_hidden_size": WIDTH,
}
# Experts in the small copy; at most so many can be asked at once.
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
STEPS = 10


@dataclass(frozen=True)
class Findings:
    """`reasons`: method -> None where it can serve, else why not. `note`: what could not be tried, or empty."""

    reasons: dict[str, str | None]
    note: str = ""


@dataclass(frozen=True)
class Subject:
    """What all methods are tried on: the model's shapes in few layers, and the small copy with weights (None where the
    architecture can't be made smaller)."""

    title: str
    kind: str
    task: str
    shapes: Any
    small: Any

    @property
    def note(self) -> str:
        if self.small is not None:
            return ""
        return (
            f"{self.title} has an architecture of which no small copy can be made: its methods were built, but not tried in a"
            " training step"
        )


def usable(
    model: str, task: str = "classification", *, store: Store | None = None, cache: Path | None = None
) -> dict[str, str | None]:
    """Method name -> None where it can serve this model and task, else the reason."""
    return findings(model, task, store=store, cache=cache).reasons


def findings(
    model: str,
    task: str = "classification",
    *,
    store: Store | None = None,
    cache: Path | None = None,
    methods: Iterable[str] | None = None,
) -> Findings:
    """What the probe says of these methods (all, unless named), remembered in files by model and versions."""
    source = resolve(model, store=store, counting=True)
    registry.task(task)
    wanted = list(registry.methods() if methods is None else methods)
    config = load_config(source, store=store)
    folder = cache or default_store() / "cache"
    key = _key(config, task)
    known = _remembered(folder, key)
    if missing := [name for name in wanted if name not in known.reasons]:
        more = probe(config, task, source.title, missing)
        _remember(folder, key, more)
        known = Findings(known.reasons | more.reasons, more.note)
    return Findings({name: known.reasons[name] for name in wanted}, known.note)


def probe(config: Any, task: str, title: str, methods: Iterable[str]) -> Findings:
    """The same without memory."""
    names = list(methods)
    try:
        subject = subject_of(config, task, title)
    except Unsuitable as reason:  # no method can make up for a model that does not serve the task
        return Findings(dict.fromkeys(names, str(reason)))
    reasons = {name: reason_of(registry.method(name), subject) for name in names}
    return Findings(reasons, subject.note)


def subject_of(config: Any, task: str, title: str) -> Subject:
    """Unsuitable where transformers has no model of this type for the task."""
    with quiet():
        whole = model_from_config(copy.deepcopy(config), task, LABELS, title=title)
        kinds = _kinds(whole)
        shapes = next((built for depth in DEPTHS if (built := _built(config, task, depth, kinds))), whole)
        small = next(
            (built for depth in DEPTHS if (built := _built(config, task, depth, kinds, small=True))), None
        )
    return Subject(title, config.model_type, task, shapes, small)


def reason_of(method: Method, subject: Subject) -> str | None:
    """None where the method takes its step, else one sentence."""
    if subject.task not in method.tasks:
        return f"{method.title} does not serve {subject.task}; it serves {', '.join(method.tasks)}"
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            _build(method, subject)
            if subject.small is not None:
                _train_one_step(method, subject)
    except Unsuitable as reason:
        return str(reason)
    except Exception as error:  # whatever a method or library raises here, a run would meet too
        return f"{method.title} can't train on {subject.title}: {_first_line(error)}"
    return None


def _build(method: Method, subject: Subject) -> None:
    """On the shapes alone: widths that don't divide, missing layers and the like show here."""
    context = Context(task=subject.task, steps=STEPS, on_meta=True)
    try:
        _apply(method, copy.deepcopy(subject.shapes), context)
    except (Unsuitable, NotImplementedError, RuntimeError) as error:
        # A start that is computed from the weights is tried on the small copy only.
        if subject.small is None or not needs_weights(error):
            raise


def _apply(method: Method, model: Any, context: Context) -> tuple[Any, Options]:
    """The method with its defaults, fewer layers where the model has too few for them."""
    options = method.options()
    try:
        return method.put_on(model, options, context), options
    except Unsuitable:
        raise
    except ValueError:
        numbers = [fact.name for fact in method.options.facts() if fact.kind == "int" and fact.min == 1]
        if "layers" not in numbers:
            raise
        options = method.options(layers=1)  # type: ignore[call-arg]
        return method.put_on(model, options, context), options


def _train_one_step(method: Method, subject: Subject) -> None:
    """Forward and backward with random weights: a method may build well and still not train, or not write."""
    model, options = _apply(method, copy.deepcopy(subject.small), Context(task=subject.task, steps=STEPS))
    model.train()
    batch = _batch(model, subject.task)
    outputs = model(**batch)
    loss = method.objective(model, batch, outputs, options) if method.objective else outputs.loss
    loss.backward()
    if not torch.isfinite(loss):
        raise Unsuitable(f"{method.title} gives no finite loss on a {subject.kind} model")
    heads = architecture.head_names(model)
    body = [p for n, p in model.named_parameters() if p.requires_grad and not architecture.is_head(n, heads)]
    if body and not any(p.grad is not None and p.grad.abs().sum() > 0 for p in body):
        raise Unsuitable(
            f"{method.title} gets no gradient on a {subject.kind} model: nothing of it would be trained"
        )
    if subject.task != "classification":
        _write(model, batch)


def _batch(model: Any, task: str) -> dict[str, torch.Tensor]:
    """Two rows of unlike length and unlike answers, with the tokens that begin and end a text where the model has them."""
    text = architecture.plain_base(model).config.get_text_config()
    ids = torch.randint(10, 60, (2, 6))
    mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
    if isinstance(text.bos_token_id, int):
        ids[:, 0] = text.bos_token_id
    if isinstance(text.eos_token_id, int):
        ids[0, 5] = ids[1, 3] = text.eos_token_id
    pad = text.pad_token_id or 0
    given = {"input_ids": torch.where(mask == 1, ids, pad), "attention_mask": mask}
    if task == "classification":
        return given | {"labels": torch.tensor([0, 1])}
    learnt = (mask == 1) & (torch.arange(6) >= 2)
    return given | {"labels": torch.where(learnt, ids, -100)}


def _write(model: Any, batch: dict[str, torch.Tensor]) -> None:
    """Two words more, with padding on the left."""
    model.eval()
    with torch.no_grad():
        model.generate(
            input_ids=batch["input_ids"].flip(1),
            attention_mask=batch["attention_mask"].flip(1),
            max_new_tokens=2,
            do_sample=False,
            use_cache=True,
            eos_token_id=None,
            pad_token_id=0,
        )


def shrunken(config: Any, layers: int = 2) -> Any:
    """The same architecture with few small layers and 64 words; what is grouped stays grouped."""
    small = shortened(config, layers)
    text = small.get_text_config()
    heads, grouped = text.num_attention_heads, getattr(text, "num_key_value_heads", None)
    sizes: dict[str, Any] = {"hidden_size": WIDTH, "num_attention_heads": HEADS, "vocab_size": WORDS}
    sizes |= {"num_key_value_heads": HEADS if grouped == heads else HEADS // 2} if grouped else {}
    sizes |= {name: value for name, value in SMALL.items() if isinstance(getattr(text, name, None), int)}
    asked = getattr(text, "num_experts_per_tok", None)
    most = max(HEADS, asked if isinstance(asked, int) else 0)
    sizes |= {name: most for name in EXPERTS if isinstance(getattr(text, name, None), int)}
    for name, value in sizes.items():
        setattr(text, name, value)
    for number, name in enumerate(("pad_token_id", "bos_token_id", "eos_token_id")):
        given = getattr(text, name, None)
        if isinstance(given, list) or (isinstance(given, int) and given >= WORDS):
            setattr(text, name, number)
    return small


def shortened(config: Any, layers: int) -> Any:
    """The same architecture with fewer layers of their full width."""
    short = copy.deepcopy(config)
    text = short.get_text_config()
    before = text.num_hidden_layers
    text.num_hidden_layers = min(layers, before)
    if isinstance(getattr(text, "layer_types", None), list) and len(text.layer_types) == before:
        text.layer_types = text.layer_types[:layers]
    return short


def _built(config: Any, task: str, depth: int, kinds: frozenset[str], *, small: bool = False) -> Any:
    """A model of few layers that has every kind of module that the whole one has; None where it can't be had."""
    try:
        if not small:
            built = model_from_config(shortened(config, depth), task, LABELS)
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                built = model_from_config(shrunken(config, depth), task, LABELS, device="cpu")
                built(**{k: v for k, v in _batch(built, task).items() if k != "labels"})
    except (
        Exception
    ):  # an architecture whose sizes hang together otherwise: the note says that no step was tried
        return None
    return built if _kinds(built) == kinds else None


def _kinds(model: Any) -> frozenset[str]:
    return frozenset(type(module).__name__ for module in model.modules())


def _key(config: Any, task: str) -> str:
    """Changes with the architecture, the libraries, the methods' own files and what they stand on."""
    versions = [_version(name) for name in ("torch", "transformers", "peft", "bitsandbytes", "torchao")]
    digest = hashlib.sha256(f"{task} {versions}".encode())
    digest.update(json.dumps(config.to_dict(), sort_keys=True, default=str).encode())
    for path in _sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _sources() -> Iterator[Path]:
    """The files that an answer stands on."""
    here = Path(__file__).parent
    for name in ("architecture", "experts", "estimate", "models", "pooling", "probe"):
        yield here / f"{name}.py"
    extra = os.environ.get("WORKBENCH_METHODS_PATH", "").split(os.pathsep)
    for folder in (here / "methods", here / "tasks", *map(Path, filter(None, extra))):
        yield from sorted(folder.glob("*.py"))


def _remembered(folder: Path, key: str) -> Findings:
    """What is known already. A file that is missing, torn or of another shape is as good as none."""
    known = Findings({})
    for path in folder.glob(f"usable-{key}-*.json") if folder.is_dir() else ():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            values = json.loads(path.read_text(encoding="utf-8"))
            known = Findings(known.reasons | values["reasons"], str(values["note"]))
    return known


def _remember(folder: Path, key: str, found: Findings) -> None:
    """Each answer in a file of its own: several processes may ask about parts of the methods at once."""
    text = json.dumps({"reasons": found.reasons, "note": found.note}, ensure_ascii=False)
    with contextlib.suppress(OSError):  # a cache that can't be written costs time, not the answer
        folder.mkdir(parents=True, exist_ok=True)
        name = f"usable-{key}-{uuid.uuid4().hex[:8]}"
        (folder / f"{name}.partial").write_text(text, encoding="utf-8")
        os.replace(folder / f"{name}.partial", folder / f"{name}.json")


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
