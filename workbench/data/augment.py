"""More training rows from those there are: the table of augmenters, their options checked, and where they may act."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.data import translate, word_edits
from workbench.data.augmenter import MARK, Augmenter, Progress, Row, text_of
from workbench.data.clean import key
from workbench.data.faults import DataError
from workbench.options import Options, unknown_names

AUGMENTERS: Mapping[str, Augmenter] = {one.name: one for one in (word_edits.AUGMENTER, translate.AUGMENTER)}
MOST_NEW_ROWS = 500_000
_WORDS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Augmented:
    """The training rows with the new ones at their end. `dropped` new rows repeated a text that there was already."""

    rows: list[dict[str, Any]]
    made: Mapping[str, int]
    dropped: int = 0

    @property
    def sentence(self) -> str:
        made = ", ".join(f"{count:,} by {augmenter(name).title.lower()}" for name, count in self.made.items())
        doubles = f"; {self.dropped:,} more repeated a text that was there already" if self.dropped else ""
        return f"New training rows: {made}{doubles}"


def augmenter(name: str) -> Augmenter:
    """The augmenter of that name; DataError with the nearest name when there is none."""
    if name not in AUGMENTERS:
        raise DataError(unknown_names("augmentation", [name], AUGMENTERS), code="augment")
    return AUGMENTERS[name]


def check_augment(given: Any) -> dict[str, dict[str, Any]]:
    """`{synonyms: {share: 0.2}}` with every option spelt out: what a data spec records. DataError says what is wrong."""
    if given in (None, "", (), [], {}):
        return {}
    if isinstance(given, str):
        given = {given: {}}
    if not isinstance(given, Mapping):
        raise DataError(
            f"augment is a mapping such as {{synonyms: {{share: 0.1, copies: 1}}}}, not {given!r:.80}",
            code="augment",
        )
    return {str(name): options_of(augmenter(str(name)), values).to_dict() for name, values in given.items()}


def options_of(tool: Augmenter, values: Any) -> Options:
    if not isinstance(values, Mapping | None):
        raise DataError(
            f"augment: {tool.name}: options are a mapping such as {{copies: 2}}, not {values!r:.80}",
            code="augment",
        )
    try:
        return tool.options.from_dict(dict(values or {}))
    except ValueError as error:
        raise DataError(f"augment: {tool.name}: {error}", code="augment") from None


def augment_training(
    parts: Mapping[str, Sequence[Row]],
    given: Mapping[str, Mapping[str, Any]],
    seed: int,
    *,
    labels: Sequence[str] = (),
    progress: Say | None = None,
    wait: bool = True,
) -> Augmented:
    """New rows for the training part alone, each made from a row that is there; none has the text of any other row.

    Without `wait`, work of minutes that was not done before is a DataError (waiting)."""
    train = [dict(row) for row in parts["train"]]
    seen = {key(text_of(row)) for rows in parts.values() for row in rows}
    new: list[dict[str, Any]] = []
    made: dict[str, int] = {}
    dropped = 0
    for name, values in check_augment(given).items():
        tool = augmenter(name)
        options = options_of(tool, values)
        if reason := tool.unusable(options):
            raise DataError(f"augment: {name}: {reason}", code="augment")
        if not wait and not tool.done([text_of(row) for row in train], options, seed):
            raise DataError(
                f"{tool.title} of these {len(train):,} training rows takes minutes and is not done yet: start it under"
                " Data tools",
                code="waiting",
            )
        found = tool.augment(
            train,
            options,
            seed,
            kept=[kept_words(row, labels) for row in train],
            progress=_named(progress, name),
        )
        fresh = []
        for row in found:
            if (text := key(text_of(row))) in seen or not text:
                dropped += 1
                continue
            seen.add(text)
            fresh.append(row)
        made[name] = len(fresh)
        new += fresh
        if len(new) > MOST_NEW_ROWS:
            raise DataError(
                f"augment: {len(new):,} new rows are too many, at most {MOST_NEW_ROWS:,}: lower copies",
                code="augment",
            )
    return Augmented([*train, *new], made, dropped)


def kept_words(row: Row, labels: Sequence[str]) -> frozenset[str]:
    """Words that have to stay: those of the labels, and those that an answer takes up from the prompt."""
    answers = [str(row.get(name) or "") for name in ("completion", "chosen", "rejected", "answer")]
    given = " ".join([*labels, *answers, *map(str, row.get("references") or ())])
    return frozenset(word.casefold() for word in _WORDS.findall(given))


def _named(progress: Say | None, name: str) -> Progress | None:
    if progress is None:
        return None
    return lambda done, total: progress(name, done, total)


def is_new(row: Row) -> bool:
    """Was this row made by an augmenter?"""
    return bool(row.get(MARK))


def marked(before: str, after: str) -> list[tuple[str, str]]:
    """The new text in pieces, each with `same` or `new`; what left the old text is a piece with `gone`."""
    old, new = (re.findall(r"\s+|\w+|[^\w\s]", text) for text in (before, after))
    pieces: list[tuple[str, str]] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append(("".join(new[c:d]), "same"))
            continue
        if a < b:
            pieces.append(("".join(old[a:b]), "gone"))
        if c < d:
            pieces.append(("".join(new[c:d]), "new"))
    return pieces
