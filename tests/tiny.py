"""Tiny random models of the layouts that the workbench knows, with a tiny tokenizer, for tests that need real ones.

`tiny_model("qwen2")` builds one in memory; `save_tiny("qwen2", folder)` writes it as a local model folder.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LAYOUTS = ("qwen2", "llama", "gpt2", "bert", "distilbert", "roberta")
DECODERS = ("qwen2", "llama", "gpt2")
MIXTURES = ("qwen3_moe", "mixtral", "olmoe")  # transformers has no classifier of OLMoE's type
EXPERTS = 4
WORDS = (  # noqa: SIM905
    "the a film book was is not very good bad dull bright plot actor scene we they liked hated it and but never"
    " always slow fast happy sad room food service price cold warm"
).split()
VOCABULARY = 64
WIDTH = 32
LAYERS = 2


def tiny_config(layout: str, labels: Sequence[str] = ("negative", "positive")) -> Any:
    """A config of width 32 with 2 layers; dropout as the layout has it by default."""
    from transformers import AutoConfig

    decoder = {
        "hidden_size": WIDTH,
        "intermediate_size": 48,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "bos_token_id": 2,
        "eos_token_id": 3,
    }
    mixture = decoder | {"num_experts_per_tok": 2}
    encoder = {
        "hidden_size": WIDTH,
        "intermediate_size": 48,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
    }
    values: dict[str, dict[str, Any]] = {
        "qwen2": decoder,
        "llama": decoder,
        "qwen3_moe": mixture | {"num_experts": EXPERTS, "moe_intermediate_size": 24, "head_dim": 8},
        "mixtral": mixture | {"num_local_experts": EXPERTS},
        "olmoe": mixture | {"num_experts": EXPERTS},
        "gpt2": {
            "n_embd": WIDTH,
            "n_layer": LAYERS,
            "n_head": 4,
            "n_positions": 64,
            "bos_token_id": 2,
            "eos_token_id": 3,
        },
        "bert": encoder,
        "roberta": encoder | {"max_position_embeddings": 68},
        "distilbert": {
            "dim": WIDTH,
            "hidden_dim": 48,
            "n_layers": LAYERS,
            "n_heads": 4,
            "max_position_embeddings": 64,
        },
    }
    return AutoConfig.for_model(
        layout,
        vocab_size=VOCABULARY,
        pad_token_id=0,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        **values[layout],
    )


def tiny_model(
    layout: str,
    labels: Sequence[str] = ("negative", "positive"),
    seed: int = 0,
    task: str = "classification",
) -> Any:
    """A model for the task with random weights, in evaluation mode; the same seed gives the same weights."""
    return copy.deepcopy(_built(layout, tuple(labels), seed, task))


def tiny_shapes(
    layout: str,
    labels: Sequence[str] = ("negative", "positive"),
    task: str = "classification",
    device: str = "meta",
) -> Any:
    """The same model on the meta device, shapes without weights; or with any weights on another."""
    import torch

    with torch.device(device):
        return _auto(task).from_config(tiny_config(layout, labels)).eval()


@functools.cache
def _built(layout: str, labels: tuple[str, ...], seed: int, task: str) -> Any:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _auto(task).from_config(tiny_config(layout, labels))
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):  # zero at first, which would hide a bias that is lost on the way
                parameter.data.normal_(0, 0.02)
    return model.eval()


def _auto(task: str) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    return AutoModelForSequenceClassification if task == "classification" else AutoModelForCausalLM


def tiny_tokenizer(layout: str = "qwen2") -> Any:
    """A word-level tokenizer of 64 entries; an encoder's adds [CLS] and [SEP], and a GPT-2 has no pad token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: i for i, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if layout not in (*DECODERS, *MIXTURES):
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    pad = {} if layout == "gpt2" else {"pad_token": "[PAD]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", bos_token="[CLS]", eos_token="[SEP]", **pad
    )


def save_tiny(layout: str, folder: Path, seed: int = 0) -> Path:
    """Write the body of a tiny model (a causal LM or a bare encoder, as Hub models come) with its tokenizer."""
    import torch
    from transformers import AutoModel, AutoModelForCausalLM

    torch.manual_seed(seed)
    config = tiny_config(layout)
    if layout == "gpt2":
        config.pad_token_id = None
    model = (AutoModelForCausalLM if layout in (*DECODERS, *MIXTURES) else AutoModel).from_config(config)
    model.save_pretrained(folder)
    tiny_tokenizer(layout).save_pretrained(folder)
    return folder


def tiny_batch(
    rows: int = 8, length: int = 12, seed: int = 0, labels: int = 2, task: str = "classification"
) -> dict[str, Any]:
    """Random token ids of several lengths, padded on the right, with a label each, or with the end of each to be learnt."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, 4 + len(WORDS), (rows, length), generator=generator)
    lengths = torch.randint(length // 3, length + 1, (rows,), generator=generator)
    mask = (torch.arange(length) < lengths[:, None]).long()
    if task == "generation":  # as texts are written: a beginning and an end
        ids[:, 0] = 2
        ids[torch.arange(rows), lengths - 1] = 3
    given = {"input_ids": ids * mask, "attention_mask": mask}
    if task == "classification":
        return {**given, "labels": torch.randint(0, labels, (rows,), generator=generator)}
    learnt = (torch.arange(length) >= lengths[:, None] // 2) & (mask == 1)
    return {**given, "labels": torch.where(learnt, ids, -100)}
