"""A comparison as a terminal table or CSV, and how its figures are written. Cells that a spreadsheet would run are made harmless."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from workbench.compare import Comparison, Row
from workbench.deployed_record import change
from workbench.metric import COLUMNS, OF_FEW_BITS, Metric, metric
from workbench.statistics import Interval
from workbench.verdicts import MINUS

PRINTED = (
    "accuracy",
    "macro_f1",
    "chrf",
    "rouge_l",
    "bleu",
    "exact_match",
    "answer_match",
    "mean_reward",
    "mean_reward_start",
    "win_rate",
    "preference_accuracy",
    "margin",
    "reward_accuracy",
    "kl_nats",
    "answer_tokens",
    "bits_per_byte",
    "bits_per_byte_start",
    "perplexity",
    "forgetting",
    "prefix_agreement",
    "prefix_agreement_start",
    "trainable_parameters",
    "trainable_share",
    "peak_memory_bytes",
    "train_seconds",
    "sampling_seconds",
    "sampled_tokens",
    "latency_ms_p50",
    "latency_ratio",
    "token_ms",
    "merged_latency_ratio",
    "adapter_bytes",
    *OF_FEW_BITS,
)
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def to_text(comparison: Comparison) -> str:
    """A table for a terminal, then what may be said of it."""
    setting = comparison.setting
    head = (
        f"{setting.data.source} / {setting.model} / {setting.task}, {setting.budget.amount:g} {setting.budget.kind}, "
        f"batch {setting.batch_size} / setting {setting.id}"
    )
    names = printed_columns(comparison)
    header = ["method", *[f"{metric(n).title.lower()}{_unit(metric(n))}" for n in names], "group"]
    lines = [
        [row_name(row), *[cell_text(row.cells.get(n), metric(n)) for n in names], row.letters]
        for row in _all(comparison)
    ]
    notes = [f"{row.label}: {reason}" for row in comparison.rows for reason in row.reasons]
    verdicts = [f"{v.sentence} ({v.detail})" for v in comparison.verdicts[:6]]
    parts = ([head], _aligned(header, lines), notes, _forms(comparison), _votes(comparison), verdicts)
    return "\n\n".join("\n".join(part) for part in parts if part)


def _forms(comparison: Comparison) -> list[str]:
    """Deployed forms of the rows, each against its run as trained."""
    score = metric(comparison.metric)
    lines = [
        [
            f"{row.label}: {form.title}",
            format_value(form.score, score),
            change(form.drift, comparison.metric),
            "" if form.latency_ratio is None else f"{form.latency_ratio:.2f}",
            format_value(form.bytes, metric("adapter_bytes")),
        ]
        for row in comparison.rows
        for form in comparison.deployed.get(row.key, ())
    ]
    head = ["deployed form", score.title.lower() + _unit(score), "drift", "time × as trained", "size"]
    return _aligned(head, lines) if lines else []


def _votes(comparison: Comparison) -> list[str]:
    """Strengths of the rows in blind votes."""
    lines = [
        [
            row.label,
            f"{one.strength:+.2f}",
            f"{one.low:+.2f} to {one.high:+.2f}",
            f"{one.wins} of {one.shown}",
        ]
        for row in comparison.rows
        if (one := comparison.votes.get(row.key))
    ]
    return _aligned(["blind votes", "strength", "95 %", "won"], lines) if lines else []


def to_csv(comparison: Comparison) -> str:
    """One line per row of the table, plain numbers with their 95% bounds. JSON is the lossless form."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [column.name for column in COLUMNS]
    bounds = [part for name in names for part in (name, f"{name}_low", f"{name}_high")]
    writer.writerow(["label", "method", "family", "seeds", "finished", "failed", "reasons", "group", *bounds])
    for row in _all(comparison):
        failed = sum(row.states.get(s, 0) for s in ("failed", "cancelled", "lost"))
        cells = [row.cells.get(name) for name in names]
        numbers = [
            value
            for cell in cells
            for value in ((cell.mean, cell.low, cell.high) if cell else (None, None, None))
        ]
        texts = [row.label, row.method, row.family, " ".join(map(str, row.seeds))]
        writer.writerow(
            [
                *map(safe_cell, texts),
                row.states.get("finished", 0),
                failed,
                safe_cell("; ".join(row.reasons)),
                row.letters,
                *["" if n is None else repr(n) if isinstance(n, float) else n for n in numbers],
            ]
        )
    return out.getvalue()


def safe_cell(text: str) -> str:
    """A text cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    return "'" + text if text.startswith(DANGEROUS) else text


def format_value(value: float | None, column: Metric) -> str:
    """A number in its column's format; empty where nothing was measured."""
    if value is None:
        return ""
    formats = {
        "share": lambda v: f"{v * 100:.1f}" if abs(v) >= 0.0995 or v == 0 else f"{v * 100:.2g}",
        "count": lambda v: f"{v:,.0f}",
        "bytes": _bytes,
        "seconds": lambda v: f"{v:.1f}",
        "ms": lambda v: f"{v:.2f}",
        "ratio": lambda v: f"{v:.2f}",
    }
    text = formats.get(column.format, lambda v: f"{v:.3g}")(value)
    return MINUS + text[1:] if text.startswith("-") else text


def _bytes(value: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024 or unit == "GiB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.3g} {unit}"
        value /= 1024
    return ""


def _unit(column: Metric) -> str:
    return f" {column.unit}" if column.unit and column.unit not in column.title else ""


def _all(comparison: Comparison) -> Sequence[Row]:
    return (*comparison.rows, *comparison.references)


def printed_columns(comparison: Comparison) -> list[str]:
    """The columns that some row has, in order."""
    present = {name for row in _all(comparison) for name in row.cells}
    if "weight_bits" not in present:
        present -= set(OF_FEW_BITS)
    return [name for name in PRINTED if name in present]


def row_name(row: Row) -> str:
    """The label, with how many of its runs did not finish."""
    ended = {state: n for state, n in row.states.items() if state != "finished"}
    return row.label + (" (" + ", ".join(f"{n} {state}" for state, n in ended.items()) + ")" if ended else "")


def cell_text(cell: Interval | None, column: Metric) -> str:
    """A mean, a score with half of its interval."""
    if cell is None:
        return ""
    text = format_value(cell.mean, column)
    half = cell.half_width
    return (
        f"{text} ±{format_value(half, column)}" if half is not None and column.group == "how good" else text
    )


def _aligned(header: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in (header, *lines)) for i in range(len(header))]
    ruled = ["-" * width for width in widths]
    return [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip()
        for row in (header, ruled, *lines)
    ]


def markdown_text(text: str) -> str:
    """Text that stays text, and one cell, in a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
