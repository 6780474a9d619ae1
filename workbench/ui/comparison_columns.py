"""The columns of the comparison table: which there are, their scale, their best values and their explanation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from workbench import registry
from workbench.compare import Comparison, Row
from workbench.metric import OF_FEW_BITS, metric
from workbench.statistics import Interval
from workbench.ui.deployed_rows import EXPLAINED
from workbench.ui.parts import format_score, format_value, scale_axis, term
from workbench.ui.shown import head_of, is_share, plain_figure, times, yardstick_of, yardstick_words
from workbench.ui.table import Column
from workbench.ui.vote_column import VOTES, plain_vote, vote_column

GROUPS = ("How good", "What moves", "Cost to train", "Cost to serve")
MEMORY_SOURCES = {"tensors": "tensor bytes, counted", "cuda_allocator": "allocator"}
MEASURED: Mapping[str, tuple[str, ...]] = {
    "What moves": ("trainable_parameters", "trainable_share"),
    "Cost to train": ("peak_memory_bytes", "train_seconds", "samples_per_second"),
    "Cost to serve": (
        "latency_ms_p50",
        "first_token_ms",
        "token_ms",
        "latency_ratio",
        "merged_latency_ratio",
        "adapter_bytes",
        *OF_FEW_BITS,
    ),
}
# Read rarely: together with the others they would not fit on a screen. The reader may add them.
RARE = ("rouge_l", "bleu", "samples_per_second", "latency_ms_p50", "first_token_ms")
# The reference belongs on the scale when it is this near, in points, however alike the methods are.
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


def offered_columns(comparison: Comparison) -> dict[str, str]:
    """Every column that may be shown or hidden with its group, in order. The score that ranks always stands there."""
    task = registry.task(comparison.setting.task)
    pairs = [(name, GROUPS[0]) for name in task.metrics if name != comparison.metric]
    pairs += [(name, group) for group, names in MEASURED.items() for name in names]
    rows = (*comparison.rows, *comparison.references)
    present = {name for row in rows for name in row.cells}
    present -= set() if "weight_bits" in present else set(OF_FEW_BITS)
    return {name: group for name, group in pairs if name in present}


def usual_columns(comparison: Comparison) -> list[str]:
    """Those that are shown until the reader chooses."""
    return [name for name in offered_columns(comparison) if name not in RARE]


def kept_columns(comparison: Comparison, chosen: Sequence[str]) -> list[str]:
    """What the reader chose, as far as it still exists."""
    return [name for name in offered_columns(comparison) if name in chosen]


def column_choices(comparison: Comparison) -> list[tuple[str, str]]:
    """Title and name of each, for the reader's choice."""
    return [(metric(name).title, name) for name in offered_columns(comparison)]


def table_columns(
    comparison: Comparison, scale: tuple[float, float], chosen: Sequence[str], source: str
) -> list[Column]:
    """The chosen columns; the name and the score always stand there."""
    score = metric(comparison.metric)
    columns = [
        Column("name", "Method", first="ascending", row_header=True),
        Column(score.name, head_of(score.name), GROUPS[0], numeric=True, help=score.help),
        Column("whisker", scale_axis(*scale), GROUPS[0], sortable=False, narrow=2),
    ]
    alike = "Methods that share a letter cannot be told apart."
    letters = Column("letters", "Group", GROUPS[0], sortable=False, help=alike)
    for name, group in offered_columns(comparison).items():
        if group != GROUPS[0] and letters not in columns:
            columns.append(letters)
        if name not in chosen:
            continue
        memory = name == "peak_memory_bytes"
        columns.append(_column(name, group, f" ({source})" if memory and source else ""))
        if memory:
            columns.append(Column("memory_bar", _bar_head(comparison), group, sortable=False, narrow=0))
    columns = columns if letters in columns else [*columns, letters]
    return [*columns, vote_column("Readers")] if comparison.votes else columns


def _column(name: str, group: str, more_help: str = "") -> Column:
    column = metric(name)
    title = head_of(name) if column.group == "how good" else column.title
    return Column(
        name,
        _TITLES.get(name, title),
        group,
        numeric=True,
        first="ascending" if column.better == "lower" else "descending",
        help=column.help + more_help,
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
    """One scale, in percent for shares, that holds every whisker whole, and the reference where that doesn't flatten them."""
    score = comparison.metric
    cells = [row.cells[score] for row in comparison.rows if score in row.cells]
    if not cells:
        return 0.0, 100.0
    unit = times(score)
    bounds = [unit * x for cell in cells for x in (cell.mean, cell.low, cell.high) if x is not None]
    low, high = min(bounds), max(bounds)
    near = NEAR if is_share(score) else high - low
    row = yardstick_of(comparison)
    mean = row.mean(score) if row else None
    if mean is not None and low - near <= unit * mean <= high + near:
        low, high = min(low, unit * mean), max(high, unit * mean)
    if not is_share(score):
        room = 0.05 * (high - low) or 0.1
        return low - room, high + room
    return max(math.floor(low - 0.5), 0.0), min(math.ceil(high + 0.5), 100.0)


def memory_source(comparison: Comparison) -> str:
    """How peak memory was taken, in words; empty where it was not, or not the same way everywhere."""
    sources = {
        run.result.peak_memory_source
        for run in comparison.runs
        if run.result and run.result.peak_memory_source
    }
    return MEMORY_SOURCES.get(sources.pop(), "") if len(sources) == 1 else ""


def caption(comparison: Comparison, source: str, chosen: Sequence[str]) -> Markup:
    """What the marks mean, then every column's word with its explanation."""
    seeds = max((len(row.seeds) for row in comparison.rows), default=0)
    several = (
        f"Whiskers are 95 % intervals over {seeds} seeds; an arrow: it goes on beyond the scale. "
        if seeds > 1
        else "One seed: no whiskers yet. "
    )
    row = yardstick_of(comparison)
    dotted = f"Dotted line: {yardstick_words(row)}. " if row else ""
    memory = f"Peak memory: {source}. " if source else ""
    names = [comparison.metric, *(name for name in offered_columns(comparison) if name in chosen)]
    words = Markup(", ").join(
        term(metric(name).title, metric(name).help)
        for name in names
        if any(name in row.cells for row in comparison.rows)
    )
    forms = EXPLAINED + " " if comparison.deployed else ""
    return Markup(
        "{}Methods that share a letter cannot be told apart (paired test over seeds and rows, Holm). {}{}"
        "Underlined: the best of its column. Latency at batch 1, × against the base. “cannot” does not merge, "
        "“–” does not apply, an empty cell was not measured. {}<br>What the columns mean: {}."
    ).format(several, dotted, memory, forms, words)


def plain_grid(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The same rows as plain text cells with every column, the name first."""
    rows = (*comparison.rows, *comparison.references)
    names = [comparison.metric, *offered_columns(comparison)]
    voted = [VOTES] if comparison.votes else []
    heads = ["Method", *(metric(name).title for name in names), "Group", *voted, "Runs"]
    cells = [
        [
            row.label,
            *(_plain(row.cells.get(name), name) for name in names),
            row.letters,
            *(plain_vote(comparison.votes.get(row.key)) for _ in voted),
            ", ".join(f"{count} {state}" for state, count in row.states.items()) or "reference",
        ]
        for row in rows
    ]
    return heads, cells


def _plain(cell: Interval | None, name: str) -> str:
    if cell is None:
        return ""
    column = metric(name)
    if column.group != "how good":
        return format_value(cell.mean, column.format)
    if not is_share(name):
        return plain_figure(cell.mean, name)
    half = f" ± {format_score(cell.half_width)}" if cell.half_width is not None else ""
    return f"{format_score(cell.mean)}{half} %"
