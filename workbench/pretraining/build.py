"""Builds the model to pretrain: gone on with, or new, with another model's token embeddings where that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

from workbench.options import unknown_names
from workbench.pretraining.config import PretrainConfig, model_folder
from workbench.pretraining.tokenizer import read_backend

ROUND_TO = 64


def build(config: PretrainConfig, base: Path, tokenizer: Any) -> Any:
    """In float32, with weights drawn from the recipe's seed. ValueError names what does not fit."""
    torch.manual_seed(config.recipe.seed)
    auto = AutoModelForMaskedLM if config.kind == "encoder" else AutoModelForCausalLM
    if not config.architecture:
        model = auto.from_pretrained(model_folder(str(config.start), base), dtype=torch.float32)
        if len(tokenizer) > model.config.vocab_size:
            model.resize_token_embeddings(_rounded(len(tokenizer)))
    else:
        model = auto.from_config(architecture(config, tokenizer), dtype=torch.float32)
        if config.start:
            take_embeddings(model, tokenizer, model_folder(config.start, base))
        start_attention(model, config)
    return model


def start_attention(model: Any, config: PretrainConfig) -> None:
    """Positions as waves twice as large as the tokens' spread, larger queries and keys: where the config asks for it."""
    with torch.no_grad():
        if config.positions == "sinusoidal":
            places = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
            if places is None:
                raise ValueError(
                    f"positions: a {model.config.model_type} model has no learned position embeddings to start from"
                )
            count, width = places.weight.shape
            angle = torch.arange(count)[:, None] / 10_000 ** (torch.arange(0, width, 2) / width)
            waves = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]
            places.weight.copy_(2 * model.get_input_embeddings().weight.std() * waves)
        if config.attention_gain != 1:
            for name, weight in model.named_parameters():
                if name.endswith(("query.weight", "key.weight", "q_lin.weight", "k_lin.weight")):
                    weight.mul_(config.attention_gain)


def check(config: PretrainConfig, base: Path, tokenizer: Any) -> Any:
    """The transformers config that the model will have; no weights are made. ValueError if it has a fault or is too
    short for the windows."""
    if config.architecture:
        settings = architecture(config, tokenizer)
    else:
        settings = AutoConfig.from_pretrained(model_folder(str(config.start), base))
        if len(tokenizer) > settings.vocab_size:
            settings.vocab_size = _rounded(len(tokenizer))
    longest = getattr(settings, "max_position_embeddings", None) or config.recipe.context
    if config.recipe.context > longest:
        raise ValueError(
            f"context is {config.recipe.context:,}, and the model takes at most {longest:,} tokens"
        )
    return settings


def architecture(config: PretrainConfig, tokenizer: Any) -> Any:
    """The transformers config. ValueError names a model_type or a setting that transformers does not know."""
    settings = dict(config.architecture)
    kind = str(settings.pop("model_type"))
    try:
        defaults = AutoConfig.for_model(kind)
    except ValueError:
        raise ValueError("architecture: " + unknown_names("model_type", [kind], _model_types())) from None
    known = [*defaults.to_dict(), *getattr(defaults, "attribute_map", {})]
    if unknown := [name for name in settings if name not in known]:
        raise ValueError("architecture: " + unknown_names("setting", unknown, known))
    given = {
        "vocab_size": _rounded(len(tokenizer)),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    return AutoConfig.for_model(kind, **{**given, **settings})


def take_embeddings(model: Any, tokenizer: Any, folder: Path) -> int:
    """Copy the rows of tokens that both know; how many. The rest stays as drawn."""
    donor = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    theirs: Any = donor.get_input_embeddings().weight
    ours = model.get_input_embeddings().weight
    if theirs.shape[1] != ours.shape[1]:
        raise ValueError(
            f"start's token embeddings are {theirs.shape[1]} wide and this architecture's {ours.shape[1]}:"
            " make them equally wide, or leave start away"
        )
    there, here = read_backend(folder).get_vocab(), tokenizer.get_vocab()
    pairs = [(here[token], there[token]) for token in here if there.get(token, len(theirs)) < len(theirs)]
    if not pairs:
        raise ValueError("start's tokenizer and this one have no token in common")
    to, of = (torch.tensor(ids) for ids in zip(*pairs))
    with torch.no_grad():
        ours[to] = theirs[of]
    return len(pairs)


def _rounded(size: int) -> int:
    return -(-size // ROUND_TO) * ROUND_TO


def _model_types() -> list[str]:
    return [
        "bert",
        "distilbert",
        "gpt2",
        "llama",
        "mixtral",
        "olmoe",
        "qwen2",
        "qwen3",
        "qwen3_moe",
        "roberta",
    ]
