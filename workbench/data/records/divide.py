"""Rows of free text in three parts: equal prompts together, kinds in proportion, several answers as references."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from workbench.data.clean import Parts, Row
from workbench.data.clean import key as likeness_of
from workbench.data.diagnosis import Record
from workbench.data.records.texts import asked_text, ordered
from workbench.data.split import Split, asked_rows, carve, missing_parts, subset

# A kind with fewer different prompts can't stand in all three parts; such kinds are divided together.
_LEAST_OF_A_KIND = 3


def divided(
    parts: Mapping[str, Sequence[Record]], split: Split, *, gathers_references: bool
) -> dict[str, list[Record]]:
    """The three parts, subsets drawn. Kinds play the role that labels have in classification."""
    rows: dict[str, list[Record]] = {}
    for part, found in _by_rows(parts, lambda given: carve(given, split)).items():
        rows[part] = gathered(found) if gathers_references and part != "train" else found
    wanted = asked_rows(split, carved=missing_parts(parts))
    return {
        part: found if (number := wanted[part]) is None else _drawn(found, number, split.seed)
        for part, found in rows.items()
    }


def _drawn(records: Sequence[Record], number: int, seed: int) -> list[Record]:
    return _by_rows({"all": records}, lambda given: {"all": subset(given["all"], number, seed)})["all"]


def _by_rows(
    parts: Mapping[str, Sequence[Record]], divide: Callable[[Parts], Mapping[str, list[Row]]]
) -> dict[str, list[Record]]:
    """Divide stand-ins of the records that hold what is asked, the kind, and the record's number."""
    records = [record for found in parts.values() for record in found]
    number = iter(range(len(records)))
    asked_of: dict[str, set[str]] = {}
    for record in records:
        asked_of.setdefault(record.values.get("kind", ""), set()).add(likeness_of(asked_text(record.values)))

    def kind(record: Record) -> str:
        name = str(record.values.get("kind", ""))
        return name if len(asked_of[name]) >= _LEAST_OF_A_KIND else ""

    stand_ins = {
        part: [Row(asked_text(r.values), kind(r), next(number)) for r in found]
        for part, found in parts.items()
    }
    return {part: [records[row.line] for row in rows] for part, rows in divide(stand_ins).items()}


def gathered(records: Sequence[Record]) -> list[Record]:
    """Rows that ask the same become one: the first, with all answers as its references."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(likeness_of(asked_text(record.values)), []).append(record)
    return [found[0] if len(found) == 1 else _with_references(found) for found in groups.values()]


def _with_references(records: Sequence[Record]) -> Record:
    texts = [text for r in records for text in (r.values["completion"], *r.values.get("references", ()))]
    references = list(dict.fromkeys(texts))
    values = dict(records[0].values)
    if len(references) > 1:
        values["references"] = references
    return Record(ordered(values), records[0].line)


def repeated_prompts(records: Sequence[Record]) -> int:
    """How many prompts have more than one answer."""
    answers: dict[str, set[str]] = {}
    for record in records:
        answers.setdefault(likeness_of(asked_text(record.values)), set()).add(record.values["completion"])
    return sum(len(found) > 1 for found in answers.values())
