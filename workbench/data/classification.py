"""Data for classification: rows of a text and a label, and what the doctor checks in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from workbench.data import label_checks, row_checks
from workbench.data.clean import Row, apply_fixes, check_fixes
from workbench.data.columns import labelled
from workbench.data.diagnosis import Asked, Diagnosis, Record, note
from workbench.data.faults import DataError, Fault
from workbench.data.fingerprint import in_order
from workbench.data.open import RawData
from workbench.data.split import Split, asked_rows, carve, missing_parts, rebalance, subset
from workbench.data.table import Table, where

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


def diagnose(raw: RawData, asked: Asked) -> Diagnosis:
    """Choose columns, repair, check, split. DataError where the columns aren't clear or a fix is unknown."""
    _check_asked(asked)
    chosen = check_fixes(asked.fixes)
    found = labelled(raw, text=asked.text, label=asked.label)
    parts = apply_fixes(found.parts, chosen)
    table = Table(parts, found.text, found.label, raw.files)
    faults, passed = list(raw.faults), [] if raw.faults else ["Every row fits the table"]

    empty = row_checks.missing(table)
    if empty and "drop_empty" not in chosen:
        chosen = check_fixes((*chosen, "drop_empty"))
        table = Table(apply_fixes(parts, ["drop_empty"]), found.text, found.label, raw.files)
    note("No empty cells", empty, faults, passed)
    bare = [part for part, rows in table.parts.items() if not rows]
    if bare and not any(fault.blocks for fault in empty):
        faults.append(_no_rows(bare[0], table))
    if not bare:
        for name, check in _LABEL_CHECKS:
            note(name, check(table), faults, passed)
            if any(fault.blocks for fault in faults):
                break
        for name, check in _ROW_CHECKS:
            note(name, check(table), faults, passed)
        # Stray labels would make any balance look bad, so it is judged once they are settled.
        if "rebalance" not in chosen and not any(fault.code in _STRAY_LABELS for fault in faults):
            note("Labels are balanced", label_checks.balance(table), faults, passed)
    final = None
    if not any(fault.blocks for fault in faults):
        final, more = _divided(table, chosen, asked.split)
        faults += more
    counts = Counter(row.label for rows in table.parts.values() for row in rows)
    return Diagnosis(
        given=_records(table.parts),
        final=None if final is None else _records(final),
        text=found.text,
        label=found.label,
        fixes=chosen,
        faults=tuple(faults),
        passed=tuple(passed),
        notes=(*raw.notes, *found.notes),
        labels=in_order({row.label for row in (final or {}).get("train", ())}),
        label_counts={name: counts[name] for name in in_order(counts)},
        columns=raw.flat_columns,
    )


def _check_asked(asked: Asked) -> None:
    for name in ("format", "columns", "fill"):
        if getattr(asked, name):
            raise DataError(
                f"{name} is for generation and other tasks on free text; classification takes text and label",
                code="columns",
            )


def _records(parts: Mapping[str, Sequence[Row]]) -> dict[str, list[Record]]:
    return {
        p: [Record({"text": r.text, "label": r.label}, r.line) for r in rows] for p, rows in parts.items()
    }


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
