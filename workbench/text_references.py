"""Reference rows of a language-modelling table, without deep learning: a compressor and a model that counts bytes."""

from __future__ import annotations

import functools
import lzma
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.data import Prepared

HISTORY = 5
# What both read of a large training part, evenly drawn: some ten seconds of work.
MOST_BYTES = 4_000_000
MARK = b"\x00"
WRITTEN = 120


def records(prepared: Prepared) -> list[dict[str, Any]]:
    """One record per reference. Only the byte model has outcomes: a compressor has no score for each text alone."""
    train, test = _bytes(prepared, "train", MOST_BYTES), _bytes(prepared, "test")
    begun = time.perf_counter()
    packed = _xz(train, test)
    compressed = time.perf_counter() - begun
    begun = time.perf_counter()
    model = ByteModel(train)
    counted = time.perf_counter() - begun
    outcomes = model.outcomes(test)
    read = {"read_bytes": sum(map(len, train))}
    shared = {"peak_memory_bytes": None, "latency_ms_p50": None}
    return [
        {
            "method": "xz",
            "label": "xz -9 after the training text",
            "options": read,
            "metrics": {"bits_per_byte": packed, "perplexity": None},
            "validation": {},
            "train_seconds": compressed,
            **shared,
        },
        {
            "method": "ngram",
            "label": f"Counts of {HISTORY + 1} bytes",
            "options": {"history": HISTORY, **read},
            "metrics": {"bits_per_byte": _bits_per_byte(outcomes), "perplexity": None},
            "validation": {"bits_per_byte": _bits_per_byte(model.outcomes(_bytes(prepared, "validation")))},
            "train_seconds": counted,
            **shared,
            "outcomes": outcomes,
        },
    ]


def asked(prepared: Prepared) -> Callable[[str], dict[str, Any]]:
    """How the byte model goes on with a text."""
    model = ByteModel(_bytes(prepared, "train", MOST_BYTES))

    def answer(text: str) -> dict[str, Any]:
        begun = time.perf_counter()
        written, ended = model.go_on(text.encode(), WRITTEN)
        ms = (time.perf_counter() - begun) * 1000
        return {"text": written.decode(errors="replace"), "ended": ended, "ms": ms}

    return answer


class ByteModel:
    """Each byte told from up to HISTORY bytes before it, with Witten-Bell smoothing: a longer history is trusted the more,
    the oftener it was seen and the fewer different bytes followed it. Texts begin and end with a zero byte."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        data = MARK + MARK.join(texts) + MARK
        self.counts: list[Counter[bytes]] = []
        self.kinds: list[Counter[bytes]] = []
        self.totals: list[Counter[bytes]] = []
        for size in range(1, HISTORY + 2):
            counts = Counter(data[i : i + size] for i in range(len(data) - size + 1))
            totals: Counter[bytes] = Counter()
            for gram, count in counts.items():
                totals[gram[:-1]] += count
            self.counts.append(counts)
            self.kinds.append(Counter(gram[:-1] for gram in counts))
            self.totals.append(totals)

    def probability(self, before: bytes, byte: bytes) -> float:
        """Of this byte after these, of which only those of the same text count."""
        history = before[before.rfind(MARK) :] if MARK in before else before
        found = 1 / 256
        for size in range(min(HISTORY, len(history)) + 1):
            end = history[len(history) - size :]
            total = self.totals[size].get(end)
            if not total:
                break
            kinds = self.kinds[size][end]
            found = (self.counts[size].get(end + byte, 0) + kinds * found) / (total + kinds)
        return found

    def nats(self, text: bytes) -> float:
        """Of a text with its end."""
        whole = MARK + text + MARK
        return -sum(
            math.log(self.probability(whole[max(0, i - HISTORY) : i], whole[i : i + 1]))
            for i in range(1, len(whole))
        )

    def outcomes(self, texts: Sequence[bytes]) -> list[dict[str, Any]]:
        """As a language model has them; its tokens are bytes."""
        return [
            {
                "text": text[:80].decode(errors="ignore"),
                "nats": self.nats(text),
                "tokens": len(text) + 1,
                "bytes": len(text),
            }
            for text in texts
        ]

    def go_on(self, text: bytes, most: int) -> tuple[bytes, bool]:
        """Bytes drawn one after the other, the same each time, and whether an end came."""
        draw, whole, letters = random.Random(0), MARK + text, [bytes([i]) for i in range(256)]
        for _ in range(most):
            chances = [self.probability(whole[-HISTORY:], letter) for letter in letters]
            (chosen,) = draw.choices(letters, chances)
            if chosen == MARK:
                return whole[1 + len(text) :], True
            whole += chosen
        return whole[1 + len(text) :], False


def _xz(train: Sequence[bytes], test: Sequence[bytes]) -> float:
    """Bits per byte that the test part adds to the compressed training part, which serves as a dictionary."""
    known = b"\n".join(train)
    pack = functools.partial(lzma.compress, preset=9)
    added = len(pack(b"\n".join([known, *test]))) - len(pack(known))
    return 8 * added / sum(map(len, test))


def _bits_per_byte(outcomes: Sequence[dict[str, Any]]) -> float:
    return sum(o["nats"] for o in outcomes) / math.log(2) / sum(o["bytes"] for o in outcomes)


def _bytes(prepared: Prepared, part: str, most: int | None = None) -> list[bytes]:
    texts = [row["text"].encode().replace(MARK, b" ") for row in prepared.rows[part]]
    total = sum(map(len, texts))
    if most is None or total <= most:
        return texts
    return texts[:: math.ceil(total / most)]
