"""A backend without models: it says each question back in capitals, word by word; for tests of the server alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.serving.backend import Asked, Served


@dataclass(frozen=True)
class Piece:
    place: int
    text: str
    ended: bool
    reason: str | None = None
    answer: dict[str, Any] | None = None


def writer(name: str) -> Served:
    return Served(
        name, f"{name}, seed 0", "embedded:fable-8m", "generation", 1_700_000_000, False, (), 16, 20, 32
    )


def labeller(name: str) -> Served:
    return Served(
        name, name, "embedded:fable-8m", "classification", 1_700_000_000, True, ("bad", "good"), 0, 20, None
    )


@dataclass
class Capitals:
    """`pause` is how long each word takes; `hold` keeps all answers back until it is set."""

    served: Sequence[Served] = (writer("aaaa1111"), writer("bbbb2222"), labeller("cccc3333"))
    pause: float = 0.0
    hold: threading.Event | None = None
    fails: bool = False
    batches: list[int] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def models(self) -> Sequence[Served]:
        return self.served

    def count(self, model: Served, text: str, messages: Sequence[Mapping[str, str]]) -> int:
        return len((text or " ".join(turn["content"] for turn in messages)).split())

    def stream(self, asks: Sequence[Asked], stopped: Callable[[int], bool]) -> Iterator[Piece]:
        self.batches.append(len(asks))
        self.asked += asks
        if self.hold is not None:
            self.hold.wait(20)
        if self.fails:
            raise RuntimeError("a secret of the machine")
        for place, ask in enumerate(asks):
            text = ask.text or ask.messages[-1]["content"]
            words = f"{ask.run_id}: {text.upper()}".split(" ")
            most = ask.options["max_new_tokens"]
            said = []
            finish = "length" if len(words) > most else "stop"
            for i, word in enumerate(words[:most]):
                if stopped(place):
                    self.stopped.append(text)
                    finish = "stopped"
                    break
                time.sleep(self.pause)
                said.append(word)
                yield Piece(place, word if i == 0 else f" {word}", False)
            answer = {"text": " ".join(said), "tokens": len(said), "finish": finish, "reason": None}
            yield Piece(place, "", True, None, answer)

    def classify(self, asks: Sequence[Asked]) -> list[dict[str, Any]]:
        self.batches.append(len(asks))
        return [
            {
                "label": "good" if "good" in a.text else "bad",
                "probabilities": {"bad": 0.25, "good": 0.75},
                "reason": None,
            }
            for a in asks
        ]
