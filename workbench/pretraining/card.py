"""Writes a pretrained model's README.md, card.json and pretraining.json from what happened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.corpus import Packed, Source
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
    sources: Sequence[Source], packed: Mapping[str, Mapping[str, Packed]]
) -> dict[str, dict[str, Any]]:
    """What was trained on and scored on; files by name and hash, since paths mean nothing elsewhere."""
    whole = sum(source.share for source in sources)
    return {
        source.name: {
            "about": source.about,
            "license": source.license,
            "share": source.share / whole,
            "train_tokens": len(packed[source.name]["train"].tokens),
            "heldout_tokens": len(packed[source.name]["heldout"].tokens),
            "heldout_bytes": packed[source.name]["heldout"].text_bytes,
            "documents_dropped_because_held_out": packed[source.name]["train"].dropped,
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


def write(folder: Path, facts: Facts) -> None:
    """The three files beside the weights; card.json last."""
    report = {
        "name": facts.config.name,
        "objective": facts.config.recipe.objective,
        "parameters": facts.parameters,
        "weights_bytes": facts.weights_bytes,
        **facts.trained,
        "tokens_in_all": tokens_in_all(facts),
        "tokens_per_second": facts.trained["tokens"] / max(facts.trained["seconds"], 1e-9),
        "seed": facts.config.recipe.seed,
        "heldout": facts.heldout,
        "heldout_before": facts.heldout_before,
        "start": facts.start,
        "sources": facts.sources,
        "environment": facts.environment,
        "config": {key: value for key, value in facts.config.to_dict().items() if key != "sources"},
        "continuations": facts.continuations,
        "log": facts.log,
    }
    _write(folder / REPORT, json.dumps(report, indent=1, ensure_ascii=False))
    _write(folder / "README.md", readme(facts))
    _write(folder / "card.json", json.dumps(card(facts), indent=1, ensure_ascii=False))


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


def readme(facts: Facts) -> str:
    """The model card."""
    config = facts.config
    parts = [
        _front(facts),
        f"# {config.title or config.name}",
        config.summary,
        _table(facts),
        f"## Intended use\n\n{config.intended_use}" if config.intended_use else "",
        f"## Limits\n\n{config.limits}" if config.limits else "",
        "## Training data\n\n" + _sources(facts),
        "## How it was made\n\n" + _making(facts),
        "## Held-out text\n\n" + _heldout(facts),
        "## Continuations\n\n" + _continuations(facts) if facts.continuations else "",
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _front(facts: Facts) -> str:
    task = "fill-mask" if facts.config.kind == "encoder" else "text-generation"
    lines = [
        f"license: {facts.config.license}",
        f"language: {facts.config.language}",
        "library_name: transformers",
    ]
    return "\n".join(["---", *lines, f"pipeline_tag: {task}", "---"])


def _table(facts: Facts) -> str:
    one = card(facts)
    experts = facts.size("num_experts", "num_local_experts")
    chosen = facts.size("num_experts_per_tok")
    inner = f", {experts} experts of which {chosen} serve each token" if experts else ""
    rows = {
        "Architecture": f"`{facts.class_name}`: {one['layers']} blocks, width {one['width']}, {one['heads']} heads{inner}",
        "Weights": f"{facts.parameters:,}",
        "Vocabulary": f"{one['vocabulary']:,} entries, byte-level BPE",
        "Longest input": f"{one['longest_input']:,} tokens (trained on {facts.config.recipe.context:,})",
        "File": f"{facts.weights_bytes / 1e6:.1f} MB safetensors in float16",
        "Licence": one["license"],
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _sources(facts: Facts) -> str:
    lines = []
    for name, source in facts.sources.items():
        about = f": {source['about'].strip().rstrip('.')}" if source["about"] else ""
        licence = f" Licence: {source['license'].strip().rstrip('.')}." if source["license"] else ""
        dropped = source["documents_dropped_because_held_out"]
        without = f" {dropped:,} documents that are held out too were left out." if dropped else ""
        lines.append(
            f"- **{name}**{about}. {source['train_tokens']:,} tokens, {source['share']:.0%} of the windows.{licence}{without}"
        )
    return (
        "\n".join(lines)
        + "\n\nHeld-out files were never trained on. None of these texts is shipped with the model."
    )


def _making(facts: Facts) -> str:
    recipe, trained, machine = facts.config.recipe, facts.trained, facts.environment
    minutes = max(1, round(trained["seconds"] / 60))
    where = f"{trained['processes']} process{'es' * (trained['processes'] > 1)} on {machine['device']}"
    lines = [
        f"{trained['tokens']:,} tokens in {trained['steps']:,} steps of {trained['step_tokens']:,}, {minutes} minute{'s' * (minutes > 1)}"
        f" with {where} ({trained['tokens'] / max(trained['seconds'], 1e-9):,.0f} tokens a second),"
        f" computed in {trained['precision']}, seed {recipe.seed}."
    ]
    if facts.start:
        of = f"Begun with {facts.start['taken']} of {facts.start['name']} (sha256 {facts.start['sha256'][:12]})"
        seen = f", trained on {facts.start['tokens']:,} tokens before" if facts.start["tokens"] else ""
        lines.append(f"{of}{seen}; {tokens_in_all(facts):,} tokens in all.")
    goal = "Next-token prediction"
    if facts.config.kind == "encoder":
        goal = f"Masked language modelling with {recipe.mask_share:.0%} of the tokens hidden"
    lines.append(
        f"{goal}; AdamW at {recipe.learning_rate:g}, {recipe.warmup_share:.0%} of the budget as warm-up, a cosine down to"
        f" {recipe.final_share:.0%}, weight decay {recipe.weight_decay:g}, gradients clipped at {recipe.gradient_clip:g}."
        f" Every figure is in `{REPORT}`."
    )
    return "\n".join(lines)


def _heldout(facts: Facts) -> str:
    masked = facts.config.kind == "encoder"
    names = (
        ("Hidden tokens found", "Nats per hidden token") if masked else ("Bits per byte", "Nats per token")
    )
    head = ["Source", *names, *(["Bits per byte before"] if facts.heldout_before and not masked else [])]
    rows = []
    for name, found in facts.heldout.items():
        main = f"{found['token_accuracy']:.1%}" if masked else f"{found['bits_per_byte']:.3f}"
        cells = [name, main, f"{found['nats_per_token']:.3f}"]
        if len(head) > 3 and facts.heldout_before:
            cells.append(f"{facts.heldout_before[name]['bits_per_byte']:.3f}")
        rows.append("| " + " | ".join(cells) + " |")
    how = "15% of the tokens hidden, always the same ones. " if masked else ""
    note = f"{how}Windows of {facts.config.recipe.context} tokens, computed in float32."
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|", *rows]
    return "\n".join(lines) + "\n\n" + note


def _continuations(facts: Facts) -> str:
    looping = sum(bool(one["loops"]) for one in facts.continuations)
    count = len(facts.continuations)
    note = (
        f"{count} held-out beginnings, one sample each at temperature 0.8, none chosen; {looping} of {count} repeat some"
        " four words three times or more."
    )
    lines = [
        f"{i}. **{_one_line(one['start'])}** {_one_line(one['continuation'])}"
        for i, one in enumerate(facts.continuations, 1)
    ]
    return note + "\n\n" + "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("*", r"\*").replace("|", r"\|").replace("<", r"\<")


def _write(path: Path, text: str) -> None:
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def _sha256(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
