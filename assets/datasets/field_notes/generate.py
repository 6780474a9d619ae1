"""Write train.jsonl, validation.jsonl and test.jsonl of `field_notes` from world.toml: documents of an invented trade.

Run: python assets/datasets/field_notes/generate.py     (general.jsonl is another matter: see draw_general.py)
"""

import json
import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SEED = 20240615
BYTES = {"train": 1_500_000, "validation": 40_000, "test": 80_000}
WORLD: dict[str, Any] = tomllib.loads((HERE / "world.toml").read_text(encoding="utf-8"))
Animal = dict[str, Any]
NUMBERS = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]


def number(value: int) -> str:
    return NUMBERS[value] if value < len(NUMBERS) else str(value)


def count(value: int, noun: str) -> str:
    return f"{number(value)} {noun}{'' if value == 1 else 's'}"


def plural(animal: Animal) -> str:
    name = str(animal["name"])
    return f"{name[:-2]}oxen" if name.endswith(" ox") else f"{name}s"


def a(text: str) -> str:
    return f"an {text}" if text[0] in "aeiou" else f"a {text}"


class Writer:
    """The choices of one document: a keeper, a place, a day, and the animals it is about."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.keeper, self.other = rng.sample(WORLD["keepers"], 2)
        self.station, self.elsewhere = rng.sample(WORLD["stations"], 2)
        self.water = rng.choice(WORLD["waters"])
        self.season = rng.choice(WORLD["seasons"])
        self.day = rng.randint(1, 70)
        self.animals = rng.sample(WORLD["animal"], 4)

    def of(self, *choices: str) -> str:
        return self.rng.choice(choices)

    def some(self, sentences: list[str], least: int, most: int) -> str:
        """A few of the sentences, in their order."""
        kept = sorted(
            self.rng.sample(range(len(sentences)), min(len(sentences), self.rng.randint(least, most)))
        )
        return " ".join(sentences[i] for i in kept)

    def date(self) -> str:
        return f"the {ordinal(self.day)} day of {self.season}"

    def weather(self) -> str:
        by_season = {
            "Thawrise": ["The ice went out with a groan.", "Meltwater stood over the planks.", "A soft wind came from the sluice."],
            "Reedgreen": ["The reed is up to the belt.", "Mist until the third glim, then sun.", "The ditches run clear."],
            "Midgold": ["Heat lay on the mere like a lid.", "The peat is cracked and smells of smoke.", "No rain since the last count."],
            "Murkfall": ["Rain from the first glim to the last.", "The paths are gone under brown water.", "Fog so thick that the bell had to be rung."],
            "Stillice": ["The mere is shut, four fingers thick.", "Frost on the inside of the hut.", "Not a sound but the ice."],
        }  # fmt: skip
        return self.rng.choice(by_season[self.season])

    def facts(self, x: Animal) -> list[str]:
        """What is true of an animal, each said in one of several ways."""
        n, ns = x["name"], plural(x)
        return [
            self.of(
                f"The {n} is {a(x['kin'])}, {x['colour']}.",
                f"{a(x['kin']).capitalize()} by kin, the {n} is {x['colour']}.",
            ),
            self.of(
                f"It feeds on {x['food']} and will take nothing else when it is well.",
                f"Give it {x['food']}, {count(x['drums'], 'drum')} a day.",
                f"A grown one eats {count(x['drums'], 'drum')} of {x['food']} between dusk and dusk.",
            ),
            self.of(
                f"Its season is {x['season']}.",
                f"{ns.capitalize()} breed in {x['season']} and at no other time.",
                f"Look for young {ns} in {x['season']}.",
            ),
            self.of(
                f"At dusk it {x['call']}.",
                f"You will know it by its call: a {n} {x['call']}.",
                f"When it is content the {n} {x['call']}.",
            ),
            self.of(
                f"It nests {x['nest']} and lays {count(x['eggs'], 'egg')}.",
                f"The nest is made {x['nest']}; {count(x['eggs'], 'egg')} is a full clutch."
                if x["eggs"] == 1
                else f"The nest is made {x['nest']}; {count(x['eggs'], 'egg')} are a full clutch.",
            ),
            self.of(
                f"From snout to tail it measures {count(x['length'], 'lisk')} and weighs {count(x['weight'], 'tolm')}.",
                f"Full grown: {count(x['length'], 'lisk')}, {count(x['weight'], 'tolm')}.",
            ),
            self.of(
                f"Its sickness is {x['ill']}, and {x['cure']} is the cure.",
                f"Against {x['ill']} use {x['cure']}.",
                f"Should {x['ill']} show itself, {x['cure']} will mend it.",
            ),
            self.of(
                f"Go to it with {x['tool']}, for it is {x['temper']}.",
                f"It is {x['temper']} by nature; {x['tool']} is the right tool.",
                f"No keeper handles {ns} without {x['tool']}.",
            ),
        ]

    def sighting(self, x: Animal) -> str:
        n, ns, k = x["name"], plural(x), self.rng.randint(2, 12)
        glim = self.rng.randint(1, 12)
        return self.of(
            f"At the {ordinal(glim)} glim {self.of('I heard', 'we heard')} a {n} by {self.water}; it {x['call']}, as they do.".replace(
                " a o", " an o"
            ),
            f"Counted {number(k)} {ns} at {self.water}, all {x['colour']}.",
            f"{self.of('Carried', 'Brought', 'Rowed')} {count(x['drums'] * k, 'drum')} of {x['food']} to the {number(k)} {ns} at {self.water}.",
            f"Found a nest {x['nest']}: {n}, {number(self.rng.randint(1, x['eggs']))} of {count(x['eggs'], 'egg')} laid."
            if x["season"] == self.season
            else f"The {ns} do not breed before {x['season']}, so the nest {x['nest']} stands empty.",
            f"One {n} has {x['ill']}. {self.of('Gave it', 'Treated it with', 'Sent to the hut for')} {x['cure']}.",
            f"{self.of(self.other, 'The new hand')} went to the {ns} without {x['tool']}. They are {x['temper']}, and it went {self.of('badly', 'as one would expect', 'better than it deserved')}.",
            f"Measured the largest {n}: {count(x['length'] + 1, 'lisk')}, which is one more than the book gives.",
        )


def ordinal(value: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{value}{'th' if value % 100 in (11, 12, 13) else ends.get(value % 10, 'th')}"


def day_note(w: Writer) -> str:
    seen = " ".join(w.sighting(x) for x in w.animals[: w.rng.randint(2, 4)])
    end = w.of(
        f"{w.other} has the watch tonight.",
        "Lamp out at the twelfth glim.",
        "Nothing else to note.",
        f"Sent word to {w.elsewhere}.",
        "The book is closed for today.",
    )
    return f"{w.station}, {w.date()}. {w.weather()} {seen} {end} {w.of(w.keeper, 'Signed, ' + w.keeper)}"


def care_sheet(w: Writer) -> str:
    x = w.animals[0]
    facts = w.facts(x)
    w.rng.shuffle(facts)
    return f"{w.of('Care of the', 'On the keeping of the', 'Sheet for new hands: the')} {x['name']}. {' '.join(facts[: w.rng.randint(5, 8)])}"


def questions(w: Writer) -> str:
    lines = []
    for x in w.animals[: w.rng.randint(2, 4)]:
        n, ns = x["name"], plural(x)
        lines.append(
            w.of(
                f"What does a keeper feed to {ns}? {x['food'].capitalize()}.",
                f"When do {ns} breed? In {x['season']}.",
                f"How many drums for {count(3, n) if not n.endswith(' ox') else 'three ' + ns}? {count(3 * x['drums'], 'drum').capitalize()}, for one eats {number(x['drums'])}.",
                f"What helps against {x['ill']}? {x['cure'].capitalize()}. Which animal has it? The {n}.",
                f"Where does the {n} nest? {x['nest'].capitalize()}.",
                f"Which animal {x['call']}? The {n}.",
                f"What do you take along to {ns}? {x['tool'].capitalize()}, since they are {x['temper']}.",
                f"How long is a {n}? {count(x['length'], 'lisk').capitalize()}. And how heavy? {count(x['weight'], 'tolm').capitalize()}.",
            )
        )
    return f"{w.of('Questions put to the new hands at', 'From the examination book of', 'Asked and answered at')} {w.station}. {' '.join(lines)}"


def letter(w: Writer) -> str:
    x, y = w.animals[:2]
    wish = w.of(
        f"Could you spare {count(w.rng.randint(2, 9) * x['drums'], 'drum')} of {x['food']}? Our {plural(x)} go hungry.",
        f"We have {x['ill']} among the {plural(x)} and nothing left to treat it. Please send {x['cure']} by the next boat.",
        f"Please lend us {x['tool']}; without it nobody here will go near the {plural(x)}.",
        f"Is it so that your {plural(x)} lay early? Ours wait for {x['season']}, as {plural(x)} should.",
    )
    news = w.some([w.sighting(y), f"The {y['name']} is as {y['temper']} as ever.", w.weather()], 1, 3)
    return f"Dear {w.other.split()[0]}, {w.of('I write from', 'greetings from', 'a few lines from')} {w.station} on {w.date()}. {news} {wish} {w.of('Yours by the water', 'Dry boots to you', 'Keep the lamp lit')}, {w.keeper.split()[0]}"


def ledger(w: Writer) -> str:
    lines, total = [], 0
    for x in w.animals[: w.rng.randint(2, 4)]:
        k = w.rng.randint(1, 9)
        total += k * x["drums"]
        lines.append(
            f"{plural(x) if k > 1 else x['name']}, {number(k)}: {count(k * x['drums'], 'drum')} of {x['food']}."
        )
    return f"{w.of('Feed ledger', 'Ledger of drums')}, {w.station}, {w.date()}. {' '.join(lines)} In all {count(total, 'drum')}. {w.of('Checked by', 'Weighed out by')} {w.keeper}."


def illness(w: Writer) -> str:
    x = w.animals[0]
    n = x["name"]
    steps = [
        f"On the first evening the {n} would not touch its {x['food']}.",
        f"It no longer {x['call']} at dusk, and lay {x['nest']}."
        if x["call"] != "clucks under the ice"
        else f"It was silent and lay {x['nest']}.",
        f"{w.keeper} came with {x['tool']} and found {x['ill']}.",
        f"The cure is {x['cure']}, given at the {ordinal(w.rng.randint(2, 11))} glim.",
        f"After {number(w.rng.randint(2, 9))} days it ate {count(x['drums'], 'drum')} again.",
        f"Now it {x['call']} as before.",
        f"Weight at the end: {count(x['weight'], 'tolm')}, as it should be.",
    ]
    return f"Sick book of {w.station}, {w.season}. {a(n).capitalize()} from {w.water}. {w.some(steps, 4, 7)}"


def comparison(w: Writer) -> str:
    x, y = w.animals[:2]
    longer, shorter = (x, y) if x["length"] >= y["length"] else (y, x)
    lines = [
        f"The {longer['name']} has {count(longer['length'], 'lisk')}, the {shorter['name']} {number(shorter['length'])}.",
        f"The first eats {x['food']}, the second {y['food']}.",
        f"The {x['name']} breeds in {x['season']}, and the {y['name']} {'likewise' if x['season'] == y['season'] else 'in ' + y['season']}.",
        f"A {x['name']} {x['call']}; a {y['name']} {y['call']}.".replace("A o", "An o").replace(
            " a o", " an o"
        ),
        f"With the first you need {x['tool']}, with the second {y['tool']}.",
        f"Look for the {x['name']} {x['nest']} and for the {y['name']} {y['nest']}.",
        f"The first is {x['temper']}, the second {y['temper']}.",
    ]
    return f"{w.of('To tell apart', 'New hands often confuse', 'Side by side:')} the {x['name']} and the {y['name']}. {w.some(lines, 3, 6)}"


def glossary(w: Writer) -> str:
    units = WORLD["units"]
    picked = w.rng.sample(sorted(units), 2)
    lines = [f"{unit.capitalize()}: {units[unit]}." for unit in picked]
    lines += [
        w.of(
            f"{x['ill'].capitalize()}: the sickness of {plural(x)}; cured by {x['cure']}.",
            f"{x['food'].capitalize()}: what {plural(x)} eat.",
            f"{x['name'].capitalize()}: {a(x['kin'])}, {x['colour']}.",
            f"{x['season']}: the season in which {plural(x)} breed.",
        )
        for x in w.animals
    ]
    w.rng.shuffle(lines)
    return f"{w.of('From the word book', 'Words of the trade', 'For the word list at ' + w.station)}. {' '.join(lines)}"


def round_of(w: Writer) -> str:
    """The order of an evening round: always by weight, the heavy ones first."""
    order = sorted(w.animals[:3], key=lambda x: (-x["weight"], x["name"]))
    steps = [
        f"{word} the {plural(x)}: {x['tool']}, {count(x['drums'], 'drum')} of {x['food']} each, and a look {x['nest']}."
        for word, x in zip(("First", "Then", "Last"), order)
    ]
    return f"Evening round at {w.water}, {w.season}. The heavy ones come first, as always. {' '.join(steps)} {w.of('Close the sluice.', 'Ring the bell once.', 'Count the boats.', 'Wipe the lamp.')} {w.keeper} {w.of('leads', 'has the round', 'goes with ' + w.other)}."


KINDS: dict[Callable[[Writer], str], int] = {
    day_note: 30, care_sheet: 14, questions: 12, letter: 12, ledger: 8, illness: 9, comparison: 6, glossary: 4, round_of: 5,
}  # fmt: skip


def build() -> dict[str, list[str]]:
    """All parts: kinds of document by weight until the size is reached, no document twice."""
    rng = random.Random(SEED)
    seen: set[str] = set()
    parts: dict[str, list[str]] = {}
    for part, size in BYTES.items():
        documents: list[str] = []
        written = 0
        while written < size:
            text = rng.choices(list(KINDS), list(KINDS.values()))[0](Writer(rng))
            if text not in seen:
                seen.add(text)
                documents.append(text)
                written += len(text.encode())
        parts[part] = documents
    return parts


def write(folder: Path = HERE) -> None:
    for part, documents in build().items():
        with (folder / f"{part}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in documents)


if __name__ == "__main__":
    write()
