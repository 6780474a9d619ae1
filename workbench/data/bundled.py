"""The data sets that come with the workbench: a folder each, with its parts and a card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from workbench import home, registry


@dataclass(frozen=True)
class BundledCard:
    """What a reader should know of a bundled data set. `reference` holds scores known of it (TF-IDF and others);
    `more` is whatever else its card.json says."""

    name: str
    title: str
    summary: str
    task: str
    language: str
    rows: Mapping[str, int]
    labels: tuple[str, ...]
    reference: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def total_rows(self) -> int:
        return sum(self.rows.values())


def bundled(folder: Path | None = None, *, every: bool = False) -> list[BundledCard]:
    """The cards of all bundled data sets, by name; `every` includes those for a task that this version does not have."""
    root = folder or home.shipped("assets") / "datasets"
    cards = [_card(path) for path in sorted(root.glob("*/card.json"))]
    return [card for card in cards if every or card.task in registry.tasks()]


def bundled_folders() -> dict[str, Path]:
    """name -> folder of every bundled data set."""
    return {card.name: card.folder for card in bundled()}


def card_of(folder: Path) -> Mapping[str, Any]:
    """What the card.json of a folder says; nothing where there is none that can be read."""
    try:
        values = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _card(path: Path) -> BundledCard:
    values = json.loads(path.read_text(encoding="utf-8"))
    known = {f.name for f in fields(BundledCard)} - {"more", "folder"}
    rows = values.get("rows", {})
    kept = {k: v for k, v in values.items() if k in known}
    kept["rows"] = rows if isinstance(rows, dict) else {"all": int(rows)}
    labels = values.get("labels") or ()
    kept["labels"] = tuple(labels)
    kept.setdefault("title", path.parent.name)
    for name in ("summary", "task", "language"):
        kept.setdefault(name, "")
    reference = kept.get("reference") or {}
    kept["reference"] = reference if isinstance(reference, dict) else {"text": reference}
    kept["name"] = path.parent.name
    more = {k: v for k, v in values.items() if k not in known}
    return BundledCard(**kept, more=more, folder=path.parent)
