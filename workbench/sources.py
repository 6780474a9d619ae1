"""What a model reference means: `embedded:NAME`, a Hub id, a local folder, `run:ID`, `best:ID+ID`, or a shipped architecture.

Nothing is loaded here and neither torch nor transformers is imported: `workbench.models` does the loading.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import bases
from workbench.home import is_hosted, shipped

if TYPE_CHECKING:
    from workbench.store import Store

HUB_ID = re.compile(r"^[\w.-]+(/[\w.-]+)?$", re.ASCII)
HUB_SECONDS = 5.0
DEFAULT_MODEL = "fable-8m"
WELL_KNOWN = (
    "FacebookAI/roberta-large",
    "FacebookAI/xlm-roberta-base",
    "albert/albert-base-v2",
    "answerdotai/ModernBERT-base",
    "google/electra-small-discriminator",
    "google/gemma-3-270m",
    "microsoft/deberta-v3-base",
    "mistralai/Mistral-7B-v0.1",
    "prajjwal1/bert-tiny",
)


class ModelError(ValueError):
    """A model reference that can't be used: one sentence, and a code: name, unknown, offline, gated, hosted,
    no_weights, not_a_model, run or changed."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from. `kind` is embedded, hub, folder, run or architecture (a config without weights).

    `revision` is a Hub commit or a hash of the files; None where neither is known. `offline` says that only the
    Hub's cache can be read.
    """

    ref: str
    path_or_id: str
    revision: str | None
    kind: str
    title: str
    offline: bool = False


@dataclass(frozen=True)
class ModelCard:
    """An embedded model's card.json."""

    name: str
    title: str
    summary: str
    kind: str
    parameters: int
    layers: int
    width: int
    heads: int
    vocabulary: int
    longest_input: int
    bytes: int
    license: str
    bias_terms: bool

    @property
    def ref(self) -> str:
        return f"embedded:{self.name}"


def embedded() -> list[ModelCard]:
    """The models that ship with the workbench: the one that a new plan begins with, then the smallest first."""
    files = (shipped("assets") / "models").glob("*/card.json")
    cards = [ModelCard(**json.loads(path.read_text(encoding="utf-8"))) for path in files]
    return sorted(cards, key=lambda card: (card.name != DEFAULT_MODEL, card.parameters, card.name))


def architectures() -> dict[str, str]:
    """Short name -> Hub id of each architecture that can be counted without weights and without a network."""
    files = sorted((shipped("assets") / "architectures").glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8"))["_name_or_path"] for path in files}


def known_references() -> list[str]:
    """References worth suggesting: embedded models first, then well-known Hub ids."""
    return [card.ref for card in embedded()] + sorted({*architectures().values(), *WELL_KNOWN})


def resolve(
    ref: str,
    *,
    store: Store | None = None,
    owner: str | None = None,
    counting: bool = False,
    revision: str | None = None,
) -> ModelSource:
    """Find out what `ref` means and which revision it is. ModelError says in one sentence why it can't be used.

    `counting` asks for the architecture only: a shipped config then serves without any network, and no weights need be
    there. With `owner`,
    a run of somebody else is as good as none. `revision` asks for that one: a Hub commit is fetched, files on disk
    must still be the same.
    """
    source = _resolve(ref, store, owner, counting, revision)
    if revision and source.revision and source.revision != revision:
        raise ModelError(
            f"{source.ref!r:.200} has changed: it was {revision} and is {source.revision} now; start a new comparison",
            "changed",
        )
    return source


def _resolve(
    ref: str, store: Store | None, owner: str | None, counting: bool, revision: str | None
) -> ModelSource:
    ref = ref.strip() if isinstance(ref, str) else ref
    if isinstance(ref, str) and ref.startswith(bases.BEST):
        return _best(ref, store, owner)
    if not isinstance(ref, str) or not ref or "\0" in ref or len(ref) > 1000:
        raise ModelError(
            f"a model is embedded:NAME, a Hub id, a local folder or run:ID, not {ref!r:.80}", "name"
        )
    if ref.startswith("embedded:"):
        return _embedded(ref)
    if ref.startswith("run:"):
        return _run(ref, store, owner)
    if _is_path(ref):
        return _folder(ref, counting)
    if not HUB_ID.match(ref) or ".." in ref or len(ref) > 96:
        raise ModelError(
            f"{ref!r:.120} is not a model name: a Hub id looks like owner/name, with letters, digits, - _ and . only,"
            " at most 96 of them",
            "name",
        )
    if counting and (source := _architecture(ref)):
        return source
    return _hub(ref, revision, counting)


def content_hash(folder: Path) -> str:
    """A hash of config and weights: every header and size, and 64 samples of each weight file, so that it is quick
    even for large models and still differs between two trainings of one architecture."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")]):
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}\n".encode())
        if path.suffix == ".json":
            digest.update(path.read_bytes())
            continue
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
            digest.update(file.read(min(header, 100_000_000)))
            for i in range(64):
                file.seek(max(0, (size - 4096) * i // 63))
                digest.update(file.read(4096))
    return digest.hexdigest()[:16]


def _embedded(ref: str) -> ModelSource:
    cards = {card.name: card for card in embedded()}
    name = ref.removeprefix("embedded:")
    if name not in cards:
        raise ModelError(f"no embedded model is called {name!r:.80}; known: {', '.join(cards)}", "unknown")
    folder = shipped("assets") / "models" / name
    return ModelSource(ref, str(folder), content_hash(folder), "embedded", cards[name].title)


def _best(ref: str, store: Store | None, owner: str | None) -> ModelSource:
    """The run that the best of several was decided to be."""
    if store is None:
        raise ModelError(f"{ref!r:.80} names earlier runs, but no store was given to look them up in", "run")
    try:
        return _run(bases.RUN + bases.decide(store, ref), store, owner)
    except LookupError as error:
        raise ModelError(str(error.args[0]), "run") from None


def _run(ref: str, store: Store | None, owner: str | None) -> ModelSource:
    run_id = ref.removeprefix("run:")
    if store is None:
        raise ModelError(f"{ref!r:.80} names an earlier run, but no store was given to look it up in", "run")
    try:
        run = store.run(run_id)
    except KeyError:
        run = None
    if run is None or (owner is not None and run.owner != owner):
        raise ModelError(
            f"the store holds no run {run_id!r:.80}; `workbench runs` lists the ones it has", "run"
        )
    if run.state != "finished":
        raise ModelError(f"run {run.id} is {run.state}: only a finished run can be a base model", "run")
    folder = store.run_folder(run.id)
    trained = folder / "trained"
    if not trained.is_dir():
        raise ModelError(f"run {run.id} has no trained weights on disk any more: run it again", "run")
    title = f"{run.label} ({run.id[:6]}) on {run.spec.setting.model}"
    return ModelSource(f"run:{run.id}", str(folder), content_hash(trained), "run", title)


def _is_path(ref: str) -> bool:
    return ref.startswith(("/", ".", "~")) or "\\" in ref or ref.count("/") > 1 or os.path.isdir(ref)


def _folder(ref: str, counting: bool) -> ModelSource:
    if is_hosted():
        raise ModelError(
            f"local folders such as {ref!r:.120} can't be used on a hosted page: name an embedded model or a Hub id",
            "hosted",
        )
    folder = Path(ref).expanduser()
    if not folder.is_dir():
        raise ModelError(
            f"there is no folder {ref!r:.200} (a Hub id looks like owner/name){_near(ref)}", "unknown"
        )
    folder = folder.resolve()
    if not (folder / "config.json").is_file():
        raise ModelError(f"the folder {ref!r:.200} has no config.json, so it holds no model", "not_a_model")
    if not counting:
        _only_safetensors(ref, [path.name for path in folder.iterdir()])
    return ModelSource(ref, str(folder), content_hash(folder), "folder", folder.name)


def _only_safetensors(ref: str, names: Iterable[str]) -> None:
    names = list(names)
    if any(name.endswith(".safetensors") for name in names):
        return
    pickled = [name for name in names if name.endswith((".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack"))]
    has = f"only {', '.join(sorted(pickled)[:3])}" if pickled else "no weights"
    raise ModelError(
        f"{ref!r:.200} holds {has}: weights are read from safetensors files alone, since other formats can run code;"
        " convert it with save_pretrained first",
        "no_weights",
    )


def _architecture(ref: str) -> ModelSource | None:
    for short, full in architectures().items():
        if ref in (short, full):
            path = shipped("assets") / "architectures" / f"{short}.json"
            return ModelSource(ref, str(path), None, "architecture", short)
    return None


def _hub(ref: str, revision: str | None, counting: bool) -> ModelSource:
    from huggingface_hub import HfApi, errors

    api = HfApi()
    try:
        info = api.model_info(ref, revision=revision, timeout=HUB_SECONDS)
        if info.gated:
            api.auth_check(ref)
    except errors.GatedRepoError:
        raise ModelError(
            f"{ref} is gated: accept its licence at https://huggingface.co/{ref}, then set HF_TOKEN to a token of yours",
            "gated",
        ) from None
    except errors.RevisionNotFoundError:
        raise ModelError(f"{ref} has no revision {revision!r:.60} on the Hub any more", "changed") from None
    except errors.RepositoryNotFoundError:
        raise ModelError(
            f"the Hub has no model {ref!r} that you may see{_near(ref)}; a private one needs HF_TOKEN",
            "unknown",
        ) from None
    except errors.HFValidationError:
        raise ModelError(
            f"{ref!r:.120} is not a model name: a Hub id looks like owner/name{_near(ref)}", "name"
        ) from None
    except (errors.HfHubHTTPError, OSError) as error:
        return _cached(ref, revision, error, counting)
    except Exception as error:
        # The HTTP client's own connection errors share no base class with OSError, and its package changes its name.
        if "http" not in type(error).__module__:
            raise
        return _cached(ref, revision, error, counting)
    files = [file.rfilename for file in info.siblings or []]
    if "config.json" not in files:
        raise ModelError(
            f"{ref!r} has no config.json on the Hub, so it is no transformers model", "not_a_model"
        )
    if not counting:
        _only_safetensors(ref, files)
    return ModelSource(ref, ref, info.sha, "hub", ref)


def _cached(ref: str, revision: str | None, error: Exception, counting: bool) -> ModelSource:
    """The Hub did not answer: what its cache on this machine has, else a sentence that tells a slip from no network."""
    from huggingface_hub import snapshot_download

    try:
        snapshot = Path(snapshot_download(ref, revision=revision, local_files_only=True))
    except Exception as missing:
        reason = _innermost(error)
        known = ref in {*known_references(), *architectures()}
        near = "" if known else _near(ref)
        raise ModelError(
            f"the Hub can't be reached ({type(reason).__name__}) and {ref!r} is not in this machine's cache{near};"
            " connect once, or use an embedded model",
            "offline",
        ) from missing
    if not (snapshot / "config.json").is_file():
        raise ModelError(
            f"this machine's cache holds only a part of {ref!r}: connect and try again", "offline"
        )
    if not counting:
        _only_safetensors(ref, [path.name for path in snapshot.iterdir()])
    return ModelSource(ref, ref, snapshot.name, "hub", ref, offline=True)


def _innermost(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _near(ref: str) -> str:
    """` (did you mean ...?)`, comparing full names and the part after the owner."""
    by_name: dict[str, str] = {}
    for known in known_references():
        by_name[known.lower()] = known
        by_name.setdefault(re.split(r"[/:]", known)[-1].lower(), known)
    wanted = ref.lower().rstrip(os.sep)
    found = difflib.get_close_matches(wanted, by_name, n=3, cutoff=0.7)
    found += difflib.get_close_matches(wanted.split("/")[-1], by_name, n=3, cutoff=0.7)
    names = list(dict.fromkeys(by_name[name] for name in found))[:3]
    return f" (did you mean {' or '.join(names)}?)" if names else ""


def read_architecture(path: str) -> dict[str, Any]:
    """The config values of a shipped architecture."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
