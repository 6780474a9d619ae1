"""Checks of rows: empty cells, repeated and conflicting rows, leaks between parts, markup, white space, size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workbench.data.clean import Row, has_html, key, with_single_spaces
from workbench.data.faults import Fault, count_of
from workbench.data.table import Table, where

_BLOCKING_SHARE = 0.2
_FEW_TEST_ROWS = 50


def missing(table: Table) -> list[Fault]:
    """Empty cells; a part where they are more than a fifth is refused until the fix is chosen."""
    faults = []
    for part, rows in table.parts.items():
        for what, column, empty in (
            ("text", table.text, [row for row in rows if not row.text.strip()]),
            ("label", table.label, [row for row in rows if not row.label.strip()]),
        ):
            if not empty:
                continue
            one, everything = len(empty) == 1, len(empty) == len(rows)
            blocks = len(empty) > _BLOCKING_SHARE * len(rows)
            share = f"{100 * len(empty) / len(rows):.1f} % of the rows{where(part)}"
            if everything:
                detail = f"The column {column!r} holds nothing{where(part)}; choose another one."
            elif blocks:
                detail = f"{share}: too many to leave out unasked; is {column!r} the right column?"
            elif one:
                detail = "The row can't be learned from; training leaves it out."
            else:
                detail = f"{share}. They can't be learned from; training leaves them out."
            title = f"{what.capitalize()} is empty" if one else f"{len(empty):,} {what}s are empty"
            faults.append(
                table.fault(
                    part, f"missing_{what}", "fix", title, detail, empty, field=column,
                    fix=None if everything else "drop_empty", fix_label="Drop the row" if one and not everything else "",
                    blocks=blocks,
                )
            )  # fmt: skip
    return faults


def duplicates(table: Table) -> list[Fault]:
    faults = []
    for part, rows in table.parts.items():
        again, exact = _repeated(rows)
        if not again:
            continue
        others = len(again) - exact
        how = f" {others:,} of them differ{'s' if others == 1 else ''} by space or case." if others else ""
        repeat = "repeats" if len(again) == 1 else "repeat"
        title = f"{count_of(len(again), 'row')} {repeat} an earlier one{where(part)}"
        share = f"{100 * len(again) / len(rows):.1f} % of the rows"
        detail = f"{share}; {'each counts' if part == 'test' else 'what is repeated counts'} double.{how}"
        faults.append(
            table.fault(
                part, "duplicates", "look", title, detail, again, field=table.text, fix="drop_duplicates"
            )
        )
    return faults


def _repeated(rows: Sequence[Row]) -> tuple[list[Row], int]:
    """Rows whose text (but for space and case) and label stood earlier, and how many of them repeat it exactly."""
    near: set[tuple[str, str]] = set()
    exact: set[tuple[str, str]] = set()
    again = []
    same = 0
    for row in rows:
        likeness = (key(row.text), row.label)
        if likeness in near:
            again.append(row)
            same += (row.text, row.label) in exact
        near.add(likeness)
        exact.add((row.text, row.label))
    return again, same


def conflicting(table: Table) -> list[Fault]:
    faults = []
    for part, rows in table.parts.items():
        labels: dict[str, set[str]] = {}
        for row in rows:
            labels.setdefault(key(row.text), set()).add(row.label)
        found = [row for row in rows if len(labels[key(row.text)]) > 1]
        if found:
            texts = sum(len(names) > 1 for names in labels.values())
            title = f"The same text with different labels{where(part)}"
            detail = f"{count_of(texts, 'text')} in {count_of(len(found), 'row')}. A ceiling on accuracy, not an error."
            faults.append(
                table.fault(
                    part,
                    "conflicting",
                    "look",
                    title,
                    detail,
                    found,
                    field=table.label,
                    fix="drop_conflicting",
                )
            )
    return faults


def overlap(table: Table) -> list[Fault]:
    """Rows of one given part that stand in another one too: a leak."""
    faults = []
    for other, part in (("train", "test"), ("train", "validation"), ("validation", "test")):
        held = {key(row.text) for row in table.parts.get(part, ())}
        repeated = [row for row in table.parts.get(other, ()) if key(row.text) in held]
        if not repeated:
            continue
        texts = {key(row.text) for row in repeated}
        total = len(table.parts[part])
        number = sum(key(row.text) in texts for row in table.parts[part])
        title = f"{count_of(number, 'row')} of {part} {'is' if number == 1 else 'are'} also in {other}"
        harm = (
            "scores would be too high"
            if part == "test"
            else "checkpoints would be picked by rows already seen"
        )
        detail = f"{100 * number / total:.1f} % of the {part} rows: {harm}."
        faults.append(
            table.fault(
                other, "overlap", "look", title, detail, repeated, field=table.text, count=number,
                fix="drop_overlap", fix_label=f"Drop them from {other}",
            )
        )  # fmt: skip
    return faults


def markup(table: Table) -> list[Fault]:
    detail = "Tags and entities such as <br> or &amp; cost length and teach nothing."
    return _texts(table, has_html, "html", ("holds HTML", "hold HTML"), detail, "strip_html")


def white_space(table: Table) -> list[Fault]:
    detail = "Double, leading, trailing or invisible characters, or letters in decomposed form."
    words = ("has stray white space", "have stray white space")
    return _texts(
        table, lambda text: text != with_single_spaces(text), "space", words, detail, "normalise_space"
    )


def _texts(
    table: Table, is_so: Callable[[str], bool], code: str, words: tuple[str, str], detail: str, fix: str
) -> list[Fault]:
    faults = []
    for part, rows in table.parts.items():
        if found := [row for row in rows if is_so(row.text)]:
            title = f"{count_of(len(found), 'text')} {words[len(found) > 1]}{where(part)}"
            faults.append(table.fault(part, code, "look", title, detail, found, field=table.text, fix=fix))
    return faults


def few_test_rows(number: int) -> list[Fault]:
    """After the split: how coarse is accuracy?"""
    if not 0 < number < _FEW_TEST_ROWS:
        return []
    title = f"Only {count_of(number, 'test row')}"
    detail = (
        f"One row more or less is {100 / number:.1f} % of the score: differences will hardly be told apart."
    )
    return [Fault("few_test_rows", "look", title, detail, count=number)]
