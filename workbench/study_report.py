"""A study on paper: its table as text and as plain JSON values, with a note on what may be concluded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.metric import Metric, metric
from workbench.statistics import Interval
from workbench.study_table import Column, StudyRow, StudyTable

ACROSS = (
    "Rows that began with different runs, or were trained on different data, are different settings: verdicts stay within"
    " a setting."
)


def head(column: Column, several: bool) -> str:
    """`Reviews`, or with its metric where columns have different ones."""
    found = metric(column.metric)
    unit = " %" if found.format == "share" else ""
    return f"{column.title} {found.title}{unit}" if several else f"{column.title}{unit}"


def to_text(found: StudyTable) -> str:
    """A line for each hop and method; changes since a part was learnt in brackets."""
    several = len({column.metric for column in found.columns}) > 1
    measured = [name for name in EXTRA if any(getattr(row, name) is not None for row in found.rows)]
    header = ["row", "hop", "method", "goes on from", *(head(one, several) for one in found.columns)]
    header += [EXTRA[name] for name in measured]
    lines = [[str(n), *_line(row, found.columns, measured)] for n, row in enumerate(found.rows, 1)]
    if found.start or found.start_general is not None:
        lines.insert(0, ["", *_start(found, measured)])
    widths = [max(len(line[i]) for line in (header, *lines)) for i in range(len(header))]
    text = [
        "  ".join(
            cell.ljust(width) if 0 < i < 4 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in (header, *lines)
    ]
    reasons = [f"{row.hop_title}, {row.label}: {reason}" for row in found.rows for reason in row.reasons]
    return "\n".join([found.study.title, "", *text, "", *reasons, *found.notes, ACROSS])


EXTRA = {
    "backward_transfer": "backward transfer",
    "general_perplexity": "general perplexity",
    "forgetting": "forgetting, nats",
}


def document(found: StudyTable) -> dict[str, Any]:
    """The table as JSON: what was not measured is null."""
    return {
        "columns": [vars(column) for column in found.columns],
        "start": [found.start.get((column.key, column.metric)) for column in found.columns],
        "start_general_perplexity": found.start_general,
        "rows": [
            {
                "row": number,
                "hop": row.hop + 1,
                "title": row.hop_title,
                "method": row.method,
                "label": row.label,
                "from": row.base,
                "runs": list(row.run_ids),
                "seeds": list(row.seeds),
                "states": dict(row.states),
                "reasons": list(row.reasons),
                "scores": [_interval(row.cells.get((one.key, one.metric))) for one in found.columns],
                "changes": [_interval(row.changes.get((one.key, one.metric))) for one in found.columns],
                **{name: _interval(getattr(row, name)) for name in EXTRA},
            }
            for number, row in enumerate(found.rows, 1)
        ],
        "notes": list(found.notes),
    }


def _line(row: StudyRow, columns: Sequence[Column], measured: Sequence[str]) -> list[str]:
    cells = []
    for one in columns:
        place = (one.key, one.metric)
        text = figure(row.cells.get(place), metric(one.metric))
        change = row.changes.get(place)
        cells.append(text + (f" ({figure(change, metric(one.metric), '+')})" if change is not None else ""))
    ended = ", ".join(f"{count} {state}" for state, count in row.states.items() if state != "finished")
    label = row.label + (f" [{ended}]" if ended else "")
    return [f"{row.hop + 1} {row.hop_title}", label, row.base, *cells, *(extra(row, one) for one in measured)]


def _start(found: StudyTable, measured: Sequence[str]) -> list[str]:
    cells = [
        ""
        if (value := found.start.get((one.key, one.metric))) is None
        else figure(Interval(value, None, None, 1), metric(one.metric))
        for one in found.columns
    ]
    general = "" if found.start_general is None else f"{found.start_general:.3f}"
    extras = [general if name == "general_perplexity" else "" for name in measured]
    return ["0 start", "", "", *cells, *extras]


def extra(row: StudyRow, name: str) -> str:
    cell: Interval | None = getattr(row, name)
    if name == "backward_transfer":
        return figure(cell, metric("accuracy"), "+")
    return figure(cell, metric(name), "+" if name == "forgetting" else "")


def figure(cell: Interval | None, measured: Metric, sign: str = "") -> str:
    """A mean with its half width; shares in percent."""
    if cell is None:
        return ""
    scale, places = (100.0, 1) if measured.format == "share" else (1.0, 3)
    half = "" if cell.half_width is None else f" ±{scale * cell.half_width:.{places}f}"
    return f"{scale * cell.mean:{sign}.{places}f}{half}"


def _interval(cell: Interval | None) -> dict[str, Any] | None:
    return None if cell is None else {"mean": cell.mean, "low": cell.low, "high": cell.high, "n": cell.n}
