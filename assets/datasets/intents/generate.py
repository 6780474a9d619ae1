"""Write train.csv, validation.csv and test.csv of the `intents` data set from frames.toml.

Run: python assets/datasets/intents/generate.py
"""

import csv
import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEED = 20240612
ROWS_PER_INTENT = {"train": 134, "validation": 25, "test": 41}
OPENER_SHARE = 0.25
CLOSER_SHARE = 0.15
DISTRACTOR_SHARE = 0.35
QUOTE_SHARE = 0.2
CLOSE_SHARE = 0.5

GRAMMAR = tomllib.loads((HERE / "frames.toml").read_text(encoding="utf-8"))
INTENTS = sorted(GRAMMAR["intents"])


@dataclass(frozen=True)
class Row:
    text: str
    label: str
    template: str


def templates(part: str) -> dict[str, str]:
    """Frames of one part by id, such as `track_order/test/3`."""
    return {
        f"{intent}/{part}/{number}": frame
        for intent in INTENTS
        for number, frame in enumerate(GRAMMAR["intents"][intent][part])
    }


def expand(rng: random.Random, frame: str, other: str) -> str:
    """Fill a frame; distractors speak of the intent `other`, and no word is used twice for the same slot."""
    used: set[str] = set()

    def fill(match: re.Match[str]) -> str:
        slot = match[1]
        words = GRAMMAR["intents"][other][slot] if slot in ("want", "past") else GRAMMAR["words"][slot]
        word: str = rng.choice([word for word in words if word not in used])
        used.add(word)
        return word

    frame = re.sub(r"<([^>]*)>", lambda match: rng.choice(match[1].split("|")), frame)
    text = re.sub(r"\{(\w+)\}", fill, frame)
    text = re.sub(r"\ba (?=[aeiou])", "an ", text)
    return re.sub(r"(^|[.!?:] )([a-z])", lambda match: match[1] + match[2].upper(), text)


def message(rng: random.Random, part: str, template: str) -> Row:
    intent = template.split("/")[0]
    frames = templates(part)
    other = rng.choice([name for name in INTENTS if name != intent])
    if rng.random() < CLOSE_SHARE:
        other = rng.choice(GRAMMAR["close"][intent])
    sentences = [frames[template]]
    draw = rng.random()
    if draw < QUOTE_SHARE:
        foreign = frames[rng.choice([name for name in frames if name.startswith(f"{other}/")])]
        quote = rng.choice(GRAMMAR["quotes"][part])
        sentences = [quote.replace("{ask}", frames[template]).replace("{foreign}", foreign)]
    elif draw < QUOTE_SHARE + DISTRACTOR_SHARE:
        sentences.insert(rng.random() < 0.3, rng.choice(GRAMMAR["distractors"][part]))
    if rng.random() < OPENER_SHARE:
        sentences.insert(0, rng.choice(GRAMMAR["openers"][part]))
    if rng.random() < CLOSER_SHARE:
        sentences.append(rng.choice(GRAMMAR["closers"][part]))
    return Row(expand(rng, " ".join(sentences), other), intent, template)


def build() -> dict[str, list[Row]]:
    """All parts: intents in equal numbers, the frames of each in turn, no text twice."""
    rng = random.Random(SEED)
    seen: set[str] = set()
    parts: dict[str, list[Row]] = {}
    for part, count in ROWS_PER_INTENT.items():
        rows: list[Row] = []
        for intent in INTENTS:
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
