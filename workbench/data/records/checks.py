"""Checks of rows of free text that could be read: answers all alike, repeated rows, leaks, placeholders, damaged letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from workbench.data.clean import has_html, key
from workbench.data.diagnosis import Record
from workbench.data.faults import Fault, count_of, shown
from workbench.data.records.fixes import (
    has_equal_answers,
    has_mojibake,
    is_copy,
    likeness,
    placeholders_of,
    tidy,
)
from workbench.data.records.task import RecordTable
from workbench.data.records.texts import all_texts, asked_text
from workbench.data.table import quoted, where
from workbench.ratings import BAD, GOOD, is_single, side


def same_reply(table: RecordTable) -> list[Fault]:
    """One answer for everything teaches nothing; one for most is a ceiling that is reached without reading."""
    name = table.task.reply
    rows = [row for row in table.parts[table.main] if name in row.values]
    if name is None or len(rows) < 2:
        return []
    counts = Counter(key(row.values[name]) for row in rows)
    text, most = counts.most_common(1)[0]
    if most < 0.8 * len(rows):
        return []
    if most == len(rows):
        title = f"Every row{where(table.main)} has the same {name}"
        detail = f"“{shown(text)}”. There is nothing to learn but this one text; is {table.column(name)!r} the right column?"
        return [
            table.fault(
                table.main,
                f"same_{name}",
                "fix",
                title,
                detail,
                field=table.column(name),
                count=most,
                blocks=True,
            )
        ]
    title = f"{most:,} of {len(rows):,} rows have the {name} “{shown(text, 30)}”"
    detail = f"Always writing it would be right in {100 * most / len(rows):.1f} % of the rows."
    return [
        table.fault(table.main, f"common_{name}", "look", title, detail, field=table.column(name), count=most)
    ]


def copies(table: RecordTable) -> list[Fault]:
    faults = []
    for part, rows in table.parts.items():
        found = [row.line for row in rows if is_copy(row)]
        if found:
            everything = len(found) == len(rows)
            title = f"{count_of(len(found), 'completion')} {'repeats' if len(found) == 1 else 'repeat'} the prompt{where(part)}"
            detail = "A model learns to echo from them." + (" Choose another column." if everything else "")
            faults.append(
                table.fault(
                    part, "copied_prompt", "fix" if everything else "look", title, detail, found,
                    field=table.column("completion"), fix=None if everything else "drop_copies", blocks=everything,
                )
            )  # fmt: skip
    return faults


def equal_pairs(table: RecordTable) -> list[Fault]:
    """Preferences whose two answers are the same."""
    faults = []
    for part, rows in table.parts.items():
        found = [row.line for row in rows if has_equal_answers(row)]
        if found:
            title = f"{count_of(len(found), 'pair')} {'has' if len(found) == 1 else 'have'} two equal answers{where(part)}"
            blocks = len(found) == len(rows)
            detail = "Nothing is preferred there." + (" Choose other columns." if blocks else "")
            faults.append(
                table.fault(
                    part, "equal_pair", "fix", title, detail, found, field=table.column("rejected"),
                    fix=None if blocks else "drop_equal", blocks=blocks,
                )
            )  # fmt: skip
    return faults


def one_sided(table: RecordTable) -> list[Fault]:
    """Answers rated one by one, and all of them good or all of them bad; few of one kind are a warning."""
    sides = Counter(side(row.values) for row in table.parts[table.main] if is_single(row.values))
    total, pairs = sum(sides.values()), len(table.parts[table.main]) - sum(sides.values())
    if not total or pairs or min(sides[GOOD], sides[BAD]) >= 0.1 * total:
        return []
    word, few = ("bad", sides[BAD]) if sides[GOOD] > sides[BAD] else ("good", sides[GOOD])
    title = (
        f"{few:,} of {total:,} answers are {word}{where(table.main)}"
        if few
        else f"No answer is {word}{where(table.main)}"
    )
    detail = (
        "Learning from ratings weighs good answers against bad ones: weigh the rarer kind more (KTO’s desirable_weight and"
        " undesirable_weight)."
        if few
        else f"Learning from ratings weighs good answers against bad ones; is {table.column('rating')!r} the right column?"
    )
    return [
        table.fault(
            table.main, "one_sided", "look" if few else "fix", title, detail, field=table.column("rating"), count=few,
            blocks=not few,
        )
    ]  # fmt: skip


def duplicates(table: RecordTable) -> list[Fault]:
    faults = []
    for part, rows in table.parts.items():
        seen: set[tuple[str, ...]] = set()
        again = []
        for row in rows:
            like = likeness(row)
            if like in seen:
                again.append(row.line)
            seen.add(like)
        if again:
            title = f"{count_of(len(again), 'row')} {'repeats' if len(again) == 1 else 'repeat'} an earlier one{where(part)}"
            harm = "each counts" if part == "test" else "what is repeated counts"
            detail = f"{100 * len(again) / len(rows):.1f} % of the rows; {harm} double."
            faults.append(
                table.fault(
                    part, "duplicates", "look", title, detail, again, field=table.column(table.task.fields[0]),
                    fix="drop_duplicates",
                )
            )  # fmt: skip
    return faults


def overlap(table: RecordTable) -> list[Fault]:
    """What is asked in one given part stands in another one too: a leak."""
    faults = []
    for other, part in (("train", "test"), ("train", "validation"), ("validation", "test")):
        held = {key(asked_text(row.values)) for row in table.parts.get(part, ())}
        repeated = [row for row in table.parts.get(other, ()) if key(asked_text(row.values)) in held]
        if not repeated:
            continue
        asked = {key(asked_text(row.values)) for row in repeated}
        whole = {likeness(row) for row in repeated}
        rows = [row for row in table.parts[part] if key(asked_text(row.values)) in asked]
        same = sum(likeness(row) in whole for row in rows)
        noun = table.task.fields[0]
        title = f"{count_of(len(rows), noun)} of {part} {'is' if len(rows) == 1 else 'are'} also in {other}"
        harm = (
            "scores would be too high"
            if part == "test"
            else "checkpoints would be picked by rows already seen"
        )
        answers = f", {same:,} with the same {table.task.reply}" if table.task.reply else ""
        detail = f"{100 * len(rows) / len(table.parts[part]):.1f} % of the {part} rows{answers}: {harm}."
        faults.append(
            table.fault(
                other, "overlap", "look", title, detail, [row.line for row in repeated], field=table.column(noun),
                count=len(rows), fix="drop_overlap", fix_label=f"Drop them from {other}",
            )
        )  # fmt: skip
    return faults


def placeholders(table: RecordTable) -> list[Fault]:
    """`{name}` where a name should stand. What the card declares must be filled; others may be meant."""
    faults = []
    for part, rows in table.parts.items():
        found = [(row.line, names) for row in rows if (names := _unfilled(row))]
        if not found:
            continue
        counts = Counter(name for _, in_row in found for name in in_row)
        declared = [name for name in table.placeholders if name in counts]
        title = f"{count_of(len(found), 'row')} {'holds' if len(found) == 1 else 'hold'} unfilled placeholders{where(part)}"
        said = quoted([f"{{{name}}}" for name in declared or counts])
        detail = f"{said}: give the words for them (fill)" + (
            "; the model would learn to write the braces."
            if declared
            else ", or drop the rows, unless braces are meant."
        )
        faults.append(
            table.fault(
                part, "placeholder", "fix" if declared else "look", title, detail, [line for line, _ in found],
                field=table.column(table.task.reply or table.task.fields[0]),
                fix=None if declared else "drop_unfilled", blocks=bool(declared),
            )
        )  # fmt: skip
    return faults


def _unfilled(row: Record) -> set[str]:
    return set().union(*(placeholders_of(text) for text in all_texts(row.values)))


def markup(table: RecordTable) -> list[Fault]:
    detail = (
        "Tags and entities such as <br> or &amp;: remnants of a web page, unless the rows are about HTML."
    )
    return _texts(table, has_html, "html", ("holds HTML", "hold HTML"), detail, "strip_html")


def damaged(table: RecordTable) -> list[Fault]:
    detail = "Letters such as Ã© for é: the text was once read in the wrong encoding."
    words = ("has damaged letters", "have damaged letters")
    return _texts(table, has_mojibake, "mojibake", words, detail, "mend_mojibake")


def white_space(table: RecordTable) -> list[Fault]:
    detail = (
        "Blanks around the text or at the ends of lines, invisible characters, or letters in decomposed form."
    )
    words = ("has stray white space", "have stray white space")
    return _texts(table, lambda text: text != tidy(text), "space", words, detail, "normalise_space")


def _texts(
    table: RecordTable, is_so: Callable[[str], bool], code: str, words: tuple[str, str], detail: str, fix: str
) -> list[Fault]:
    faults = []
    for part, rows in table.parts.items():
        if found := [row.line for row in rows if any(map(is_so, all_texts(row.values)))]:
            title = f"{count_of(len(found), 'row')} {words[len(found) > 1]}{where(part)}"
            faults.append(table.fault(part, code, "look", title, detail, found, fix=fix))
    return faults
