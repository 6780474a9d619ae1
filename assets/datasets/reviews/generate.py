"""Write train.csv, validation.csv and test.csv of the `reviews` data set from frames.toml and words.toml.

Run: python assets/datasets/reviews/generate.py
"""

import csv
import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEED = 20240611
SIZES = {"train": 1600, "validation": 300, "test": 500}
LABELS = ("negative", "positive")
ASIDE_SHARE = 0.2
LEAD_SHARE = 0.3
DOUBLE_SHARE = 0.12
SECOND_SHARE = 0.5
PLAIN_SECOND_SHARE = 0.6
WEIGHTS = {"plain": 26, "contrast": 9, "expectation": 7, "change": 7, "reported": 8, "negation": 7, "comparison": 3}
NEGATED_SHARE = 0.12

FRAMES: dict[str, dict[str, list[str]]] = tomllib.loads((HERE / "frames.toml").read_text(encoding="utf-8"))
WORDS = tomllib.loads((HERE / "words.toml").read_text(encoding="utf-8"))

Side = str
OTHER = {"good": "bad", "bad": "good"}


@dataclass(frozen=True)
class Row:
    text: str
    label: str
    template: str


def templates(part: str) -> dict[str, str]:
    """Frames of one part by id, such as `contrast/test/3`."""
    return {
        f"{phenomenon}/{part}/{number}": frame
        for phenomenon, parts in FRAMES.items()
        for number, frame in enumerate(parts[part])
    }


class Filler:
    """The words of one review: nothing is said twice within it."""

    def __init__(self, rng: random.Random, positive: bool) -> None:
        self.rng = rng
        self.sides: dict[str, Side] = {"+": "good", "-": "bad"} if positive else {"+": "bad", "-": "good"}
        self.positive = positive
        self.kind = WORDS["kinds"][rng.choice(sorted(WORDS["kinds"]))]
        self.item, self.other = rng.sample(self.kind["items"], 2)
        self.aspects = rng.sample(self.kind["aspects"], len(self.kind["aspects"]))
        self.used: set[str] = set()
        self.many = rng.random() < 0.4
        self.who = rng.choice(WORDS["people"]["many" if self.many else "one"])
        self.they = "they" if self.many else pronoun(self.who)

    def word(self, slot: str, side: Side) -> str:
        choice = self.rng.choice([word for word in WORDS["overall"][slot][side] if word not in self.used])
        self.used.add(choice)
        return choice

    def clause(self, side: Side) -> str:
        """Say something of one aspect, sometimes by denying the opposite."""
        aspect = self.aspects.pop()
        if self.rng.random() < NEGATED_SHARE:
            verb = self.rng.choice(["was not", "was never", "was not at all"])
            return f"the {aspect['noun']} {verb} {self.rng.choice(aspect[OTHER[side]])}"
        return f"the {aspect['noun']} was {self.rng.choice(aspect[side])}"

    def fill(self, slot: str) -> str:
        if slot[0] in "+-":
            side, name = self.sides[slot[0]], slot[1:]
            if name in WORDS["phrases"]:
                return self.expand(self.rng.choice(WORDS["phrases"][name]).replace("*", slot[0]))
            if name == "clause":
                return self.clause(side)
            if name == "neg_clause":
                aspect = self.aspects.pop()
                return f"the {aspect['noun']} was not {self.rng.choice(aspect[side])}"
            if name in ("np", "bare"):
                aspect = self.aspects.pop()
                noun = aspect["noun"] if name == "np" else aspect["bare"]
                return f"{self.rng.choice(aspect[side])} {noun}"
            if name == "quality":
                return self.rng.choice(self.aspect[side])
            if name == "bare_noun":
                return self.word("noun", side).split(" ", 1)[1]
            if name == "a_adj":
                return article(self.word("adj", side))
            if name == "did_they":
                return plural_was(self.word("did", side)) if self.many else self.word("did", side)
            word = self.word(name, side)
            if name == "adj" and self.rng.random() < DOUBLE_SHARE:
                word += f" and {self.word(name, side)}"
            return word
        if slot == "aspect":
            self.aspect = self.aspects.pop()
            return self.aspect["noun"]
        if slot in ("any", "any_a"):
            word = self.word("adj", self.rng.choice(["good", "bad"]))
            return article(word) if slot == "any_a" else word
        return {
            "it": f"the {self.item}",
            "item": self.item,
            "items": plural(self.item),
            "other": self.other,
            "other_a": article(self.other),
            "who": self.who,
            "they": self.they,
            "was": "were" if self.many else "was",
            "again": self.rng.choice(self.kind["again"]),
            "doing": self.rng.choice(self.kind["doing"]),
        }[slot]

    def expand(self, frame: str) -> str:
        return re.sub(r"\{([^}]*)\}", lambda m: self.fill(m[1]), frame)

    def text(self, frame: str) -> str:
        frame = re.sub(r"\[([^|\]]*)\|([^\]]*)\]", lambda m: m[1] if self.positive else m[2], frame)
        frame = re.sub(r"<([^>]*)>", lambda m: self.rng.choice(m[1].split("|")), frame)
        filled = self.expand(frame)
        return re.sub(r"(^|[.!?] )([a-z])", lambda m: m[1] + m[2].upper(), filled.strip())


def uncapital(frame: str) -> str:
    return frame if re.match(r"I\b", frame) else frame[0].lower() + frame[1:]


def aspects_needed(frame: str) -> int:
    return 2 * frame.count("side}") + len(re.findall(r"clause|np\}|bare\}|aspect", frame))


def pronoun(person: str) -> str:
    return "she" if re.search(r"sister|aunt|woman|teacher", person) else "he"


def article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def plural(noun: str) -> str:
    return noun[:-1] + "ies" if noun.endswith("y") else noun + "s"


def plural_was(text: str) -> str:
    return re.sub(r"^was ", "were ", text)


def review(rng: random.Random, part: str, template: str, positive: bool) -> Row:
    filler = Filler(rng, positive)
    frame = templates(part)[template]
    if rng.random() < SECOND_SHARE:
        frames = templates(part)
        second = rng.choice(
            [
                i
                for i in frames
                if i.split("/")[0] != template.split("/")[0]
                and aspects_needed(frame + frames[i]) <= 5
            ]
        )
        frame = f"{frame} {frames[second]}"
    if rng.random() < LEAD_SHARE:
        frame = f"{rng.choice(WORDS['leads'][part])} {uncapital(frame)}"
    if rng.random() < ASIDE_SHARE:
        frame = f"{rng.choice(WORDS['asides'][part])} {frame}"
    return Row(filler.text(frame), LABELS[positive], template)


def build() -> dict[str, list[Row]]:
    """All parts: labels in equal numbers, phenomena and then frames in turn, no text twice."""
    rng = random.Random(SEED)
    seen: set[str] = set()
    parts: dict[str, list[Row]] = {}
    for part, size in SIZES.items():
        rows: list[Row] = []
        ids = {p: [i for i in templates(part) if i.startswith(f"{p}/")] for p in FRAMES}
        turns = [p for p in ids for _ in range(WEIGHTS.get(p, 2))]
        count = dict.fromkeys(ids, 0)
        for turn in range(size // 2):
            phenomenon = turns[turn % len(turns)]
            template = ids[phenomenon][count[phenomenon] % len(ids[phenomenon])]
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
