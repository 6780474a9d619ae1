"""Examine rows of free text for any task: format, fixes, checks in order, and the three parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from workbench.data.clean import key
from workbench.data.diagnosis import Asked, Diagnosis, Record, note
from workbench.data.faults import DataError, Fault, count_of, listed
from workbench.data.open import RawData
from workbench.data.records import reading_checks
from workbench.data.records.choose import Chosen, choose, read_rows
from workbench.data.records.divide import divided, repeated_prompts
from workbench.data.records.final_answers import with_final_answers
from workbench.data.records.fixes import apply_fixes, check_fixes, filled, placeholders_of
from workbench.data.records.task import RecordTable, RecordTask
from workbench.data.records.texts import all_texts, asked_text, change_texts
from workbench.data.split import missing_parts
from workbench.data.table import where


def diagnose(raw: RawData, asked: Asked, task: RecordTask) -> Diagnosis:
    """Choose the format, read, fill in, repair, check, split. DataError where columns aren't clear or a fix is unknown."""
    fixes = check_fixes(asked.fixes)
    chosen = choose(raw, task, asked)
    read = read_rows(raw, task, chosen, asked, fixes)
    declared = tuple(str(name) for name in raw.card.get("placeholders") or ())
    parts = _filled(read.parts, asked.fill)
    parts = apply_fixes(parts, fixes)
    bad = {} if "drop_broken" in fixes else read.bad
    table = RecordTable(task, parts, bad, chosen.guess.columns, raw.files, declared, read.mixed)

    faults, passed = list(raw.faults), [] if raw.faults else ["Every row fits the table"]
    first = (
        ("Every row can be read", reading_checks.unreadable(table), "drop_broken"),
        ("One format in all rows", reading_checks.mixed_formats(table), ""),
        ("No empty texts", reading_checks.missing(table), "drop_empty"),
    )
    for name, found, fix in first:
        note(name, found, faults, passed)
        if found and fix and fix not in fixes:
            fixes = check_fixes((*fixes, fix))
    parts = apply_fixes(parts, [fix for fix in fixes if fix not in asked.fixes])
    notes = [*raw.notes, *read.notes]
    if (answered := with_final_answers(parts)) is not None:
        parts = answered
        notes.append("the bare answer of each row is what follows #### in the last line of its completion")
    table = RecordTable(task, parts, {}, table.columns, raw.files, declared)

    bare = [part for part, rows in parts.items() if not rows]
    blocks = any(fault.blocks for fault in faults)
    if bare and not blocks:
        title = f"No rows are left{where(bare[0])}"
        faults.append(
            table.fault(
                bare[0], "no_rows", "fix", title, "Every row was empty or dropped by a fix.", blocks=True
            )
        )
    if not bare:
        for name, check in task.checks:
            note(name, check(table), faults, passed)
        if not blocks:
            note("Enough rows for the split", _few(table), faults, passed)
    faults += _unsure(chosen, table)
    final = None
    if not any(fault.blocks for fault in faults):
        final = divided(parts, asked.split, gathers_references=task.gathers_references)
    kinds = Counter(row.values["kind"] for rows in parts.values() for row in rows if "kind" in row.values)
    columns = chosen.guess.columns
    return Diagnosis(
        given=parts,
        final=final,
        text=columns[chosen.format.text_role],
        label=columns.get(chosen.format.label_role or "", ""),
        fixes=fixes,
        faults=tuple(faults),
        passed=tuple(passed),
        notes=(*notes, *_notes(raw, chosen, table, task)),
        kinds=dict(sorted(kinds.items())),
        columns=raw.columns,
        guess=chosen.guess,
        others=tuple(guess for _, guess in chosen.others),
        placeholders=declared,
    )


def _filled(parts: Mapping[str, Sequence[Record]], fill: Mapping[str, str]) -> dict[str, list[Record]]:
    """Placeholders replaced. A name that stands nowhere is an error: it would be a slip of the pen."""
    if not fill:
        return {part: list(rows) for part, rows in parts.items()}
    empty = [name for name, words in fill.items() if not isinstance(words, str) or not words.strip()]
    if empty:
        raise DataError(f"fill: {listed(empty)} needs words to put there", code="fill")
    there = {
        n
        for rows in parts.values()
        for r in rows
        for text in all_texts(r.values)
        for n in placeholders_of(text)
    }
    if unknown := sorted(set(fill) - there):
        known = (
            f"it has {listed([f'{{{name}}}' for name in sorted(there)])}"
            if there
            else "it has no placeholders"
        )
        raise DataError(
            f"fill: the data has no {listed([f'{{{n}}}' for n in unknown])}; {known}", code="fill"
        )
    return {
        part: [Record(change_texts(r.values, lambda text: filled(text, fill)), r.line) for r in rows]
        for part, rows in parts.items()
    }


def _answers_before(row: Record) -> bool:
    return any(turn["role"] == "assistant" for turn in row.values.get("messages", ()))


def _few(table: RecordTable) -> list[Fault]:
    """Train and every part carved from it need something different to ask."""
    needed = 1 + len(missing_parts(table.parts))
    different = len({key(asked_text(row.values)) for row in table.parts[table.main]})
    if different >= needed:
        return []
    noun = table.task.fields[0]
    title = f"Only {different:,} different {noun}{'' if different == 1 else 's'}{where(table.main)}"
    detail = f"Train and the parts carved from it need one each, so at least {needed}; rows that ask the same stay together."
    return [table.fault(table.main, "too_few_rows", "fix", title, detail, count=different, blocks=True)]


def _unsure(chosen: Chosen, table: RecordTable) -> list[Fault]:
    if chosen.guess.score >= 0.6:
        return []
    roles = ", ".join(f"{role} from “{column}”" for role, column in chosen.guess.columns.items())
    detail = (
        f"{roles}: {chosen.guess.reason}. Look at the first rows, and name the columns if they are others."
    )
    return [table.fault(table.main, "unsure_format", "look", "The columns are a guess", detail)]


def _notes(raw: RawData, chosen: Chosen, table: RecordTable, task: RecordTask) -> list[str]:
    used = set(chosen.guess.columns.values())
    notes = []
    if left := [name for name in raw.columns if name not in used]:
        notes.append(f"not used: {listed(left, 8)}")
    if not task.gathers_references:
        return notes
    longer = sum(_answers_before(row) for rows in table.parts.values() for row in rows)
    if longer:
        notes.append(
            f"{count_of(longer, 'conversation')} with earlier answers: only the last answer of each is learned from"
        )
    counts = {part: repeated_prompts(rows) for part, rows in table.parts.items()}
    if any(counts.values()):
        said = listed([f"{number:,}{where(part)}" for part, number in counts.items() if number])
        notes.append(
            f"prompts with several completions: {said}; training sees each of them, validation and test are scored against"
            " all together (references)"
        )
    return notes
