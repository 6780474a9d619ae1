"""The dataset doctor: examine data, name each fault by line and field, offer fixes, say what would block training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.data import lengths, row_checks
from workbench.data.data_tasks import DataTask, data_task
from workbench.data.diagnosis import Asked, Guess, Record, note
from workbench.data.faults import SHOWN_LINES, DataError, Fault, shown
from workbench.data.limits import Limits
from workbench.data.open import RawData, read
from workbench.data.report import Lengths, Report
from workbench.data.split import Split

_PREVIEWED = 20


def examine(
    raw: RawData,
    *,
    text: str | None = None,
    label: str | None = None,
    tokenizer: lengths.Tokenizer | None = None,
    max_length: int = 128,
    split: Split | None = None,
    fixes: Sequence[str] = (),
    task: str = "classification",
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    fill: Mapping[str, str] | None = None,
) -> Report:
    """The report on data already read, as it would be with these fixes."""
    entry = data_task(task)
    asked = Asked(text or None, label or None, fixes, split or Split(), format, columns or {}, fill or {})
    try:
        found = entry.diagnose(raw, asked)
    except DataError as error:
        if error.code == "fixes":
            raise
        counts = {part: len(frame) for part, frame in raw.parts.items()}
        return Report(
            raw.source, raw.rows, counts, raw.columns, faults=(*raw.faults, blocking(error)), notes=raw.notes,
            place=raw.place, task=task,
        )  # fmt: skip
    faults, passed = list(found.faults), list(found.passed)
    usable = [(part, row) for part, rows in found.given.items() for row in rows]
    measures, by_role, counted = _measured(entry, usable, tokenizer, max_length)
    if measures is not None:
        lines = [usable[i][1].line for i, number in counted.items() if number > max_length][:SHOWN_LINES]
        long = lengths.too_long(measures, lines, found.text)
        if long or tokenizer is not None:
            note(f"No text longer than {max_length} tokens", long, faults, passed)
    final = found.final
    if final is not None:
        note("Enough test rows", row_checks.few_test_rows(len(final["test"])), faults, passed)
    order = {True: 0, False: 1}
    return Report(
        source=raw.source,
        rows=raw.rows,
        parts={part: len(rows) for part, rows in (final or found.given).items()},
        columns=found.columns or raw.columns,
        text=found.text,
        label=found.label or None,
        labels=found.label_counts,
        lengths=measures,
        faults=tuple(sorted(faults, key=lambda fault: (order[fault.blocks], fault.severity != "fix"))),
        passed=tuple(passed),
        preview=_preview(entry, usable, counted, final),
        notes=found.notes,
        fixes=found.fixes,
        place=raw.place,
        fingerprint=None if final is None else entry.fingerprint(plain_rows(final), found.labels),
        task=task,
        format=_said(found.guess),
        other_formats=tuple(said for guess in found.others if (said := _said(guess))),
        lengths_by_role=by_role,
        kinds=found.kinds,
        placeholders=found.placeholders,
    )


def check(
    source: str | Path = "",
    *,
    parts: Mapping[str, str | Path] | None = None,
    encoding: str | None = None,
    skip_broken: bool = False,
    limits: Limits | None = None,
    task: str = "classification",
    **looking: Any,
) -> Report:
    """Read and examine (the other arguments are those of `examine`); what can't even be read is a report too, with the
    one fault that blocks."""
    try:
        raw = read(
            source,
            parts=parts,
            encoding=encoding,
            skip_broken=skip_broken,
            limits=limits,
            documents=documents(task, looking.get("format")),
        )
    except DataError as error:
        name = shown(str(source) or ", ".join(map(str, (parts or {}).values())), 80)
        return Report(name, faults=(blocking(error),), task=task)
    return examine(raw, task=task, **looking)


def documents(task: str, format: str | None) -> str | None:
    """How plain text files are cut for a task: as the format says, else as the task has it; None where they are tables."""
    entry = data_task(task)
    return format if entry.documents and format in ("line", "paragraph") else entry.documents


def plain_rows(parts: Mapping[str, Sequence[Record]]) -> dict[str, list[dict[str, Any]]]:
    """The rows alone, without their places."""
    return {part: [dict(row.values) for row in rows] for part, rows in parts.items()}


def blocking(error: DataError) -> Fault:
    """An error as the fault of a report."""
    titles = {
        "empty": "The file is empty",
        "no_rows": "There are no rows",
        "encoding": "The encoding isn't clear",
        "nul": "The file holds a NUL character",
        "broken_rows": "Rows are broken",
        "too_large": "It is too large",
        "columns": "The columns aren't clear",
        "format": "There is no such format",
        "fill": "The placeholders can't be filled",
        "split": "The split can't be made",
    }
    shows = f" It reads: {' / '.join(error.preview)}" if len(error.preview) > 1 else ""
    label = "Skip the broken rows" if error.fix == "skip_broken" else ""
    return Fault(
        error.code, "fix", titles.get(error.code, "It can't be read"), str(error) + "." + shows,
        error.lines[:SHOWN_LINES], count=len(error.lines), fix=error.fix, fix_label=label, blocks=True,
    )  # fmt: skip


def _said(guess: Guess | None) -> dict[str, Any] | None:
    if guess is None:
        return None
    return {
        "name": guess.name,
        "title": guess.title,
        "score": guess.score,
        "sure": guess.sure,
        "reason": guess.reason,
        "columns": dict(guess.columns),
    }


def _measured(
    entry: DataTask, usable: Sequence[tuple[str, Record]], tokenizer: lengths.Tokenizer | None, limit: int
) -> tuple[Lengths | None, dict[str, Lengths], dict[int, int]]:
    """The lengths of rows as trained, those of each text in them, and the length by the row's number."""
    if not usable:
        return None, {}, {}
    indices = lengths.measured(usable)
    texts = [entry.texts(usable[i][1].values) for i in indices]
    roles = dict.fromkeys(role for row in texts for role in row)
    counts = {role: lengths.count_lengths([r[role] for r in texts if role in r], tokenizer) for role in roles}
    left = {role: iter(numbers) for role, numbers in counts.items()}
    totals = [entry.total([next(left[role]) for role in row]) for row in texts]

    def histogram(numbers: Sequence[int]) -> Lengths:
        return lengths.histogram(numbers, tokens=tokenizer is not None, limit=limit, rows=len(usable))

    by_role = {role: histogram(numbers) for role, numbers in counts.items()} if len(counts) > 1 else {}
    return histogram(totals), by_role, dict(zip(indices, totals))


def _preview(
    entry: DataTask,
    usable: Sequence[tuple[str, Record]],
    counted: Mapping[int, int],
    final: Mapping[str, Sequence[Record]] | None,
) -> tuple[Mapping[str, object], ...]:
    """The first rows, with the part in which each ends up; None where it is drawn into none."""

    def mark(row: Record) -> tuple[int, tuple[str, ...]]:
        return row.line, tuple(entry.texts(row.values).values())

    part_of = {mark(row): part for part, rows in (final or {}).items() for row in rows}
    return tuple(
        {
            "line": row.line,
            **entry.shown(row.values),
            "length": counted.get(i),
            "part": part_of.get(mark(row)) if final is not None else (None if part == "all" else part),
        }
        for i, (part, row) in enumerate(usable[:_PREVIEWED])
    )
