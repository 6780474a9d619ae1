"""The dataset doctor: examine data, name each fault by line and field, offer fixes, say what would block training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.data import label_checks, lengths, row_checks
from workbench.data.clean import Row, apply_fixes, check_fixes
from workbench.data.columns import labelled
from workbench.data.faults import SHOWN_LINES, DataError, Fault, shown
from workbench.data.fingerprint import fingerprint, in_order
from workbench.data.limits import Limits
from workbench.data.open import RawData, read
from workbench.data.report import Report
from workbench.data.split import Split, asked_rows, carve, missing_parts, rebalance, subset
from workbench.data.table import Table, where

_PREVIEWED = 20
# What the report says when a check finds nothing, and the check. A label check that blocks ends its list.
_LABEL_CHECKS = (
    ("At least two labels", label_checks.single_class),
    ("Labels recur", label_checks.too_many_labels),
    ("The same labels in all parts", label_checks.labels_differ),
    ("Labels are spelt alike", label_checks.label_spelling),
    ("Every label has enough rows", label_checks.rare_labels),
)
_STRAY_LABELS = ("misspelt_label", "label_spelling", "rare_class")
_ROW_CHECKS = (
    ("No conflicting labels", row_checks.conflicting),
    ("No duplicate rows", row_checks.duplicates),
    ("No row of one part in another", row_checks.overlap),
    ("No HTML in the texts", row_checks.markup),
    ("White space is tidy", row_checks.white_space),
)


@dataclass(frozen=True)
class Diagnosis:
    """What examination and preparation share: usable rows as given (`table`), the three `parts` (None where something
    blocks), and the fixes in the order in which they were applied."""

    table: Table
    parts: Mapping[str, list[Row]] | None
    fixes: tuple[str, ...]
    faults: tuple[Fault, ...]
    passed: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return in_order({row.label for row in (self.parts or self.table.parts)["train"]})


def diagnose(
    raw: RawData, *, text: str | None, label: str | None, fixes: Sequence[str], split: Split
) -> Diagnosis:
    """Choose columns, repair, check, split. DataError where the columns aren't clear or a fix is unknown."""
    chosen = check_fixes(fixes)
    found = labelled(raw, text=text, label=label)
    parts = apply_fixes(found.parts, chosen)
    table = Table(parts, found.text, found.label, raw.files)
    faults, passed = list(raw.faults), [] if raw.faults else ["Every row fits the table"]

    empty = row_checks.missing(table)
    if empty and "drop_empty" not in chosen:
        chosen = check_fixes((*chosen, "drop_empty"))
        table = Table(apply_fixes(parts, ["drop_empty"]), found.text, found.label, raw.files)
    _note("No empty cells", empty, faults, passed)
    bare = [part for part, rows in table.parts.items() if not rows]
    if bare and not any(fault.blocks for fault in empty):
        faults.append(_no_rows(bare[0], table))
    if not bare:
        for name, check in _LABEL_CHECKS:
            _note(name, check(table), faults, passed)
            if any(fault.blocks for fault in faults):
                break
        for name, check in _ROW_CHECKS:
            _note(name, check(table), faults, passed)
        # Stray labels would make any balance look bad, so it is judged once they are settled.
        if "rebalance" not in chosen and not any(fault.code in _STRAY_LABELS for fault in faults):
            _note("Labels are balanced", label_checks.balance(table), faults, passed)
    final = None
    if not any(fault.blocks for fault in faults):
        final, more = _divided(table, chosen, split)
        faults += more
    return Diagnosis(table, final, chosen, tuple(faults), tuple(passed), (*raw.notes, *found.notes))


def examine(
    raw: RawData,
    *,
    text: str | None = None,
    label: str | None = None,
    tokenizer: lengths.Tokenizer | None = None,
    max_length: int = 128,
    split: Split | None = None,
    fixes: Sequence[str] = (),
) -> Report:
    """The report on data already read, as it would be with these fixes."""
    split = split or Split()
    try:
        found = diagnose(raw, text=text, label=label, fixes=fixes, split=split)
    except DataError as error:
        if error.code == "fixes":
            raise
        counts = {part: len(frame) for part, frame in raw.parts.items()}
        return Report(raw.source, raw.rows, counts, raw.columns, faults=(*raw.faults, blocking(error)), notes=raw.notes, place=raw.place)  # fmt: skip
    faults, passed = list(found.faults), list(found.passed)
    usable = [(part, row) for part, rows in found.table.parts.items() for row in rows]
    counted = {}
    measures = None
    if usable:
        indices = lengths.measured([row.text for _, row in usable])
        numbers = lengths.count_lengths([usable[i][1].text for i in indices], tokenizer)
        counted = dict(zip(indices, numbers))
        measures = lengths.histogram(
            numbers, tokens=tokenizer is not None, limit=max_length, rows=len(usable)
        )
        lines = [usable[i][1].line for i, number in counted.items() if number > max_length][:SHOWN_LINES]
        long = lengths.too_long(measures, lines, found.table.text)
        if long or tokenizer is not None:
            _note(f"No text longer than {max_length} tokens", long, faults, passed)
    final = found.parts
    if final is not None:
        _note("Enough test rows", row_checks.few_test_rows(len(final["test"])), faults, passed)
    labels = Counter(row.label for _, row in usable)
    order = {True: 0, False: 1}
    return Report(
        source=raw.source,
        rows=raw.rows,
        parts={part: len(rows) for part, rows in (final or found.table.parts).items()},
        columns=raw.columns,
        text=found.table.text,
        label=found.table.label,
        labels={name: labels[name] for name in in_order(labels)},
        lengths=measures,
        faults=tuple(sorted(faults, key=lambda fault: (order[fault.blocks], fault.severity != "fix"))),
        passed=tuple(passed),
        preview=_preview(usable, counted, final),
        notes=found.notes,
        fixes=found.fixes,
        place=raw.place,
        fingerprint=fingerprint(final, found.labels) if final is not None else None,
    )


def check(
    source: str | Path = "",
    *,
    parts: Mapping[str, str | Path] | None = None,
    text: str | None = None,
    label: str | None = None,
    tokenizer: lengths.Tokenizer | None = None,
    max_length: int = 128,
    split: Split | None = None,
    fixes: Sequence[str] = (),
    encoding: str | None = None,
    skip_broken: bool = False,
    limits: Limits | None = None,
) -> Report:
    """Read and examine; what can't even be read is a report too, with the one fault that blocks."""
    try:
        raw = read(source, parts=parts, encoding=encoding, skip_broken=skip_broken, limits=limits)
    except DataError as error:
        return Report(
            shown(str(source) or ", ".join(map(str, (parts or {}).values())), 80), faults=(blocking(error),)
        )
    return examine(
        raw, text=text, label=label, tokenizer=tokenizer, max_length=max_length, split=split, fixes=fixes
    )


def blocking(error: DataError) -> Fault:
    """An error as the fault of a report."""
    titles = {
        "empty": "The file is empty",
        "no_rows": "There are no rows",
        "encoding": "The encoding isn't clear",
        "nul": "The file holds a NUL character",
        "broken_rows": "Rows are broken",
        "too_large": "It is too large",
        "columns": "Text and label aren't clear",
        "split": "The split can't be made",
    }
    shows = f" It reads: {' / '.join(error.preview)}" if len(error.preview) > 1 else ""
    label = "Skip the broken rows" if error.fix == "skip_broken" else ""
    return Fault(
        error.code, "fix", titles.get(error.code, "It can't be read"), str(error) + "." + shows,
        error.lines[:SHOWN_LINES], count=len(error.lines), fix=error.fix, fix_label=label, blocks=True,
    )  # fmt: skip


def _note(name: str, found: Sequence[Fault], faults: list[Fault], passed: list[str]) -> None:
    if found:
        faults.extend(found)
    else:
        passed.append(name)


def _no_rows(part: str, table: Table) -> Fault:
    title = f"No rows are left{where(part)}"
    return table.fault(part, "no_rows", "fix", title, "Every row was empty or dropped by a fix.", blocks=True)


def _divided(
    table: Table, fixes: Sequence[str], split: Split
) -> tuple[Mapping[str, list[Row]] | None, list[Fault]]:
    """The three parts, subsets drawn; a fault where too few rows are asked for."""
    parts = carve(table.parts, split)
    if "rebalance" in fixes:
        parts["train"] = rebalance(parts["train"], split.seed)
    number = len({row.label for row in parts["train"]})
    if split.train_rows is not None and split.train_rows < number:
        detail = f"There are {number:,} labels and each needs a row; give at least {number:,}."
        return None, [Fault("split", "fix", f"train_rows is {split.train_rows:,}", detail, blocks=True)]
    asked = asked_rows(split, carved=missing_parts(table.parts))
    return {part: subset(rows, asked[part], split.seed) for part, rows in parts.items()}, []


def _preview(
    usable: Sequence[tuple[str, Row]], counted: Mapping[int, int], final: Mapping[str, list[Row]] | None
) -> tuple[Mapping[str, object], ...]:
    part_of = {(row.line, row.text): part for part, rows in (final or {}).items() for row in rows}
    return tuple(
        {
            "line": row.line,
            "text": row.text[:500],
            "label": row.label,
            "length": counted.get(i),
            "part": part_of.get((row.line, row.text))
            if final is not None
            else (None if part == "all" else part),
        }
        for i, (part, row) in enumerate(usable[:_PREVIEWED])
    )
