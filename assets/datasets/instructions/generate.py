"""Write train.jsonl, validation.jsonl and test.jsonl of the `instructions` data set from words.toml and templates.toml.

Run: python assets/datasets/instructions/generate.py
"""

import json
import random
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SEED = 20240615
ROWS_PER_KIND = {"train": 110, "validation": 15, "test": 25}
STYLES = ("Please", "Could you please", "Would you please")
COUNTED = ("animal", "fruit", "colour", "body part")
STEPS = (1, 2, 3, 5, 10, -1, -2)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

WORDS: dict[str, Any] = tomllib.loads((HERE / "words.toml").read_text(encoding="utf-8"))
TEMPLATES: dict[str, Any] = tomllib.loads((HERE / "templates.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Row:
    instruction: str
    input: str
    output: str
    kind: str


def article(text: str) -> str:
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)


def capital(text: str) -> str:
    return text[0].upper() + text[1:]


class Maker:
    """Draws the words of one row from one part; no word is drawn twice."""

    def __init__(self, rng: random.Random, part: str) -> None:
        self.rng = rng
        self.part = part
        self.words = {
            slot: rng.choice(WORDS[name][part])
            for slot, name in (("adjective", "adjectives"), ("place", "places"), ("time", "times"))
        }
        self.words["name"], self.words["other"] = rng.sample(WORDS["names"][part], 2)
        self.words["number"] = rng.choice(WORDS["numbers"]["all"])
        self.words["colour"] = rng.choice(WORDS["colours"]["all"])
        for slot, name in (("animal", "animals"), ("thing", "things")):
            self.words[slot] = rng.choice(list(WORDS[name][part]))
            self.words[f"{slot}s"] = WORDS[name][part][self.words[slot]]
        verbs = WORDS["verbs"][part]
        self.verbs = [(verb, rng.choice(verbs[verb][2:])) for verb in rng.sample(list(verbs), 2)]

    def template(self, kind: str, place: str = "sentences") -> Any:
        return self.rng.choice(TEMPLATES[kind][place][self.part])

    def instruction(self, kind: str, **slots: str) -> str:
        text: str = self.template(kind, "instructions")
        return text.format(**slots)

    def sub_instruction(self, kind: str, name: str, **slots: str) -> str:
        text: str = self.rng.choice(TEMPLATES[kind]["instructions"][name][self.part])
        return text.format(**slots)

    def fill(self, template: str, verb_form: str = "with she") -> str:
        """A sentence with its verbs as base, with "she" or in the past."""
        verbs = iter(self.verbs)

        def slot(match: re.Match[str]) -> str:
            if match[1] != "verb":
                return self.words[match[1]]
            verb, where = next(verbs)
            known = WORDS["verbs"][self.part][verb]
            said = {"base": verb, "with she": known[0], "past": known[1]}[verb_form]
            return f"{said} {where}"

        return capital(article(re.sub(r"\{(\w+)\}", slot, template)))

    def nouns(self, count: int) -> list[str]:
        return self.rng.sample([*WORDS["animals"][self.part], *WORDS["things"][self.part]], count)

    def category_words(self, category: str, count: int) -> list[str]:
        return self.rng.sample(WORDS["categories"][category][self.part], count)

    def order(self, items: list[str]) -> list[str]:
        return self.rng.sample(items, len(items))


def past(make: Maker) -> Row:
    sentence = make.template("past")
    return Row(make.instruction("past"), make.fill(sentence), make.fill(sentence, "past"), "past")


def plural(make: Maker) -> Row:
    sentence = make.template("plural")
    many = make.fill(sentence.replace("{animal}", "{animals}"), "base")
    return Row(make.instruction("plural"), make.fill(sentence), many, "plural")


def polite(make: Maker) -> Row:
    style = make.rng.choice(STYLES)
    command = make.rng.choice(WORDS["commands"][make.part])
    rude = make.template("polite").format(command=command, Command=capital(command))
    kind = f"{style} {command}{'.' if style == 'Please' else '?'}"
    return Row(make.instruction("polite", style=f'"{style}"'), rude, kind, "polite")


def extract(make: Maker) -> Row:
    sentence = make.template("extract")
    slots = [slot for slot in re.findall(r"\{(\w+)\}", sentence) if not slot.startswith("thing")]
    slot = make.rng.choice(slots)
    what = slot.removesuffix("s")
    return Row(make.instruction("extract", what=what), make.fill(sentence), make.words[slot], "extract")


def count(make: Maker) -> Row:
    rng = make.rng
    draw = rng.random()
    if draw < 0.35:
        items = make.nouns(rng.randint(2, 7))
        instruction, number = make.sub_instruction("count", "things"), len(items)
    elif draw < 0.7:
        category = rng.choice(COUNTED)
        chosen = make.category_words(category, rng.randint(1, 3))
        others = [word for name in COUNTED if name != category for word in make.category_words(name, 3)]
        items = make.order(chosen + rng.sample(others, rng.randint(1, 3)))
        instruction, number = make.sub_instruction("count", "category", category=category), len(chosen)
    else:
        word, *others = make.nouns(rng.randint(2, 4))
        number = rng.randint(1, 4)
        items = make.order([word] * number + others)
        instruction = make.sub_instruction("count", "word", word=word)
    return Row(instruction, ", ".join(items), str(number), "count")


def continue_list(make: Maker) -> Row:
    rng = make.rng
    draw, length = rng.random(), rng.randint(3, 5)
    if draw < 0.45:
        step = rng.choice(STEPS)
        first = rng.randint(1, 40) if step > 0 else rng.randint(15, 60)
        if step >= 5:
            first = step * rng.randint(1, 6)
        items = [str(first + step * place) for place in range(length + 1)]
    elif draw < 0.75:
        unit = make.nouns(rng.randint(2, 3))
        if len(unit) == 2 and rng.random() < 0.4:
            unit.insert(0, unit[0])
        items = [unit[place % len(unit)] for place in range(len(unit) + rng.randint(2, 3) + 1)]
    else:
        row = rng.choice([DAYS, MONTHS, "abcdefghijklmnopqrstuvwxyz"])
        length = min(length, 4)
        start = rng.randrange(len(row) - length)
        items = list(row[start : start + length + 1])
    return Row(make.instruction("continue"), ", ".join(items[:-1]), items[-1], "continue")


def answer(make: Maker) -> Row:
    sentence, *questions = make.template("answer")
    question = make.rng.choice(questions)
    words = make.words
    if question.startswith("What colour"):
        output = words["colour"]
    elif question.startswith("What"):
        output = re.search(r"(the|a) (\{colour\} )?\{thing\}", sentence)[0].format(**words)  # type: ignore[index]
    elif question.startswith("Where"):
        output = words["place"]
    elif question.startswith("When"):
        output = words["time"]
    else:
        output = words["other" if question.startswith("Whom") or "from {name}" in question else "name"]
    instruction = make.instruction("answer", question=make.fill(question))
    return Row(instruction, make.fill(sentence), article(output), "answer")


def odd_one_out(make: Maker) -> Row:
    most, odd = make.rng.sample(sorted(WORDS["categories"]), 2)
    other = make.category_words(odd, 1)[0]
    items = make.order([*make.category_words(most, 3), other])
    return Row(make.instruction("odd_one_out"), ", ".join(items), other, "odd_one_out")


def order(make: Maker) -> Row:
    rng = make.rng
    way = rng.choice(["up", "down", "letters"])
    if way == "letters":
        items = make.nouns(3)
        while len({item[0] for item in items}) < 3:
            items = make.nouns(3)
        right = sorted(items)
    else:
        numbers = rng.sample(range(1, 60), rng.randint(3, 4))
        items = [str(number) for number in numbers]
        right = [str(number) for number in sorted(numbers, reverse=way == "down")]
    if items == right:
        items.reverse()
    return Row(make.sub_instruction("order", way), ", ".join(items), ", ".join(right), "order")


def write_sentence(make: Maker) -> Row:
    words = f"{make.words['animal']}, {make.words['thing']}"
    return Row(make.instruction("write"), words, make.fill(make.template("write")), "write")


KINDS: tuple[Callable[[Maker], Row], ...] = (
    past,
    plural,
    polite,
    extract,
    count,
    continue_list,
    answer,
    odd_one_out,
    order,
    write_sentence,
)


def build() -> dict[str, list[Row]]:
    """All parts: kinds in equal numbers, no input twice."""
    rng = random.Random(SEED)
    seen: set[str] = set()
    parts: dict[str, list[Row]] = {}
    for part, size in ROWS_PER_KIND.items():
        rows: list[Row] = []
        for kind in KINDS:
            for _ in range(size):
                row = kind(Maker(rng, part))
                while row.input in seen:
                    row = kind(Maker(rng, part))
                seen.add(row.input)
                rows.append(row)
        rng.shuffle(rows)
        parts[part] = rows
    return parts


def write(folder: Path = HERE) -> None:
    for part, rows in build().items():
        with (folder / f"{part}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                file.write(json.dumps(vars(row), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write()
