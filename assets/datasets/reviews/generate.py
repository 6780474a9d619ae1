"""Write train.csv, validation.csv and test.csv of the `reviews` data set from frames.toml and words.toml.

Run: python assets/datasets/reviews/generate.py
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
SEED = 20240611
SIZES = {"train": 1600, "validation": 300, "test": 500}
LABELS = ("negative", "positive")

SECOND_SHARE = 0.5  # reviews that go on with a second frame of the same label
PLAIN_SECOND_SHARE = 0.6  # of these, how many go on in plain words
LEAD_SHARE = 0.3
ASIDE_SHARE = 0.2
DENIED_SHARE = 0.12  # clauses put as the denial of their opposite
PAIR_SHARE = 0.12  # adjectives that come in twos

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
    return {
        f"{phenomenon}/{part}/{number}": frame
        for phenomenon, entry in GRAMMAR.items()
        for number, frame in enumerate(entry[part])
    }


class Filler:
    """The choices of one review: one item, one other person, and no word or aspect used twice."""

    def __init__(self, rng: random.Random, positive: bool) -> None:
        self.rng = rng
        self.positive = positive
        self.sides = {"+": "good", "-": "bad"} if positive else {"+": "bad", "-": "good"}
        self.kind = WORDS["kinds"][rng.choice(sorted(WORDS["kinds"]))]
        self.item, self.other = rng.sample(self.kind["items"], 2)
        self.aspects = rng.sample(self.kind["aspects"], len(self.kind["aspects"]))
        self.aspect = self.aspects[0]
        self.used: set[str] = set()
        self.several = rng.random() < 0.4
        self.who = rng.choice(WORDS["people"]["many" if self.several else "one"])

    def frame(self, frame: str) -> str:
        """Settle the choices of a frame: [by label] and <free>."""
        frame = re.sub(r"\[([^|\]]*)\|([^\]]*)\]", lambda match: match[1 if self.positive else 2], frame)
        return re.sub(r"<([^>]*)>", lambda match: self.rng.choice(match[1].split("|")), frame)

    def fill(self, frame: str) -> str:
        return re.sub(r"\{([^}]*)\}", lambda match: self.slot(match[1]), frame)

    def slot(self, slot: str) -> str:
        if slot[0] in "+-":
            return self.sided(slot[1:], slot[0])
        if slot in ("any", "any_a"):
            word = self.word("adj", self.rng.choice(["good", "bad"]))
            return with_article(word) if slot == "any_a" else word
        if slot == "aspect":
            self.aspect = self.aspects.pop()
            return str(self.aspect["noun"])
        words: dict[str, str] = {
            "it": f"the {self.item}",
            "item": self.item,
            "items": plural(self.item),
            "other": self.other,
            "other_a": with_article(self.other),
            "who": self.who,
            "they": "they" if self.several else pronoun(self.who),
            "was": "were" if self.several else "was",
            "again": self.rng.choice(self.kind["again"]),
            "doing": self.rng.choice(self.kind["doing"]),
        }
        return words[slot]

    def sided(self, name: str, sign: str) -> str:
        """Words that speak for one side."""
        side = self.sides[sign]
        if name in WORDS["phrases"]:
            return self.fill(self.rng.choice(WORDS["phrases"][name]).replace("*", sign))
        if name in ("clause", "neg_clause"):
            return self.clause(side, denied=name == "neg_clause")
        if name in ("np", "bare"):
            aspect = self.aspects.pop()
            return f"{self.rng.choice(aspect[side])} {aspect['noun' if name == 'np' else 'bare']}"
        if name == "quality":
            return str(self.rng.choice(self.aspect[side]))
        if name == "a_adj":
            return with_article(self.word("adj", side))
        if name == "did_they":
            return re.sub("^was ", f"{self.slot('was')} ", self.word("did", side))
        word = self.word(name, side)
        if name == "adj" and self.rng.random() < PAIR_SHARE:
            return f"{word} and {self.word(name, side)}"
        return word

    def clause(self, side: str, denied: bool) -> str:
        """Say something of one aspect. `denied` reverses the side: the bed was not soft."""
        aspect = self.aspects.pop()
        if denied:
            return f"the {aspect['noun']} was not {self.rng.choice(aspect[side])}"
        if self.rng.random() < DENIED_SHARE:
            verb = self.rng.choice(["was not", "was never", "was not at all"])
            return f"the {aspect['noun']} {verb} {self.rng.choice(aspect[OTHER[side]])}"
        return f"the {aspect['noun']} was {self.rng.choice(aspect[side])}"

    def word(self, slot: str, side: str) -> str:
        word: str = self.rng.choice([word for word in WORDS["overall"][slot][side] if word not in self.used])
        self.used.add(word)
        return word


def pronoun(person: str) -> str:
    return "she" if re.search("sister|aunt|woman|teacher|friend", person) else "he"


def with_article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def plural(noun: str) -> str:
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"


def lower_first(text: str) -> str:
    return text if re.match(r"I\b|\{", text) else text[0].lower() + text[1:]


def aspects_needed(frame: str) -> int:
    """The most aspects that a frame can use; an item has five."""
    return 2 * frame.count("side}") + len(re.findall(r"clause\}|np\}|bare\}|aspect\}", frame))


def review(rng: random.Random, part: str, template: str, positive: bool) -> Row:
    filler = Filler(rng, positive)
    frames = templates(part)
    used = [template]
    if rng.random() < SECOND_SHARE:
        used.append(second_template(rng, frames, template))
    sentences = [filler.frame(frames[name]) for name in used]
    if rng.random() < LEAD_SHARE:
        sentences[0] = f"{rng.choice(WORDS['leads'][part])} {lower_first(sentences[0])}"
    if rng.random() < ASIDE_SHARE:
        sentences.insert(0, rng.choice(WORDS["asides"][part]))
    text = filler.fill(" ".join(sentences)).strip()
    text = re.sub(r"(^|[.!?] )([a-z])", lambda match: match[1] + match[2].upper(), text)
    return Row(re.sub("  +", " ", text), LABELS[positive], tuple(used))


def second_template(rng: random.Random, frames: dict[str, str], first: str) -> str:
    """A frame of another phenomenon, such that both find enough aspects."""
    fits = [
        name
        for name, frame in frames.items()
        if name.split("/")[0] != first.split("/")[0] and aspects_needed(frames[first] + frame) <= 5
    ]
    if rng.random() < PLAIN_SECOND_SHARE:
        fits = [name for name in fits if name.startswith("plain/")] or fits
    return rng.choices(fits, [GRAMMAR[name.split("/")[0]]["weight"] for name in fits])[0]


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
