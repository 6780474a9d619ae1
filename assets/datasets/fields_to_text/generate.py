"""Write train.jsonl, validation.jsonl and test.jsonl of the `fields_to_text` data set from frames.toml.

Run: python assets/datasets/fields_to_text/generate.py
"""

import json
import random
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SEED = 20240613
SIZES = {"train": 1200, "validation": 150, "test": 250}
FIELD_SETS = {"validation": 0.1, "test": 0.2}  # shares of the field sets that no other part has
REFERENCES = (3, 4)
LONGEST = 4  # sentences in one text
RESTAURANT_SHARE = 0.6

GRAMMAR: dict[str, Any] = tomllib.loads((HERE / "frames.toml").read_text(encoding="utf-8"))
SLOT = re.compile(r"\{(\w+)(?:\.(\w+))?\}")


@dataclass(frozen=True)
class Sentence:
    """One frame with its options settled; `frame` numbers the frame it came from."""

    frame: int
    text: str
    fields: frozenset[str]


@dataclass(frozen=True)
class Row:
    prompt: str
    references: tuple[str, ...]
    domain: str
    fields: frozenset[str]


def settle(frame: str) -> set[str]:
    """All ways of settling the options [a/b] of a frame, innermost first."""
    match = re.search(r"\[([^\[\]/]*)(?:/([^\[\]]*))?\]", frame)
    if not match:
        return {frame}
    chosen = (match[1], match[2] or "")
    return {text for part in chosen for text in settle(frame[: match.start()] + part + frame[match.end() :])}


@cache
def sentences(domain: str, place: str) -> tuple[Sentence, ...]:
    """Sentences of a domain at one place: `first` or `later`. A first one says more than the name and "a place"."""
    found = []
    for number, frame in enumerate(GRAMMAR[domain][place]):
        for text in sorted(settle(frame)):
            slots = [name for name, _ in SLOT.findall(text)]
            once = len(slots) == len(set(slots))
            if once and len(slots) > (place == "first") and not re.search(r" a place[,.]", text):
                found.append(Sentence(number, text, frozenset(slots)))
    return tuple(found)


def field_sets(rng: random.Random, domain: str) -> dict[str, list[frozenset[str]]]:
    """Which fields stand together, apart for each part."""
    grammar = GRAMMAR[domain]
    sizes = range(grammar["fewest"], grammar["most"] + 1)
    sets = [frozenset(chosen) for size in sizes for chosen in combinations(grammar["fields"], size)]
    sets = [chosen for chosen in sets if chosen - {"day", "time"}]
    rng.shuffle(sets)
    parts: dict[str, list[frozenset[str]]] = {}
    for part, share in FIELD_SETS.items():
        count = round(share * len(sets))
        parts[part], sets = sets[:count], sets[count:]
    return parts | {"train": sets}


def draw_values(rng: random.Random, domain: str, part: str, chosen: frozenset[str]) -> dict[str, str]:
    """Values of the chosen fields, in random order after the name, that can be true together."""
    known = GRAMMAR[domain]["values"]
    key = GRAMMAR[domain]["key"]
    while True:
        fields = rng.sample(sorted(chosen), len(chosen))
        values = {key: rng.choice(known[key][part])} | {f: rng.choice(list(known[f])) for f in fields}
        rain, cold = values.get("rain"), "zero" in values.get("temperature", "")
        bright = values.get("sky") in ("sunny", "clear")
        if not (
            (bright and rain not in (None, "none"))
            or (cold and rain in ("light", "heavy"))
            or (rain == "snow" and "temperature" in values and not cold)
            or (values.get("sky") == "sunny" and values.get("time") == "evening")
        ):
            return values


def surface(rng: random.Random, domain: str, values: dict[str, str], field: str, form: str) -> str:
    """How the value of a field is said."""
    if field == "when":
        if "time" not in values:
            return str(GRAMMAR[domain]["values"]["day"][values["day"]])
        if "day" not in values:
            return f"in the {values['time']}"
        return f"{GRAMMAR[domain]['values']['day'][values['day']]} {values['time']}"
    known = GRAMMAR[domain]["values"][field]
    said = known[values[field]] if isinstance(known, dict) and values[field] in known else values[field]
    if isinstance(said, dict):
        said = said[form]
    return str(rng.choice(said)) if isinstance(said, list) else str(said)


def plan(rng: random.Random, domain: str, fields: frozenset[str]) -> list[Sentence]:
    """Sentences that together say each field once."""
    while True:
        first = [s for s in sentences(domain, "first") if s.fields <= fields]
        first = [s for s in first if ("when" in s.fields) == ("when" in fields)]
        first = [s for s in first if ("kind" in s.fields) >= ("kind" in fields and " place" in s.text)]
        number = rng.choice(sorted({s.frame for s in first}))
        chosen = [rng.choice([s for s in first if s.frame == number])]
        left = fields - chosen[0].fields
        while left:
            fitting = [s for s in sentences(domain, "later") if s.fields <= left]
            chosen.append(rng.choice(fitting))
            left -= chosen[-1].fields
        starts = [" ".join(s.text.split()[:2]) for s in chosen[1:]]
        if len(chosen) <= LONGEST and len(set(starts)) == len(starts):
            return chosen


def write_text(rng: random.Random, domain: str, values: dict[str, str], chosen: list[Sentence]) -> str:
    text = " ".join(sentence.text for sentence in chosen)
    text = SLOT.sub(lambda match: surface(rng, domain, values, match[1], match[2]), text)
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
    return re.sub(r"(^|[.?] )([a-z])", lambda match: match[1] + match[2].upper(), text)


def make_row(rng: random.Random, domain: str, part: str, chosen: frozenset[str]) -> Row:
    """One row; its references open with frames of their own, as long as there are any."""
    values = draw_values(rng, domain, part, chosen)
    said = frozenset("when" if field in ("day", "time") else field for field in values)
    wanted = rng.randint(*REFERENCES)
    texts: dict[str, int] = {}
    for attempt in range(200):
        sentence_plan = plan(rng, domain, said)
        frame = sentence_plan[0].frame
        if frame not in texts.values() or attempt > 60:
            texts.setdefault(write_text(rng, domain, values, sentence_plan), frame)
        if len(texts) == wanted:
            break
    prompt = " | ".join(f"{field}: {value}" for field, value in values.items())
    return Row(prompt, tuple(texts), domain, chosen)


def build() -> dict[str, list[Row]]:
    """All parts: field sets and names of their own, no prompt twice."""
    rng = random.Random(SEED)
    sets = {domain: field_sets(rng, domain) for domain in GRAMMAR}
    seen: set[frozenset[str]] = set()
    parts: dict[str, list[Row]] = {}
    for part, size in SIZES.items():
        rows: list[Row] = []
        while len(rows) < size:
            domain = "restaurant" if len(rows) < RESTAURANT_SHARE * size else "weather"
            row = make_row(rng, domain, part, sets[domain][part][len(rows) % len(sets[domain][part])])
            fields = frozenset(row.prompt.split(" | "))
            if fields not in seen:
                seen.add(fields)
                rows.append(row)
        rng.shuffle(rows)
        parts[part] = rows
    return parts


def write(folder: Path = HERE) -> None:
    for part, rows in build().items():
        with (folder / f"{part}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                values = {"prompt": row.prompt, "completion": row.references[0], "references": row.references}
                file.write(json.dumps(values, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write()
