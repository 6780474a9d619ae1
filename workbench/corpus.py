"""Plain text for pretraining: read, tokenised once, kept as packed token files, drawn as windows of equal length."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.uint16]
LARGEST_VOCABULARY = 65_536
BATCH = 1000
UNSCORED = -100


class Encoder(Protocol):
    """What packing asks of a tokenizer; transformers' fast ones have it. Texts are encoded by the backend itself, which
    does what tokenizer.json says and nothing else."""

    bos_token_id: int | None
    eos_token_id: int | None
    backend_tokenizer: Any

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Source:
    """One corpus: its two files (JSON Lines with a "text" field, or plain text with blank lines between documents,
    gzipped or not), the share of training windows drawn from it, and what a card says of it."""

    name: str
    train: Path
    heldout: Path
    share: float = 1.0
    about: str = ""
    license: str = ""


@dataclass(frozen=True)
class Packed:
    """Token ids of all documents of one part of a source, end to end, each between the marks for begin and end.
    `dropped` counts documents left out because the held-out part has them too."""

    tokens: Tokens
    documents: int
    text_bytes: int
    dropped: int = 0


def documents(path: Path) -> Iterator[str]:
    """Texts of a corpus file, one by one. ValueError names the line that is not readable."""
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            yield from _json_lines(path, lines) if ".jsonl" in path.name else _paragraphs(lines)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} can't be read as {_format(path)}: {error}") from None


def _format(path: Path) -> str:
    return "gzipped UTF-8 text" if path.suffix == ".gz" else "UTF-8 text"


def _json_lines(path: Path, lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        try:
            text = json.loads(line)["text"]
        except (json.JSONDecodeError, KeyError, TypeError):
            text = None
        if not isinstance(text, str):
            raise ValueError(f'{path.name}, line {number}: not a JSON object with a text under "text"')
        yield text


def _paragraphs(lines: Iterator[str]) -> Iterator[str]:
    document: list[str] = []
    for line in (*lines, ""):
        if line.strip():
            document.append(line)
        elif document:
            yield "".join(document).rstrip("\n")
            document = []


def refuse_heldout(sources: Sequence[Source]) -> None:
    """ValueError if a file to train on is held out, by name or by content, from this source or another."""
    heldout = {_digest(source.heldout): source for source in sources}
    for source in sources:
        if (other := heldout.get(_digest(source.train))) is not None:
            raise ValueError(
                f"source {source.name}: {source.train.name} is the held-out file of {other.name}, which is never"
                " trained on; name the training part under train"
            )
        plain = source.train.name.lower().replace("-", "").replace("_", "")
        if "heldout" in plain:
            raise ValueError(
                f"source {source.name}: {source.train.name} is a held-out file by its name and is never trained on"
            )


def pack(tokenizer: Encoder, source: Source, folder: Path) -> dict[str, Packed]:
    """Tokenise the two parts of a source once; later calls with the same files and tokenizer read what was kept.

    Training documents that are held out as well are left out.
    """
    if len(tokenizer) > LARGEST_VOCABULARY:
        raise ValueError(
            f"a vocabulary of {len(tokenizer):,} does not fit the packed files; at most {LARGEST_VOCABULARY:,} does"
        )
    if tokenizer.bos_token_id is None or tokenizer.eos_token_id is None:
        raise ValueError(
            "the tokenizer has no tokens for begin and end, which packed documents stand between"
        )
    heldout = {_hash(text) for text in documents(source.heldout)}
    mark = hashlib.sha256()
    for piece in (_digest(source.train), _digest(source.heldout), tokenizer.backend_tokenizer.to_str()):
        mark.update(piece.encode())
    folder.mkdir(parents=True, exist_ok=True)
    parts = {}
    for part, path in (("train", source.train), ("heldout", source.heldout)):
        file = folder / f"{source.name}-{mark.hexdigest()[:12]}.{part}.npy"
        if not file.with_suffix(".json").exists():
            _write(tokenizer, path, file, heldout if part == "train" else set())
        facts = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        parts[part] = Packed(np.load(file, mmap_mode="r"), **facts)
    return parts


def _write(tokenizer: Encoder, path: Path, file: Path, without: set[bytes]) -> None:
    """The tokens first, their counts last: the counts say that the tokens are whole."""
    pieces: list[Tokens] = []
    facts = {"documents": 0, "text_bytes": 0, "dropped": 0}
    for texts in _batches(documents(path)):
        kept = [text for text in texts if _hash(text) not in without]
        facts["dropped"] += len(texts) - len(kept)
        facts["documents"] += len(kept)
        facts["text_bytes"] += sum(len(text.encode()) for text in kept)
        for one in tokenizer.backend_tokenizer.encode_batch_fast(kept, add_special_tokens=False):
            pieces.append(
                np.array([tokenizer.bos_token_id, *one.ids, tokenizer.eos_token_id], dtype=np.uint16)
            )
    if not pieces:
        rest = f" but its {facts['dropped']:,} held-out documents" if facts["dropped"] else ""
        raise ValueError(f"{path.name} holds no text{rest}")
    part = file.with_suffix(".part.npy")
    np.save(part, np.concatenate(pieces))
    os.replace(part, file)
    file.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")


def _batches(texts: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.strip().encode(), digest_size=12).digest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Masking:
    """Which tokens a masked-language-modelling window hides: of `share`, 80% behind the mask, 10% behind a random
    token, 10% left as they are, as BERT does. Special tokens are never hidden. A window begins and ends with the marks
    that a fine-tuned encoder will see around a text."""

    mask_id: int
    first_id: int
    last_id: int
    vocabulary: int
    special_ids: frozenset[int]
    share: float


class Windows:
    """A map-style data set of token windows. Window i is the same whoever asks: it follows from the seed and i alone,
    so that neither the number of processes nor a pause changes what is trained on."""

    def __init__(
        self,
        parts: Sequence[tuple[Tokens, float]],
        length: int,
        count: int,
        seed: int,
        masking: Masking | None = None,
    ) -> None:
        shortest = min((len(tokens) for tokens, _ in parts), default=0)
        if shortest < length:
            raise ValueError(
                f"a training part of {shortest:,} tokens is shorter than one window of {length:,}"
            )
        self.parts, self.length, self.count, self.seed = tuple(parts), length, count, seed
        self.masking = masking

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, NDArray[np.int64]]:
        if not 0 <= index < self.count:
            raise IndexError(index)
        draw = random.Random(self.seed * 1_000_000_007 + index)
        tokens = draw.choices([t for t, _ in self.parts], weights=[share for _, share in self.parts])[0]
        start = draw.randrange(len(tokens) - self.length + 1)
        ids = tokens[start : start + self.length].astype(np.int64)
        if self.masking:
            return mask(frame(ids, self.masking), self.masking, draw.getrandbits(64))
        labels = ids.copy()
        labels[0] = UNSCORED  # nothing stands before it, so it is never predicted
        return {"input_ids": ids, "labels": labels}


def frame(ids: NDArray[np.int64], masking: Masking) -> NDArray[np.int64]:
    """The window (or windows, one a row) with its outer tokens replaced by the marks for begin and end."""
    framed = ids.copy()
    framed[..., 0], framed[..., -1] = masking.first_id, masking.last_id
    return framed


def mask(ids: NDArray[np.int64], masking: Masking, seed: int) -> dict[str, NDArray[np.int64]]:
    """Input and labels of one window; labels are unscored where nothing is hidden."""
    draw = np.random.default_rng(seed)
    hidden = (draw.random(ids.shape) < masking.share) & ~np.isin(ids, list(masking.special_ids))
    how = draw.random(ids.shape)
    shown = np.where(hidden & (how < 0.8), masking.mask_id, ids)
    shown = np.where(hidden & (how >= 0.9), draw.integers(masking.vocabulary, size=ids.shape), shown)
    return {"input_ids": shown, "labels": np.where(hidden, ids, UNSCORED)}
