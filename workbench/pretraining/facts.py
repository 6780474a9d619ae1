"""All that is known of a pretraining at its end, and what a model browser shows of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.corpus import Source
from workbench.pretraining.config import PretrainConfig, model_folder

REPORT = "pretraining.json"


@dataclass(frozen=True)
class Facts:
    """All that is known of a pretraining at its end."""

    config: PretrainConfig
    architecture: Mapping[str, Any]
    class_name: str
    parameters: int
    bias_terms: bool
    weights_bytes: int
    trained: Mapping[str, Any]
    heldout: Mapping[str, Mapping[str, Any]]
    heldout_before: Mapping[str, Mapping[str, Any]] | None
    continuations: Sequence[Mapping[str, Any]]
    sources: Mapping[str, Mapping[str, Any]]
    start: Mapping[str, Any] | None
    environment: Mapping[str, Any]
    log: Sequence[Mapping[str, Any]]

    def size(self, *names: str) -> int:
        """A number of the architecture under whichever of these names it has there."""
        return next((int(self.architecture[n]) for n in names if self.architecture.get(n) is not None), 0)


def source_facts(
    sources: Sequence[Source], counts: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """What was trained on and scored on, with the `counts` of each source; files by name and hash, since paths mean
    nothing elsewhere."""
    whole = sum(source.share for source in sources)
    return {
        source.name: {
            "about": source.about,
            "license": source.license,
            "share": source.share / whole,
            **counts[source.name],
            "train_file": {"name": source.train.name, "sha256": _sha256(source.train)},
            "heldout_file": {"name": source.heldout.name, "sha256": _sha256(source.heldout)},
        }
        for source in sources
    }


def start_facts(config: PretrainConfig, base: Path) -> dict[str, Any] | None:
    """Which weights it began with, and how many tokens those had seen."""
    if not config.start:
        return None
    folder = model_folder(config.start, base)
    report, seen = folder / REPORT, config.earlier_tokens
    if report.is_file() and not seen:
        seen = int(json.loads(report.read_text(encoding="utf-8"))["tokens_in_all"])
    taken = "token embeddings" if config.architecture else "all weights"
    return {
        "name": folder.name,
        "taken": taken,
        "sha256": _sha256(*sorted(folder.glob("*.safetensors"))),
        "tokens": seen,
    }


def card(facts: Facts) -> dict[str, Any]:
    """What the model browser shows."""
    config = facts.config
    return {
        "name": config.name,
        "title": config.title or config.name,
        "summary": config.summary,
        "kind": config.kind,
        "parameters": facts.parameters,
        "layers": facts.size("num_hidden_layers", "n_layer", "n_layers"),
        "width": facts.size("hidden_size", "n_embd", "dim"),
        "heads": facts.size("num_attention_heads", "n_head", "n_heads"),
        "vocabulary": facts.size("vocab_size"),
        "longest_input": facts.size("max_position_embeddings", "n_positions"),
        "bytes": facts.weights_bytes,
        "license": "Apache-2.0" if config.license == "apache-2.0" else config.license,
        "bias_terms": facts.bias_terms,
    }


def tokens_in_all(facts: Facts) -> int:
    """With those of the weights that were gone on from; embeddings alone bring none."""
    earlier = facts.start["tokens"] if facts.start and facts.start["taken"] == "all weights" else 0
    return int(earlier + facts.trained["tokens"])


def _sha256(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
