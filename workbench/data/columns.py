"""Which column is the text and which the label: by name, else by content; and rows with these two from every part."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from workbench.data.clean import Row
from workbench.data.column_names import LABEL_NAMES, PAIRS, TEXT_NAMES, plain
from workbench.data.faults import DataError, listed, shown
from workbench.data.grid import LINE
from workbench.data.open import RawData
from workbench.options import unknown_names

_WITHOUT_LABEL = {"", "-1", "-1.0"}
_SEEN_ROWS = 2000


@dataclass(frozen=True)
class Labelled:
    """Rows of every usable part under the names of the main part; `notes` say what was left out or renamed."""

    parts: Mapping[str, list[Row]]
    text: str
    label: str
    notes: tuple[str, ...]


def guess_columns(raw: RawData, *, text: str | None = None, label: str | None = None) -> tuple[str, str]:
    """The text and the label column of the main part. DataError (columns) says what was found when they aren't clear."""
    frame = next(iter(raw.parts.values()))
    where = next(iter(raw.files.values()), raw.source)
    columns = list(raw.flat_columns)
    if not columns:
        raise DataError(
            f"{where} holds lists or objects in {', '.join(raw.columns)} (conversations?); classification needs one"
            " text and one label for each row",
            code="columns",
        )
    for given in (text, label):
        if given is not None and given not in columns:
            raise DataError(f"{where}: {unknown_names('column', [given], columns)}", code="columns")
    if text is not None and text == label:
        raise DataError(
            f"text and label are both column {text!r}; name two columns of {listed(columns)}", code="columns"
        )
    if text is None and (pair := _pair(columns)):
        raise DataError(
            f"{where} holds sentence pairs ({pair[0]}, {pair[1]}); pairs are not supported: name one text column, for"
            f" example text: {pair[0]}",
            code="columns",
        )
    facts = {name: _Facts.of(frame[name]) for name in columns}
    label = label or _label(facts, text)
    if label is None:
        raise DataError(
            f"{where}: no column looks like labels, a few values that recur (columns: {listed(columns, 10)}); name it"
            " with label, and the text with text",
            code="columns",
        )
    text = text or _text(facts, label)
    if text is None:
        raise DataError(
            f"{where}: no column besides {label!r} looks like texts (columns: {listed(columns, 10)}); name it with text",
            code="columns",
        )
    return text, label


def labelled(raw: RawData, *, text: str | None = None, label: str | None = None) -> Labelled:
    """The rows of every part; a validation or test part without labels is left out, and a note says so."""
    text, label = guess_columns(raw, text=text, label=label)
    notes: list[str] = []
    if raw.nested:
        notes.append(f"{raw.source}: {', '.join(sorted(raw.nested))} left out (lists or objects, not texts)")
    parts: dict[str, list[Row]] = {}
    for number, (part, frame) in enumerate(raw.parts.items()):
        columns = [name for name in frame.columns if name != LINE and name not in raw.nested]
        own_label = label if label in columns else _only(columns, LABEL_NAMES)
        if number and (own_label is None or set(frame[own_label].str.strip()) <= _WITHOUT_LABEL):
            notes.append(f"the {part} part ({raw.files.get(part, part)}) has no labels and is left out")
            continue
        if own_label is None:
            raise DataError(f"{part}: {unknown_names('column', [label], columns)}", code="columns")
        own_text = text if text in columns else _other_text(frame, columns, own_label)
        if own_text is None:
            raise DataError(
                f"the {part} part ({raw.files.get(part, part)}) has no column {text!r} (columns: {listed(columns, 10)});"
                " name the columns alike in all parts",
                code="columns",
            )
        notes += [
            f"the {part} part calls the {what} column {shown(own, 30)!r}; it is read as {wanted!r}"
            for what, own, wanted in (("text", own_text, text), ("label", own_label, label))
            if own != wanted
        ]
        cells = zip(frame[own_text].tolist(), frame[own_label].tolist(), frame[LINE].tolist())
        parts[part] = [Row(t, n, line) for t, n, line in cells]
    return Labelled(parts, text, label, tuple(notes))


@dataclass(frozen=True)
class _Facts:
    """What the first rows of a column show."""

    distinct: int
    filled: int
    mean_length: float
    numeric: bool

    @classmethod
    def of(cls, column: pd.Series) -> _Facts:
        cells = [cell for cell in column.head(_SEEN_ROWS).tolist() if cell.strip()]
        numeric = bool(cells) and all(_NUMBER.match(cell) for cell in cells[:200])
        length = sum(map(len, cells)) / len(cells) if cells else 0.0
        return cls(len(set(cells)), len(cells), length, numeric)

    @property
    def recurs(self) -> bool:
        """Few values that come again, as labels do."""
        return 1 <= self.distinct <= max(2, min(300, self.filled // 2)) and self.mean_length <= 60

    @property
    def varies(self) -> bool:
        return not self.numeric and self.distinct > max(1, self.filled // 3)


_NUMBER = re.compile(r"\s*[-+]?\d+([.,]\d+)?\s*\Z")


def _pair(columns: Sequence[str]) -> tuple[str, str] | None:
    names = {plain(column): column for column in columns}
    return next(((names[a], names[b]) for a, b in PAIRS if a in names and b in names), None)


def _label(facts: Mapping[str, _Facts], text: str | None) -> str | None:
    others = {name: fact for name, fact in facts.items() if name != text}
    named = _named(list(others), LABEL_NAMES)
    if named is not None and (others[named].recurs or plain(named) in ("label", "labels", "标签")):
        return named
    recurring = [name for name, fact in others.items() if fact.recurs and fact.distinct > 1]
    # Classes written as words before numbers, then the fewest, then the last column.
    return min(
        recurring, key=lambda n: (others[n].numeric, others[n].distinct, -list(others).index(n)), default=None
    )


def _text(facts: Mapping[str, _Facts], label: str) -> str | None:
    others = {name: fact for name, fact in facts.items() if name != label and fact.filled}
    if (named := _named(list(others), TEXT_NAMES)) is not None:
        return named
    varied = [name for name, fact in others.items() if fact.varies]
    if varied:
        return max(varied, key=lambda n: others[n].mean_length)
    left = [name for name, fact in others.items() if not fact.numeric]
    return left[0] if len(left) == 1 else None


def _other_text(frame: pd.DataFrame, columns: Sequence[str], label: str) -> str | None:
    """The text column of a part that calls it differently (GLUE copies do)."""
    return _text({name: _Facts.of(frame[name]) for name in columns}, label)


def _only(columns: Sequence[str], names: Sequence[str]) -> str | None:
    found = [column for column in columns if plain(column) in names]
    return found[0] if len(found) == 1 else None


def _named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column with the best known name: the whole name before one of its words (`customer_review`)."""
    by_name = {plain(column): column for column in reversed(columns)}
    for name in names:
        if name in by_name:
            return by_name[name]
    for name in names:
        for known, column in by_name.items():
            if len(name) > 1 and (name in known.split("_") or (not name.isascii() and name in known)):
                return column
    return None
