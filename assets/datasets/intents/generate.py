"""Write train.csv, validation.csv and test.csv of the `intents` data set from frames.toml.

Run: python assets/datasets/intents/generate.py
"""

import csv
import random
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SEED = 20240612
ROWS_PER_INTENT = {"train": 134, "validation": 25, "test": 41}

OPENER_SHARE = 0.25
CLOSER_SHARE = 0.15
QUOTE_SHARE = 0.2  # messages that quote a whole question of another intent
DISTRACTOR_SHARE = 0.35  # messages with a sentence that names another intent
CLOSE_SHARE = 0.5  # how often that other intent is one that is easily confused with the message's own

GRAMMAR: dict[str, Any] = tomllib.loads((HERE / "frames.toml").read_text(encoding="utf-8"))
LABELS = tuple(sorted(GRAMMAR["intents"]))


@dataclass(frozen=True)
class Row:
    text: str
    label: str
    templates: tuple[str, ...]


@cache
def templates(part: str) -> dict[str, str]:
    """Frames of one part by id, such as `track_order/test/3`."""
    return {
        f"{intent}/{part}/{number}": frame
        for intent in LABELS
        for number, frame in enumerate(GRAMMAR["intents"][intent][part])
    }


def expand(rng: random.Random, frame: str, other: str) -> str:
    """Settle the choices of a frame; what it says of another intent is said of `other`. No word is used twice."""
    used: set[str] = set()

    def fill(match: re.Match[str]) -> str:
        slot = match[1]
        words = GRAMMAR["intents"][other][slot] if slot in ("want", "past") else GRAMMAR["words"][slot]
        word: str = rng.choice([word for word in words if word not in used])
        used.add(word)
        return word

    frame = re.sub(r"<([^>]*)>", lambda match: rng.choice(match[1].split("|")), frame)
    text = re.sub(r"\{(\w+)\}", fill, frame).strip()
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
    text = re.sub(r" +(?=[ ,.?])", "", text)
    return re.sub(r'(^|[.!?]"? |(?:^| )")([a-z])', lambda match: match[1] + match[2].upper(), text)


def message(rng: random.Random, part: str, template: str) -> Row:
    frames = templates(part)
    intent = template.split("/")[0]
    other = rng.choice([name for name in LABELS if name != intent])
    if rng.random() < CLOSE_SHARE:
        other = rng.choice(GRAMMAR["close"][intent])
    used = [template]
    sentences = [frames[template]]
    draw = rng.random()
    if draw < QUOTE_SHARE:
        used.append(rng.choice([name for name in frames if name.startswith(f"{other}/")]))
        quote = rng.choice(GRAMMAR["quotes"][part])
        sentences = [quote.replace("{ask}", frames[template]).replace("{foreign}", frames[used[1]])]
    elif draw < QUOTE_SHARE + DISTRACTOR_SHARE:
        sentences.insert(rng.random() < 0.3, rng.choice(GRAMMAR["distractors"][part]))
    if rng.random() < OPENER_SHARE:
        sentences.insert(0, rng.choice(GRAMMAR["openers"][part]))
    if rng.random() < CLOSER_SHARE:
        sentences.append(rng.choice(GRAMMAR["closers"][part]))
    return Row(expand(rng, " ".join(sentences), other), intent, tuple(used))


def build() -> dict[str, list[Row]]:
    """All parts: intents in equal numbers, the frames of each in turn, no text twice."""
    rng = random.Random(SEED)
    seen: set[str] = set()
    parts: dict[str, list[Row]] = {}
    for part, count in ROWS_PER_INTENT.items():
        rows: list[Row] = []
        for intent in LABELS:
            ids = [name for name in templates(part) if name.startswith(f"{intent}/")]
            for turn in range(count):
                row = message(rng, part, ids[turn % len(ids)])
                while row.text in seen:
                    row = message(rng, part, ids[turn % len(ids)])
                seen.add(row.text)
                rows.append(row)
        rng.shuffle(rows)
        parts[part] = rows
    return parts


def write(folder: Path = HERE) -> None:
    for part, rows in build().items():
        with (folder / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["text", "label"])
            writer.writerows((row.text, row.label) for row in rows)


if __name__ == "__main__":
    write()
