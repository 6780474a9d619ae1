"""Writes a pretrained model's README.md, card.json and pretraining.json from what happened."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.pretraining.facts import REPORT, Facts, card, tokens_in_all
from workbench.pretraining.readme import readme


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


def _write(path: Path, text: str) -> None:
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
