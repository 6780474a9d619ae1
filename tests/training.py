"""What the tests of training share: a tiny model on disk, a small data set that can be learned, and a run of `train`."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tiny import save_tiny
from workbench import registry
from workbench.data import Prepared
from workbench.spec import Budget, Choice, DataSpec, RunSpec, Setting

LABELS = ("negative", "positive")
GOOD, BAD = ("good", "bright", "liked", "happy", "warm"), ("bad", "dull", "hated", "sad", "cold")
FILLER = [
    "the",
    "a",
    "film",
    "book",
    "was",
    "is",
    "very",
    "plot",
    "actor",
    "scene",
    "we",
    "they",
    "it",
    "and",
    "room",
    "food",
    "service",
    "price",
]


ENOUGH_SECONDS = 15.0


@contextlib.contextmanager
def quickly(most_seconds: float = 0.0) -> Iterator[None]:
    """Training in one thread, since several wait for each other on models this small, and sums in another order are other
    sums. Latency in the fewest rounds; in all that the task asks for where there are ENOUGH_SECONDS."""
    import torch

    from workbench import measure

    before = torch.get_num_threads(), measure.LATENCY_SECONDS, measure.LATENCY_MOST_SECONDS
    torch.set_num_threads(1)
    measure.LATENCY_SECONDS, measure.LATENCY_MOST_SECONDS = 0.0, most_seconds
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        measure.LATENCY_SECONDS, measure.LATENCY_MOST_SECONDS = before[1:]


def tiny_rows(count: int, seed: int) -> list[dict[str, str]]:
    """Texts of several lengths whose label is told by one of ten words."""
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        words = draw.choices(FILLER, k=draw.randint(2, 9))
        words.insert(draw.randint(0, len(words)), draw.choice(GOOD if i % 2 else BAD))
        rows.append({"text": " ".join(words), "label": LABELS[i % 2]})
    return rows


def tiny_prepared(train: int = 64, validation: int = 24, test: int = 32) -> Prepared:
    rows = {
        "train": tiny_rows(train, 1),
        "validation": tiny_rows(validation, 2),
        "test": tiny_rows(test, 3),
    }
    return Prepared(DataSpec("tiny", labels=LABELS, fingerprint="f" * 16), rows)


def tiny_spec(
    model: Path | str,
    method: str = "full",
    *,
    options: Mapping[str, Any] | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    budget: Budget | None = None,
    **setting: Any,
) -> RunSpec:
    found = registry.method(method)
    values = {"batch_size": 8, "precision": "float32", "evaluations": 2} | setting
    return RunSpec(
        Setting(
            DataSpec("tiny", labels=LABELS, fingerprint="f" * 16),
            str(model),
            budget=budget or Budget("steps", 12),
            **values,
        ),
        Choice(
            method,
            found.options.from_dict(dict(options or {})).to_dict(),
            learning_rate or found.learning_rate,
        ),
        seed,
    )


@dataclass
class Heard:
    """Collects events; `stop_after` makes `should_stop` true once that many steps were logged."""

    stop_after: int | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def emit(self, kind: str, values: Mapping[str, Any]) -> None:
        self.events.append((kind, dict(values)))

    def should_stop(self) -> bool:
        return self.stop_after is not None and len(self.of("step")) >= self.stop_after

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [values for found, values in self.events if found == kind]


def tiny_folder(layout: str, folder: Path) -> Path:
    return save_tiny(layout, folder / layout)
