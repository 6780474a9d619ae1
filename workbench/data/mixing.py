"""Several data sets of one task as one: rows drawn in proportion, labels united, nobody's test rows in another's training part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench.data.augmenter import text_of
from workbench.data.clean import Row, key
from workbench.data.column_names import PART_ORDER
from workbench.data.faults import DataError, Fault, count_of, shown
from workbench.data.split import subset
from workbench.options import unknown_names

SOURCE = "source"
MOST_SOURCES = 20
PlainRow = Mapping[str, Any]
Parts = Mapping[str, Sequence[PlainRow]]


@dataclass(frozen=True)
class MixEntry:
    """A further data set. `rows` of its training rows are taken, or as many as make up `share` of the mixed training
    part; all of them without either. `labels` renames its labels, `prefix` is put before those that are left."""

    source: str
    rows: int | None = None
    share: float | None = None
    text: str | None = None
    label: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    fixes: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.source, str) or not self.source.strip():
            raise _wrong(f"every entry needs a source (a name, a path or a Hub id), not {self.source!r:.80}")
        if self.rows is not None and self.share is not None:
            raise _wrong(f"{self.title}: give rows or share, not both")
        if self.rows is not None and (
            isinstance(self.rows, bool) or not isinstance(self.rows, int) or self.rows < 1
        ):
            raise _wrong(f"{self.title}: rows is a whole number of at least 1, not {self.rows!r}")
        if self.share is not None and (
            isinstance(self.share, bool) or not isinstance(self.share, int | float) or not 0 < self.share < 1
        ):
            raise _wrong(f"{self.title}: share is a number between 0 and 1, not {self.share!r}")
        if not isinstance(self.labels, Mapping):
            raise _wrong(
                f"{self.title}: labels maps old names to new ones, such as {{pos: positive}}, not {self.labels!r:.80}"
            )
        for name in ("text", "label", "prefix", "name"):
            if not isinstance(getattr(self, name) or "", str):
                raise _wrong(f"{self.title}: {name} is a text, not {getattr(self, name)!r:.80}")
        if not isinstance(self.fixes, list | tuple) or not all(isinstance(fix, str) for fix in self.fixes):
            raise _wrong(f"{self.title}: fixes is a list such as [drop_duplicates], not {self.fixes!r:.80}")
        object.__setattr__(self, "labels", {str(old): str(new) for old, new in self.labels.items()})
        object.__setattr__(self, "fixes", tuple(self.fixes))

    @property
    def title(self) -> str:
        """What rows and reports call this source."""
        return shown(self.name or source_title(self.source), 60)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without what was left out: what a data spec records."""
        return {
            k: list(v) if isinstance(v, tuple) else v
            for k, v in asdict(self).items()
            if v not in (None, "", (), {})
        }


@dataclass(frozen=True)
class Mixed:
    """Three parts with the source of every row, and what was said on the way."""

    parts: dict[str, list[dict[str, Any]]]
    notes: tuple[str, ...]
    faults: tuple[Fault, ...] = ()


def check_mix(given: Any) -> tuple[MixEntry, ...]:
    """The entries of `mix:`, checked. DataError names an unknown key with the nearest known one."""
    if given in (None, "", (), []):
        return ()
    if isinstance(given, Mapping) or not isinstance(given, list | tuple):
        raise _wrong(f"a list such as [{{source: intents, share: 0.3}}], not {given!r:.80}")
    if len(given) > MOST_SOURCES:
        raise _wrong(f"at most {MOST_SOURCES} further sources, not {len(given)}")
    known = list(MixEntry.__dataclass_fields__)
    entries = []
    for item in given:
        values = {"source": item} if isinstance(item, str) else item
        if isinstance(values, MixEntry):
            values = values.to_dict()
        if not isinstance(values, Mapping):
            raise _wrong(f"an entry is a source or {{source: NAME, share: 0.3}}, not {item!r:.80}")
        if unknown := [str(name) for name in values if name not in known]:
            raise _wrong(unknown_names("key", unknown, known))
        if "source" not in values:
            raise _wrong(
                f"every entry needs a source (a name, a path or a Hub id); {dict(values)!r:.80} has none"
            )
        entries.append(MixEntry(**values))
    shares = sum(entry.share or 0 for entry in entries)
    if shares >= 1:
        raise _wrong(f"the shares add up to {shares:g}; below 1 leaves room for the main data set")
    return tuple(entries)


def mixed(main: Parts, main_title: str, others: Sequence[tuple[MixEntry, Parts]], *, seed: int) -> Mixed:
    """Join the parts of all sources. Each source gives the same fraction of its validation and test rows as of its
    training rows, so that all parts have the same proportions."""
    titles = _titles(main_title, [entry for entry, _ in others])
    taken = _taken(len(main["train"]), others)
    sources: list[tuple[str, Parts]] = [(titles[0], main)]
    for title, (entry, parts), number in zip(titles[1:], others, taken):
        sources.append((title, _drawn(renamed(parts, entry), number, seed)))
    joined: dict[str, list[dict[str, Any]]] = {part: [] for part in PART_ORDER}
    for title, parts in sources:
        for part in PART_ORDER:
            joined[part] += [{**row, SOURCE: title} for row in parts[part]]
    clean, faults = _without_leaks(joined)
    counts = Counter(str(row[SOURCE]) for row in clean["train"])
    total = max(sum(counts.values()), 1)
    shares = ", ".join(f"{name} {count:,} ({count / total:.0%})" for name, count in counts.items())
    return Mixed(clean, (f"Training rows by source: {shares}",), tuple(faults))


def renamed(parts: Parts, entry: MixEntry) -> dict[str, list[dict[str, Any]]]:
    """The rows with the labels that they have in the mix. DataError where a label to rename is not there."""
    found = {str(row["label"]) for rows in parts.values() for row in rows if "label" in row}
    if not found:
        if entry.labels or entry.prefix:
            raise _wrong(
                f"{entry.title}: labels and prefix are for classification; these rows have no labels"
            )
        return {part: [dict(row) for row in rows] for part, rows in parts.items()}
    if unknown := [label for label in entry.labels if label not in found]:
        raise _wrong(f"{entry.title}: " + unknown_names("label", unknown, sorted(found)))
    names = {label: entry.labels.get(label, entry.prefix + label) for label in found}
    return {
        part: [{**row, "label": names[str(row["label"])]} for row in rows] for part, rows in parts.items()
    }


def drawn(rows: Sequence[PlainRow], number: int | None, seed: int) -> list[PlainRow]:
    """`number` rows, stratified by label (by source too, in a mix); a smaller draw lies within a larger one."""
    marks = [
        Row(text_of(row), f"{row.get(SOURCE, '')}\n{row.get('label', row.get('kind') or '')}", place)
        for place, row in enumerate(rows)
    ]
    return [rows[row.line] for row in subset(marks, number, seed)]


def _taken(main_rows: int, others: Sequence[tuple[MixEntry, Parts]]) -> list[int]:
    """How many training rows each further source gives."""
    fixed = [entry.rows if entry.rows is not None else len(parts["train"]) for entry, parts in others]
    rest = 1 - sum(entry.share or 0 for entry, _ in others)
    base = main_rows + sum(n for n, (entry, _) in zip(fixed, others) if entry.share is None)
    numbers = []
    for number, (entry, parts) in zip(fixed, others):
        wanted = number if entry.share is None else max(1, round(base / rest * entry.share))
        there = len(parts["train"])
        if wanted > there:
            asked = (
                f"{wanted:,} rows"
                if entry.share is None
                else f"a share of {entry.share:g}, which is {wanted:,} rows"
            )
            raise _wrong(
                f"{entry.title} has {there:,} training rows and {asked} are asked: give at most {there:,} rows"
            )
        numbers.append(wanted)
    return numbers


def _drawn(parts: Parts, number: int, seed: int) -> dict[str, list[PlainRow]]:
    fraction = number / len(parts["train"])
    found: dict[str, list[PlainRow]] = {}
    for part in PART_ORDER:
        wanted = number if part == "train" else max(1, round(fraction * len(parts[part])))
        found[part] = drawn(parts[part], wanted, seed)
    return found


def _titles(main: str, entries: Sequence[MixEntry]) -> list[str]:
    """A name for each source, no two alike."""
    titles: list[str] = []
    for name in (main, *(entry.title for entry in entries)):
        same = sum(title == name or title.startswith(f"{name} #") for title in titles)
        titles.append(f"{name} #{same + 1}" if same else name)
    return titles


def _without_leaks(
    parts: dict[str, list[dict[str, Any]]],
) -> tuple[dict[str, list[dict[str, Any]]], list[Fault]]:
    """Test rows stay; a row with the same text leaves validation and train, and validation's leave train. Of equal
    training rows the first stays; where sources give one text different labels, all of them leave."""
    clean: dict[str, list[dict[str, Any]]] = {}
    faults: list[Fault] = []
    seen: set[str] = set()
    for part in reversed(PART_ORDER):
        answers: dict[str, set[str]] = {}
        owners: dict[str, set[str]] = {}
        for row in parts[part]:
            answers.setdefault(key(text_of(row)), set()).add(_answer(row))
            owners.setdefault(key(text_of(row)), set()).add(str(row[SOURCE]))
        kept: list[dict[str, Any]] = []
        lost: Counter[str] = Counter()
        first: dict[tuple[str, str], str] = {}
        for row in parts[part]:
            text, answer, source = key(text_of(row)), _answer(row), str(row[SOURCE])
            if text in seen:
                lost["overlap"] += 1
            elif "label" in row and len(answers[text]) > 1 and len(owners[text]) > 1:
                lost["conflicting"] += 1
            elif first.setdefault((text, answer), source) != source:
                lost["duplicates"] += 1
            else:
                kept.append(row)
        seen |= set(answers)
        clean[part] = kept
        faults += [_left_out(part, code, count) for code, count in lost.items()]
    return {part: clean[part] for part in PART_ORDER}, faults


_LEFT_OUT = {
    "overlap": "stand in the validation or test part of one of the sources",
    "conflicting": "have another label in another source",
    "duplicates": "stand in more than one source",
}


def _left_out(part: str, code: str, count: int) -> Fault:
    title = f"{count_of(count, 'row')} of {part} {_LEFT_OUT[code]}"
    return Fault(f"mix_{code}", "look", title, "They are left out of the mix.", count=count, file="mix")


def _answer(row: PlainRow) -> str:
    return str(row["label"] if "label" in row else row.get("completion", ""))


def source_title(source: str | Path) -> str:
    """The last part of a path; a name or a Hub id as it is."""
    text = str(source)
    return Path(text).name if text.startswith(("/", ".", "~")) or text.count("/") > 1 else text


def _wrong(sentence: str) -> DataError:
    return DataError(f"mix: {sentence}", code="mix")
