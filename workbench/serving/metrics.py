"""Counts what the server does, as Prometheus reads it: requests, tokens, seconds, sizes of batches."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SIZES = (1, 2, 4, 8, 16, 32, 64)
PREFIX = "workbench_"
HELP = {
    "requests_total": "Requests by route and status.",
    "tokens_total": "Tokens read (prompt) and written (completion), by model.",
    "request_seconds": "Time from a request to the end of its answer, by route.",
    "first_token_seconds": "Time from a request to the first piece of its text.",
    "batch_requests": "Requests answered together.",
    "waiting_requests": "Requests that wait for the batch under way.",
    "running_requests": "Requests in the batch under way.",
    "served_models": "Runs on offer.",
}
Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counters and histograms, safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, Labels], float] = defaultdict(float)
        self._histograms: dict[tuple[str, Labels], list[float]] = {}
        self._bounds: dict[str, Sequence[float]] = {
            "request_seconds": SECONDS,
            "first_token_seconds": SECONDS,
            "batch_requests": SIZES,
        }

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        with self._lock:
            self._counts[name, tuple(sorted(labels.items()))] += amount

    def observe(self, name: str, value: float, **labels: str) -> None:
        bounds = self._bounds[name]
        key = (name, tuple(sorted(labels.items())))
        with self._lock:
            line = self._histograms.setdefault(key, [0.0] * (len(bounds) + 2))
            for place, bound in enumerate(bounds):
                line[place] += value <= bound
            line[-2] += value
            line[-1] += 1

    def batch(self, size: int) -> None:
        self.observe("batch_requests", size)

    def text(self, gauges: Mapping[str, float]) -> str:
        """Everything in Prometheus' text format."""
        with self._lock:
            counts = dict(self._counts)
            histograms = {key: list(line) for key, line in self._histograms.items()}
        lines: list[str] = []
        for name in sorted({name for name, _ in counts}):
            lines += _head(name, "counter")
            lines += [
                _sample(name, labels, value) for (n, labels), value in sorted(counts.items()) if n == name
            ]
        for name in sorted({name for name, _ in histograms}):
            lines += _head(name, "histogram")
            for (n, labels), line in sorted(histograms.items()):
                if n == name:
                    lines += self._histogram(name, labels, line)
        for name, value in gauges.items():
            lines += [*_head(name, "gauge"), _sample(name, (), value)]
        return "\n".join(lines) + "\n"

    def _histogram(self, name: str, labels: Labels, line: Sequence[float]) -> list[str]:
        bounds = [f"{bound:g}" for bound in self._bounds[name]]
        found = [
            _sample(f"{name}_bucket", (*labels, ("le", bound)), line[i]) for i, bound in enumerate(bounds)
        ]
        found.append(_sample(f"{name}_bucket", (*labels, ("le", "+Inf")), line[-1]))
        return [*found, _sample(f"{name}_sum", labels, line[-2]), _sample(f"{name}_count", labels, line[-1])]


def _head(name: str, kind: str) -> list[str]:
    return [f"# HELP {PREFIX}{name} {HELP[name]}", f"# TYPE {PREFIX}{name} {kind}"]


def _sample(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    return f"{PREFIX}{name}{'{' + inside + '}' if inside else ''} {value:g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
