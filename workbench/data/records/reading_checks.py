"""Checks of how rows of free text were read: cells and conversations that can't be, formats mixed in a file, empty texts."""

from __future__ import annotations

from workbench.data.faults import Fault, count_of
from workbench.data.records.task import RecordTable
from workbench.data.table import where

_BLOCKING_SHARE = 0.2
_BAD_TITLES = {
    "broken_cell": ("cell can't be read", "cells can't be read"),
    "unknown_role": ("row has an unknown role", "rows have an unknown role"),
    "no_assistant": ("conversation has no answer", "conversations have no answer"),
    "role_order": ("conversation has turns out of order", "conversations have turns out of order"),
    "no_rating": ("answer has no rating that can be read", "answers have no rating that can be read"),
    "no_preference": ("row has no pair to compare", "rows have no pair to compare"),
}


def unreadable(table: RecordTable) -> list[Fault]:
    """Rows from which no format makes a prompt and an answer; more than a fifth of a part is refused unless asked for."""
    faults = []
    for part, bad in table.bad.items():
        total = len(bad) + len(table.parts[part]) + len(table.mixed.get(part, ()))
        blocks = len(bad) > _BLOCKING_SHARE * total
        for code, mendable in dict.fromkeys((row.code, row.mendable) for _, row in bad):
            found = [(line, row.why) for line, row in bad if (row.code, row.mendable) == (code, mendable)]
            title = f"{len(found):,} {_BAD_TITLES[code][len(found) > 1]}"
            share = f"{100 * len(found) / total:.1f} % of the rows{where(part)}"
            end = "too many to leave out unasked" if blocks else "training leaves them out"
            faults.append(
                table.fault(
                    part, code, "fix", title, f"For example {found[0][1]}. {share}: {end}.",
                    [line for line, _ in found], field=table.column("messages"), blocks=blocks,
                    fix="merge_turns" if mendable else "drop_broken" if len(bad) < total else None,
                )
            )  # fmt: skip
    return faults


def mixed_formats(table: RecordTable) -> list[Fault]:
    faults = []
    for part, lines in table.mixed.items():
        title = f"{count_of(len(lines), 'row')} {'is' if len(lines) == 1 else 'are'} given in another format{where(part)}"
        detail = "The file mixes formats; these rows are left out unless each is read by its own."
        blocks = len(lines) > _BLOCKING_SHARE * (len(lines) + len(table.parts[part]))
        faults.append(
            table.fault(part, "mixed_formats", "fix", title, detail, lines, fix="mix_formats", blocks=blocks)
        )
    return faults


def missing(table: RecordTable) -> list[Fault]:
    """Empty texts; a part where they are more than a fifth is refused until the fix is chosen."""
    faults = []
    for part, rows in table.parts.items():
        for name in table.task.fields:
            asked = [row for row in rows if name in table.task.fields_of(row.values)]
            empty = [row.line for row in asked if not row.values[name].strip()]
            if not empty:
                continue
            everything = len(empty) == len(asked)
            blocks = len(empty) > _BLOCKING_SHARE * len(asked)
            share = f"{100 * len(empty) / len(asked):.1f} % of the rows{where(part)}"
            if everything:
                detail = f"{table.column(name)!r} holds nothing{where(part)}; choose another column."
            elif blocks:
                detail = (
                    f"{share}: too many to leave out unasked; is {table.column(name)!r} the right column?"
                )
            else:
                detail = f"{share}. They can't be learned from; training leaves them out."
            title = (
                f"{name.capitalize()} is empty" if len(empty) == 1 else f"{len(empty):,} {name}s are empty"
            )
            faults.append(
                table.fault(
                    part, f"missing_{name}", "fix", title, detail, empty, field=table.column(name),
                    fix=None if everything else "drop_empty", blocks=blocks,
                )
            )  # fmt: skip
    return faults
