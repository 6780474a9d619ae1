"""The columns of the comparison table: which there are, their scale, their best values and their explanation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from workbench.compare import Comparison, Row
from workbench.metric import metric
from workbench.statistics import Interval
from workbench.ui.parts import format_score, format_value, scale_axis, term
from workbench.ui.table import Column

GROUPS = ("How good", "What moves", "Cost to train", "Cost to serve")
MEMORY_SOURCES = {"tensors": "tensor bytes, counted", "cuda_allocator": "allocator"}
MEASURED: Mapping[str, tuple[str, ...]] = {
    "What moves": ("trainable_parameters", "trainable_share"),
    "Cost to train": ("peak_memory_bytes", "train_seconds", "samples_per_second"),
    "Cost to serve": ("latency_ms_p50", "latency_ratio", "merged_latency_ratio", "adapter_bytes"),
}
# TF-IDF belongs on the scale when it is this near, in points, however alike the methods are.
NEAR = 10.0
_TITLES = {
    "macro_f1": "F1, %",
    "peak_memory_bytes": "Peak",
    "train_seconds": "Time",
    "samples_per_second": "Rows/s",
    "latency_ms_p50": "Latency",
    "latency_ratio": "× base",
    "merged_latency_ratio": "merged",
}
# With these left out nine cells remain on a narrow screen: three full lines below the score.
_WIDE_SCREENS_ONLY = ("samples_per_second", "latency_ms_p50")


def table_columns(
    comparison: Comparison, scale: tuple[float, float], groups: Sequence[str], source: str
) -> list[Column]:
    """The columns of the chosen groups; the name and the score always stand there."""
    score = metric(comparison.metric)
    columns = [
        Column("name", "Method", first="ascending", row_header=True),
        Column(score.name, f"{score.title}, %", GROUPS[0], numeric=True, help=score.help),
        Column("whisker", scale_axis(*scale), GROUPS[0], sortable=False, narrow=2),
    ]
    columns.append(_column("macro_f1" if score.name == "accuracy" else "accuracy", GROUPS[0]))
    alike = "Methods that share a letter cannot be told apart."
    columns.append(Column("letters", "Group", GROUPS[0], sortable=False, help=alike))
    for group, names in MEASURED.items():
        for name in names if group in groups else ():
            memory = name == "peak_memory_bytes"
            columns.append(_column(name, group, f" ({source})" if memory and source else ""))
            if memory:
                columns.append(Column("memory_bar", _bar_head(comparison), group, sortable=False, narrow=0))
    return columns


def _column(name: str, group: str, more_help: str = "") -> Column:
    column = metric(name)
    return Column(
        name,
        _TITLES.get(name, column.title),
        group,
        numeric=True,
        first="ascending" if column.better == "lower" else "descending",
        help=column.help + more_help,
        narrow=0 if name in _WIDE_SCREENS_ONLY else 1,
    )


def _bar_head(comparison: Comparison) -> Markup:
    if not any(predicted_memory(comparison, row) for row in comparison.rows):
        return Markup('<span class="wb-hidden">Peak memory as a bar</span>')
    return Markup(
        '<span class="wb-row wb-predicted"><svg width="9" height="12" aria-hidden="true"><path d="M4 0v12"/></svg>predicted</span>'
    )


def predicted_memory(comparison: Comparison, row: Row) -> float | None:
    """What the estimator said before; the same for every seed."""
    for run in comparison.runs:
        if run.id in row.run_ids and run.result and run.result.predicted_peak_memory_bytes is not None:
            return float(run.result.predicted_peak_memory_bytes)
    return None


def best_values(rows: Sequence[Row]) -> dict[str, float]:
    """The best mean of each column by its own direction; nothing is best among fewer than two."""
    best: dict[str, float] = {}
    for name in {name for row in rows for name in row.cells}:
        better = metric(name).better
        values = [row.cells[name].mean for row in rows if name in row.cells]
        if better != "none" and len(set(values)) > 1:
            best[name] = max(values) if better == "higher" else min(values)
    return best


def score_scale(comparison: Comparison) -> tuple[float, float]:
    """One scale in percent that holds every whisker whole, and TF-IDF where that doesn't flatten them."""
    score = comparison.metric
    cells = [row.cells[score] for row in comparison.rows if score in row.cells]
    if not cells:
        return 0.0, 100.0
    bounds = [100 * x for cell in cells for x in (cell.mean, cell.low, cell.high) if x is not None]
    low, high = min(bounds), max(bounds)
    tfidf = next((row.mean(score) for row in comparison.references if row.key == "tfidf"), None)
    if tfidf is not None and low - NEAR <= 100 * tfidf <= high + NEAR:
        low, high = min(low, 100 * tfidf), max(high, 100 * tfidf)
    return max(math.floor(low - 0.5), 0.0), min(math.ceil(high + 0.5), 100.0)


def memory_source(comparison: Comparison) -> str:
    """How peak memory was taken, in words; empty where it was not, or not the same way everywhere."""
    sources = {
        run.result.peak_memory_source
        for run in comparison.runs
        if run.result and run.result.peak_memory_source
    }
    return MEMORY_SOURCES.get(sources.pop(), "") if len(sources) == 1 else ""


def caption(comparison: Comparison, source: str) -> Markup:
    """What the marks mean, then every column's word with its explanation."""
    seeds = max((len(row.seeds) for row in comparison.rows), default=0)
    several = (
        f"Whiskers are 95 % intervals over {seeds} seeds. " if seeds > 1 else "One seed: no whiskers yet. "
    )
    tfidf = "Dotted line: TF-IDF. " if any(row.key == "tfidf" for row in comparison.references) else ""
    memory = f"Peak memory: {source}. " if source else ""
    shown = [comparison.metric, *(name for names in MEASURED.values() for name in names)]
    words = Markup(", ").join(
        term(metric(name).title, metric(name).help)
        for name in dict.fromkeys(("accuracy", "macro_f1", *shown))
        if any(name in row.cells for row in comparison.rows)
    )
    return Markup(
        "{}Methods that share a letter cannot be told apart (paired test over seeds and rows, Holm). {}{}"
        "Underlined: the best of its column. Latency at batch 1, × against the base. “cannot” does not merge, "
        "“–” does not apply, an empty cell was not measured.<br>What the columns mean: {}."
    ).format(several, tfidf, memory, words)


def plain_grid(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The same rows as plain text cells, the name first."""
    names = [
        name
        for name in dict.fromkeys(
            ("accuracy", "macro_f1", *(n for names in MEASURED.values() for n in names))
        )
        if any(name in row.cells for row in (*comparison.rows, *comparison.references))
    ]
    heads = ["Method", *(metric(name).title for name in names), "Group", "Runs"]
    rows = [
        [
            row.label,
            *(_plain(row.cells.get(name), name) for name in names),
            row.letters,
            ", ".join(f"{count} {state}" for state, count in row.states.items()) or "reference",
        ]
        for row in (*comparison.rows, *comparison.references)
    ]
    return heads, rows


def _plain(cell: Interval | None, name: str) -> str:
    if cell is None:
        return ""
    column = metric(name)
    if column.group != "how good":
        return format_value(cell.mean, column.format)
    half = f" ± {format_score(cell.half_width)}" if cell.half_width is not None else ""
    return f"{format_score(cell.mean)}{half} %"
