"""Write train.csv, validation.csv and test.csv of the `reviews_zh` data set from frames.toml and words.toml.

Run: python assets/datasets/reviews_zh/generate.py
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
SEED = 20240617
SIZES = {"train": 1200, "validation": 200, "test": 400}
LABELS = ("负面", "正面")
SECOND_SHARE = 0.5  # reviews that go on with a second frame of the same label
LEAD_SHARE = 0.3
DENIED_SHARE = 0.15  # clauses put as the denial of their opposite

GRAMMAR: dict[str, dict[str, Any]] = tomllib.loads((HERE / "frames.toml").read_text(encoding="utf-8"))
WORDS: dict[str, Any] = tomllib.loads((HERE / "words.toml").read_text(encoding="utf-8"))
OTHER = {"good": "bad", "bad": "good"}


@dataclass(frozen=True)
class Row:
    text: str
    label: str
    templates: tuple[str, ...]


@cache
def templates(part: str) -> dict[str, str]:
    """Frames of one part by id, such as `contrast/test/3`."""
    return {f"{p}/{part}/{i}": frame for p, entry in GRAMMAR.items() for i, frame in enumerate(entry[part])}


class Filler:
    """The choices of one review: one item, one other person, and no word or aspect used twice while there are others."""

    def __init__(self, rng: random.Random, positive: bool) -> None:
        self.rng, self.positive = rng, positive
        self.sides = {"+": "good", "-": "bad"} if positive else {"+": "bad", "-": "good"}
        kind = WORDS["kinds"][rng.choice(sorted(WORDS["kinds"]))]
        self.item, self.who = rng.choice(kind["items"]), rng.choice(WORDS["people"])
        self.all_aspects = kind["aspects"]
        self.aspects: list[dict[str, Any]] = []
        self.used: set[str] = set()

    def fill(self, frame: str) -> str:
        frame = re.sub(r"\[([^|\]]*)\|([^\]]*)\]", lambda match: match[1 if self.positive else 2], frame)
        frame = re.sub(r"<([^>]*)>", lambda match: self.rng.choice(match[1].split("|")), frame)
        return re.sub(r"\{([^}]*)\}", lambda match: self.slot(match[1]), frame)

    def slot(self, slot: str) -> str:
        if slot in ("item", "who"):
            return self.item if slot == "item" else self.who
        if slot.startswith("any"):
            return self.word("felt" if slot == "any_felt" else "adj", self.rng.choice(["good", "bad"]))
        side = self.sides[slot[0]]
        return self.clause(side) if slot[1:] == "clause" else self.word(slot[1:], side)

    def clause(self, side: str) -> str:
        """Say something of one aspect, now and then as the denial of the opposite: 房间一点也不吵."""
        if not self.aspects:
            self.aspects = self.rng.sample(self.all_aspects, len(self.all_aspects))
        aspect = self.aspects.pop()
        opposites = [word for word in aspect[OTHER[side]] if not re.match("[不没]", word)]
        if opposites and self.rng.random() < DENIED_SHARE:
            return f"{aspect['noun']}{self.rng.choice(['一点也不', '并不', '根本不'])}{self.rng.choice(opposites)}"
        word = self.rng.choice(aspect[side])
        degree = self.rng.choice(["很", "挺", "相当", "特别"]) if not re.match("[不没]", word) else ""
        return f"{aspect['noun']}{degree}{word}"

    def word(self, slot: str, side: str) -> str:
        words = [word for word in WORDS[slot][side] if word not in self.used]
        word: str = self.rng.choice(words or WORDS[slot][side])
        self.used.add(word)
        return word


def review(rng: random.Random, part: str, template: str, positive: bool) -> Row:
    frames, used = templates(part), [template]
    filler = Filler(rng, positive)
    if rng.random() < SECOND_SHARE:
        others = [name for name in frames if name.split("/")[0] != template.split("/")[0]]
        used.append(rng.choices(others, [GRAMMAR[name.split("/")[0]]["weight"] for name in others])[0])
    pieces = [frames[name] for name in used]
    if rng.random() < LEAD_SHARE:
        pieces.insert(0, rng.choice(WORDS["leads"][part]))
    return Row("".join(filler.fill(piece) for piece in pieces), LABELS[positive], tuple(used))


def build() -> dict[str, list[Row]]:
    """All parts: labels in equal numbers for each frame, phenomena by weight, frames in turn, no text twice."""
    rng = random.Random(SEED)
    turns = [phenomenon for phenomenon, entry in GRAMMAR.items() for _ in range(entry["weight"])]
    rng.shuffle(turns)
    seen: set[str] = set()
    parts: dict[str, list[Row]] = {}
    for part, size in SIZES.items():
        rows: list[Row] = []
        count = dict.fromkeys(GRAMMAR, 0)
        for turn in range(size // 2):
            phenomenon = turns[turn % len(turns)]
            template = f"{phenomenon}/{part}/{count[phenomenon] % len(GRAMMAR[phenomenon][part])}"
            count[phenomenon] += 1
            for positive in (False, True):
                row = review(rng, part, template, positive)
                while row.text in seen:
                    row = review(rng, part, template, positive)
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
