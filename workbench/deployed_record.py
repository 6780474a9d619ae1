"""Keeps what was measured of a run's deployed forms as JSON in its folder, and lays it out as a table.

Light: the page reads it with this file; what fills it is deployed.py.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.metric import metric
from workbench.outcome import write_json

RECORD = "deployed.json"
COLUMNS = (
    "form",
    "title",
    "reason",
    "score",
    "metrics",
    "drift",
    "drift_low",
    "drift_high",
    "changed_rows",
    "logit_difference_max",
    "logit_difference_mean",
    "latency_ms_p50",
    "latency_ms_p95",
    "latency_ratio",
    "bytes",
    "pruned_share",
)


def write(folder: Path, document: Mapping[str, Any]) -> None:
    """All of it or nothing. What was measured of other forms before stays where this document lacks it."""
    known = {row["form"]: row for row in (read(folder) or {}).get("forms", ())}
    now = {row["form"]: row for row in document["forms"]}
    write_json(folder / RECORD, {**document, "forms": list({**known, **now}.values())})


def read(folder: Path) -> dict[str, Any] | None:
    """What is known of the run's forms; None where nobody looked."""
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads((folder / RECORD).read_text(encoding="utf-8")))
    return None


def table(document: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of those that were measured; figures as text, empty where there is none."""
    name = str(document["metric"])
    column = metric(name)
    heads = [
        "form",
        column.title,
        "drift",
        "95 % interval",
        "rows changed",
        "p50 ms",
        "p95 ms",
        "times as trained",
        "MB",
    ]
    rows = [
        [
            row["title"],
            _score(row["score"], column.format),
            change(row["drift"], name),
            _interval(row, name),
            "" if row["changed_rows"] is None else f"{row['changed_rows']} of {document['rows']}",
            _number(row["latency_ms_p50"]),
            _number(row["latency_ms_p95"]),
            _number(row["latency_ratio"]),
            "" if row["bytes"] is None else f"{row['bytes'] / 1e6:,.2f}",
        ]
        for row in document["forms"]
        if row["reason"] is None
    ]
    return heads, rows


def _score(value: float | None, kind: str) -> str:
    if value is None:
        return ""
    return f"{100 * value:.1f} %" if kind == "share" else f"{value:,.3f}"


def change(value: float | None, score: str) -> str:
    """A change of marks, more is better: in points where the score is a share, else in its own unit."""
    if value is None:
        return ""
    text = f"{100 * value:+.1f}" if metric(score).format == "share" else f"{value:+.3f}"
    return text.lstrip("+-") if not float(text) else text.replace("-", "\u2212")


def _interval(row: Mapping[str, Any], score: str) -> str:
    low, high = (change(row[bound], score) for bound in ("drift_low", "drift_high"))
    return f"{low} to {high}" if low and high else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"
