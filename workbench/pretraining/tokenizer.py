"""A byte-level BPE tokenizer, trained on the corpora or taken over from a model, that loads back the same anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from workbench.corpus import Source, documents
from workbench.pretraining.chat import TEMPLATE

PAD, BEGIN, END, MASK = "<|pad|>", "<|bos|>", "<|eos|>", "<|mask|>"
CHAT = ("<|user|>", "<|assistant|>", "<|system|>")
# The splits of transformers' Qwen2 tokenizer class. AutoTokenizer puts that class, and with it these splits, in the
# place of whatever tokenizer.json says as soon as a folder holds a Qwen2 model.
SPLITS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LARGE_FILE, EVERY = 15_000_000, 4


def train_tokenizer(sources: Sequence[Source], vocabulary: int) -> Any:
    """The BPE itself, from the training parts alone; of a large file every fourth document."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLITS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BEGIN, END, *CHAT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(_sample(sources), trainer)
    return backend


def _sample(sources: Sequence[Source]) -> Iterator[str]:
    for source in sources:
        every = EVERY if source.train.stat().st_size > LARGE_FILE else 1
        yield from islice(documents(source.train), 0, None, every)


def save(tokenizer: Any, folder: Path) -> None:
    """Into a model folder, under a class name that every release of transformers knows, and without words on where this
    one was loaded from."""
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    for name in ("is_local", "local_files_only", "backend"):
        settings.pop(name, None)
    file.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_backend(folder: Path) -> Any:
    """What tokenizer.json says, with no class of transformers in between."""
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ValueError(f"{folder} has no tokenizer.json to take over")
    return Tokenizer.from_file(str(file))


def wrap(backend: Any, objective: str, longest: int) -> Any:
    """The backend as transformers' tokenizer. For an encoder with a mask, and with the marks for begin and end around
    each text, where a classifier looks for them; a decoder's text stands bare. For conversations with the marks of who
    speaks and a template that sets them."""
    from tokenizers import AddedToken, processors
    from transformers import PreTrainedTokenizerFast

    known = backend.get_vocab()
    if missing := [token for token in (PAD, BEGIN, END) if token not in known]:
        raise ValueError(f"the tokenizer to take over has no {', '.join(missing)}")
    roles = {"pad_token": PAD, "bos_token": BEGIN, "eos_token": END, "unk_token": END}
    if objective == "masked":
        backend.add_special_tokens([AddedToken(MASK, special=True, normalized=False)])
        roles |= {"cls_token": BEGIN, "sep_token": END, "mask_token": MASK}
        backend.post_processor = processors.TemplateProcessing(
            single=f"{BEGIN} $A {END}",
            pair=f"{BEGIN} $A {END} $B {END}",
            special_tokens=[(token, backend.token_to_id(token)) for token in (BEGIN, END)],
        )
    if objective == "chat":
        backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CHAT])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=longest,
        **roles,
    )
    if objective == "chat":
        wrapped.chat_template = TEMPLATE
    return wrapped


def check_loads_back(folder: Path, texts: Iterable[str]) -> None:
    """ValueError if what AutoTokenizer makes of a finished model folder encodes otherwise than its tokenizer.json, or
    has more entries than the model: with some model types transformers puts its own splits in place."""
    import json

    from transformers import AutoTokenizer

    backend, loaded = read_backend(folder), AutoTokenizer.from_pretrained(folder, local_files_only=True)
    size = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    if len(loaded) > size:
        raise ValueError(f"the tokenizer loads with {len(loaded):,} entries, and the model has {size:,}")
    for text in texts:
        if loaded(text)["input_ids"] != backend.encode(text).ids:
            raise ValueError(
                f"loaded as {type(loaded).__name__} the tokenizer splits otherwise than its tokenizer.json, first in"
                f" {text[:60]!r}: train one with the splits of that class, or choose another model_type"
            )
