"""New texts by back-translation: into another language and back with two translation models, in batches, with progress.

A job's translations are kept under the user's data folder, so that the same rows are never translated twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.data.augmenter import Augmenter, Progress
from workbench.data.clean import key
from workbench.home import default_store
from workbench.options import Options, option
from workbench.sources import ModelError, ModelSource, resolve
from workbench.spec import canonical_json

VERSION = 1


@dataclass(frozen=True)
class BackTranslation(Options):
    """Which two models translate, and how freely."""

    forward: str = option(
        "Helsinki-NLP/opus-mt-en-de", "Model that translates into another language: a Hub id or a folder."
    )
    backward: str = option("Helsinki-NLP/opus-mt-de-en", "Model that translates back.")
    copies: int = option(1, "New rows for each row; doubles of the original are dropped.", min=1, max=8)
    temperature: float = option(
        0.8,
        "How freely words are drawn: low stays close to the most likely translation. 0 takes the best and allows one copy.",
        min=0.0,
        max=2.0,
        step=0.1,
    )
    batch_size: int = option(16, "Texts that are translated at once.", min=1, max=512, advanced=True)
    max_tokens: int = option(
        256, "Longest translation; what is longer is cut.", min=8, max=512, advanced=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("forward", "backward"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} names a translation model, such as {type(self).facts()[0].default}")
        if self.temperature == 0 and self.copies > 1:
            raise ValueError(
                "with temperature 0 all copies are equal: give copies 1, or a temperature above 0"
            )


def rewrite(
    texts: Sequence[str],
    kept: Sequence[frozenset[str]],
    options: BackTranslation,
    seed: int,
    progress: Progress | None = None,
) -> list[list[str]]:
    """The texts there and back. Words can't be kept through a translation, so `kept` is left aside."""
    del kept
    if not texts:
        return []
    sources = [_resolved(options.forward), _resolved(options.backward)]
    job = job_file(texts, options, seed, [source.revision for source in sources])
    done = _read(job)
    batches = _batches(texts, options)
    if len(done) < len(batches):
        done += _translate(texts, batches, done, sources, options, seed, job, progress)
    elif progress is not None:
        progress(len(texts), len(texts))
    found: list[list[str]] = [[] for _ in texts]
    for (rows, _), made in zip(batches, done):
        for row, text in zip(rows, made):
            if text and key(text) not in {key(texts[row]), *map(key, found[row])}:
                found[row].append(text)
    return found


def job_file(
    texts: Sequence[str], options: BackTranslation, seed: int, revisions: Sequence[str | None]
) -> Path:
    """Where a job keeps its translations: one line for each batch, so that an interrupted job goes on."""
    question = [VERSION, list(texts), asdict(options), seed, list(revisions)]
    name = hashlib.sha256(canonical_json(question).encode()).hexdigest()[:32]
    return default_store() / "cache" / "translations" / f"{name}.jsonl"


def unusable(options: BackTranslation) -> str | None:
    """None, or why these two models can't be used here: one sentence."""
    try:
        for name in (options.forward, options.backward):
            source = _resolved(name)
            if _needs_sentencepiece(source) and importlib.util.find_spec("sentencepiece") is None:
                return f"{name} reads its words with sentencepiece, which is not installed: pip install sentencepiece"
    except ModelError as error:
        return f"back-translation needs two translation models: {error}"
    return None


def is_done(texts: Sequence[str], options: BackTranslation, seed: int) -> bool:
    """Have these texts been translated before, so that `rewrite` answers at once?"""
    try:
        revisions = [_resolved(name).revision for name in (options.forward, options.backward)]
    except ModelError:
        return False
    return len(_read(job_file(texts, options, seed, revisions))) == len(_batches(texts, options))


def _resolved(ref: str) -> ModelSource:
    try:
        return resolve(ref)
    except ModelError as error:
        # A Hub repository without safetensors may have a converted revision, which the loader finds; it reads nothing else.
        if error.code == "no_weights" and not Path(ref).expanduser().exists():
            return ModelSource(ref, ref, None, "hub", ref)
        raise


def _needs_sentencepiece(source: ModelSource) -> bool:
    """Marian models of the Hub do; one in a folder may have a tokenizer.json instead."""
    folder = Path(source.path_or_id)
    if source.kind == "hub":
        return True
    return any(folder.glob("*.spm")) and not (folder / "tokenizer.json").exists()


def _batches(texts: Sequence[str], options: BackTranslation) -> list[tuple[list[int], int]]:
    """Rows of like length together, and which copy it is: padding is most of the work otherwise."""
    order = sorted(range(len(texts)), key=lambda row: (len(texts[row]), row))
    size = options.batch_size
    cuts = [order[at : at + size] for at in range(0, len(order), size)]
    return [(rows, copy) for copy in range(options.copies) for rows in cuts]


def _translate(
    texts: Sequence[str],
    batches: Sequence[tuple[list[int], int]],
    done: Sequence[list[str]],
    sources: Sequence[ModelSource],
    options: BackTranslation,
    seed: int,
    job: Path,
    progress: Progress | None,
) -> list[list[str]]:
    job.parent.mkdir(parents=True, exist_ok=True)
    made: list[list[str]] = []
    total = len(texts) * options.copies
    finished = sum(len(rows) for rows, _ in batches[: len(done)])
    with _loaded(sources) as translators, job.open("a", encoding="utf-8") as file:
        for number in range(len(done), len(batches)):
            rows, _ = batches[number]
            there = translators[0]([texts[row] for row in rows], options, seed + 2 * number)
            back = translators[1](there, options, seed + 2 * number + 1)
            made.append(back)
            file.write(json.dumps(back, ensure_ascii=False) + "\n")
            file.flush()
            finished += len(rows)
            if progress is not None:
                progress(finished, total)
    return made


def _read(job: Path) -> list[list[str]]:
    """The whole lines of a job: one that was cut off is translated again."""
    try:
        text = job.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        os.truncate(job, len(whole.encode()))
    return [json.loads(line) for line in whole.splitlines()]


@contextlib.contextmanager
def _loaded(sources: Sequence[ModelSource]) -> Iterator[list[Any]]:
    yield [load_translator(source) for source in sources]


def load_translator(source: ModelSource) -> Any:
    """A function (texts, options, seed) -> translations. Weights are read from safetensors alone."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    from workbench.models import quiet

    local = source.kind != "hub" or source.offline
    where = {"revision": source.revision, "local_files_only": local, "trust_remote_code": False}
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(source.path_or_id, **where)
            model = AutoModelForSeq2SeqLM.from_pretrained(source.path_or_id, use_safetensors=True, **where)
    except (OSError, ValueError, KeyError, ImportError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{source.ref!r:.120} can't be loaded as a translation model: {first[:300]}", "not_a_model"
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).eval()

    def translate(texts: Sequence[str], options: BackTranslation, seed: int) -> list[str]:
        torch.manual_seed(seed)
        batch = tokenizer(
            list(texts), return_tensors="pt", padding=True, truncation=True, max_length=options.max_tokens
        )
        drawing: dict[str, Any] = {"do_sample": False, "num_beams": 4}
        if options.temperature > 0:
            drawing = {"do_sample": True, "num_beams": 1, "temperature": options.temperature, "top_k": 0}
        with torch.no_grad(), quiet():
            ids = model.generate(**batch.to(device), max_new_tokens=options.max_tokens, **drawing)
        return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]

    return translate


AUGMENTER = Augmenter(
    name="back_translation",
    title="Back-translation",
    card=(
        "Copies training rows after a translation model has put them into another language and a second one back: the"
        " sense stays, the words change. Needs two models from the Hub or from folders, and minutes on a CPU."
    ),
    options=BackTranslation,
    rewrite=rewrite,
    unusable=unusable,
    done=is_done,
)
