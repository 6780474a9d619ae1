"""Which format rows are given in, and the rows of every part read by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from workbench.data.diagnosis import Asked, Guess, Record
from workbench.data.faults import DataError, listed
from workbench.data.grid import LINE
from workbench.data.open import RawData
from workbench.data.records.format import SEEN_ROWS, Format, Match, Sample
from workbench.data.records.task import RecordTask
from workbench.data.records.texts import ordered
from workbench.data.records.turns import BadRow
from workbench.options import unknown_names

# A row is read by another format only where that one is more than a guess.
_SURE_ENOUGH = 0.6


@dataclass(frozen=True)
class Chosen:
    """The format taken, how it fits, and what else fits the main part (best first)."""

    format: Format
    guess: Guess
    others: tuple[tuple[Format, Guess], ...]


@dataclass(frozen=True)
class Read:
    """Rows by part; what could not be read and why; rows that another format would read (`mixed`)."""

    parts: Mapping[str, list[Record]]
    bad: Mapping[str, list[tuple[int, BadRow]]]
    mixed: Mapping[str, list[int]]
    notes: tuple[str, ...]


def choose(raw: RawData, task: RecordTask, asked: Asked) -> Chosen:
    """The format asked for, or the one that fits best. DataError (columns) when none fits."""
    frame = next(iter(raw.parts.values()))
    where = next(iter(raw.files.values()), raw.source)
    named = [name for name in (asked.text, asked.label, *asked.columns.values()) if name]
    if missing := [name for name in named if name not in raw.columns]:
        raise DataError(f"{where}: {unknown_names('column', missing, raw.columns)}", code="columns")
    if asked.text and asked.text == asked.label:
        raise DataError(
            f"{' and '.join(task.fields[:2])} are both column {asked.text!r}; name two columns of"
            f" {listed(raw.columns)}",
            code="columns",
        )
    formats = {format.name: format for format in task.formats}
    if asked.format is not None and asked.format not in formats:
        raise DataError(unknown_names("format", [asked.format], formats), code="format")
    wanted = [formats[asked.format]] if asked.format else list(task.formats)
    found = _fitting(frame, raw, wanted, asked)
    if not found:
        known = "; ".join(format.title for format in wanted)
        raise DataError(
            f"{where}: no columns look like {task.noun} (columns: {listed(raw.columns, 10)}); what is read here: {known}."
            " Name the columns",
            code="columns",
        )
    playing = [pair for pair in found if set(asked.columns) <= set(pair[1].columns)]
    if not playing:
        best, guess = found[0]
        roles = list(dict.fromkeys((*guess.columns, "references", "kind", "answer", "system")))
        strange = [role for role in asked.columns if role not in guess.columns]
        raise DataError(
            f"columns, read as {best.title}: {unknown_names('role', strange, roles)}", code="columns"
        )
    found = [*playing, *(pair for pair in found if pair not in playing)]
    best, guess = found[0]
    if asked.format:
        guess = replace(guess, score=1.0, reason=f"chosen; {guess.reason}")
    return Chosen(best, guess, tuple(found[1:]))


def _fitting(
    frame: pd.DataFrame, raw: RawData, formats: Sequence[Format], asked: Asked
) -> list[tuple[Format, Guess]]:
    """The formats that fit, best first; of equals the one listed first."""
    cells = {name: frame[name].head(SEEN_ROWS).tolist() for name in frame.columns if name != LINE}
    found = []
    for format in formats:
        given = {k: v for k, v in asked.columns.items() if v in cells}
        if asked.text in cells:
            given[format.text_role] = str(asked.text)
        if asked.label in cells and format.label_role:
            given[format.label_role] = str(asked.label)
        elif asked.label:
            # A conversation has no column of answers: who names one wants another format.
            given["completion"] = asked.label
        match = format.matches(Sample(cells, given, raw.card))
        if match is not None:
            found.append((format, _guess(format, match)))

    def fit(pair: tuple[Format, Guess]) -> float:
        roles = [pair[1].columns[role] for role in _required(pair[0])]
        filled = [
            all(cells[column][i].strip() for column in roles) for i in range(len(frame.head(SEEN_ROWS)))
        ]
        # In a file that mixes formats, the one of most rows is the one to read it by.
        return pair[1].score * (0.01 + sum(filled) / max(1, len(filled)))

    return sorted(found, key=lambda pair: -fit(pair))


def _guess(format: Format, match: Match) -> Guess:
    return Guess(format.name, format.title, round(match.score, 3), match.reason, dict(match.columns))


def read_rows(raw: RawData, task: RecordTask, chosen: Chosen, asked: Asked, fixes: Sequence[str]) -> Read:
    """Every part's rows. A part without the columns is read by its own names, or left out where it has no answers."""
    parts: dict[str, list[Record]] = {}
    bad: dict[str, list[tuple[int, BadRow]]] = {}
    mixed: dict[str, list[int]] = {}
    notes: list[str] = []
    for number, (part, frame) in enumerate(raw.parts.items()):
        columns = chosen.guess.columns
        needed = {role: columns[role] for role in columns if role in _required(chosen.format)}
        if number and not set(needed.values()) <= set(frame.columns):
            own = _fitting(frame, raw, [chosen.format], Asked())
            if not own:
                notes.append(
                    f"the {part} part ({raw.files.get(part, part)}) lacks {listed(list(needed.values()))} and is left out"
                )
                continue
            columns = own[0][1].columns
            notes.append(
                f"the {part} part calls its columns {listed(list(columns.values()))}; they are read as"
                f" {listed(list(needed.values()))}"
            )
        others = [(format, guess.columns) for format, guess in chosen.others if guess.score >= _SURE_ENOUGH]
        readers = [(chosen.format, columns), *others]
        parts[part], bad[part], mixed[part] = _read_part(frame, readers, fixes)
    return Read(parts, bad, {part: lines for part, lines in mixed.items() if lines}, tuple(notes))


def _required(format: Format) -> tuple[str, ...]:
    return tuple(role for role in (format.text_role, format.label_role) if role)


def _read_part(
    frame: pd.DataFrame, readers: Sequence[tuple[Format, Mapping[str, str]]], fixes: Sequence[str]
) -> tuple[list[Record], list[tuple[int, BadRow]], list[int]]:
    """Rows, bad rows, and the lines of rows that only another format reads. `mix_formats` takes those in."""
    mend, mixes = "merge_turns" in fixes, "mix_formats" in fixes
    names = [name for name in frame.columns if name != LINE]
    cells = {name: frame[name].tolist() for name in names}
    rows: list[Record] = []
    bad: list[tuple[int, BadRow]] = []
    mixed: list[int] = []
    for at, line in enumerate(frame[LINE].tolist()):
        format, columns = readers[0]
        row = format.to_row(_cells(cells, columns, at), mend)
        if isinstance(row, BadRow) or not _is_filled(row):
            other = _by_another(cells, readers[1:], at, mend)
            if other is not None and mixes:
                row = other
            elif other is not None:
                mixed.append(line)
                continue
        if isinstance(row, BadRow):
            bad.append((line, row))
        else:
            rows.append(Record(ordered(row), line))
    return rows, bad, mixed


def _cells(cells: Mapping[str, Sequence[str]], columns: Mapping[str, str], at: int) -> dict[str, str]:
    return {role: cells[column][at] for role, column in columns.items() if column in cells}


def _is_filled(row: Mapping[str, object]) -> bool:
    return all(str(value).strip() for value in row.values() if isinstance(value, str))


def _by_another(
    cells: Mapping[str, Sequence[str]],
    readers: Sequence[tuple[Format, Mapping[str, str]]],
    at: int,
    mend: bool,
) -> dict[str, object] | None:
    for format, columns in readers:
        row = format.to_row(_cells(cells, columns, at), mend)
        if not isinstance(row, BadRow) and _is_filled(row):
            return row
    return None
