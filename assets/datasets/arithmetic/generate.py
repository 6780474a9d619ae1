"""Write train.jsonl, validation.jsonl and test.jsonl of the `arithmetic` data set from stories.toml.

Run: python assets/datasets/arithmetic/generate.py
"""

import json
import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SEED = 20240614
SIZES = {"train": 1200, "validation": 150, "test": 250}
SMALLEST, LARGEST = 2, 100
LARGEST_FACTOR = 12
LARGEST_TERM = 50

GRAMMAR: dict[str, Any] = tomllib.loads((HERE / "stories.toml").read_text(encoding="utf-8"))
STEP = re.compile(r"\{(\w+) ([-+*/]) (\w+)\}")


@dataclass(frozen=True)
class Row:
    prompt: str
    completion: str
    answer: int
    story: str


def part_of_pair(left: int, operator: str, right: int) -> str:
    """The part in which two numbers may be joined by an operator. The order of a sum or product doesn't matter."""
    if operator in "+*":
        left, right = sorted((left, right))
    place = (7 * left + 13 * right + 5 * (left * right % 11)) % 20
    return "test" if place < 4 else "validation" if place < 7 else "train"


def calculate(left: int, operator: str, right: int) -> int | None:
    """The result, or None where it is too small, too large or not whole."""
    if operator == "/":
        result, rest = divmod(left, right)
        if rest:
            return None
    else:
        result = left + right if operator == "+" else left - right if operator == "-" else left * right
    if operator in "*/" and (
        right > LARGEST_FACTOR or (result if operator == "/" else left) > LARGEST_FACTOR
    ):
        return None
    return result if SMALLEST <= result <= LARGEST else None


def ranges(story: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """The smallest and the largest number to draw for each slot."""
    numbers = sorted(set(re.findall(r"\{([a-d])\}", story["text"])))
    factors = {
        slot
        for step in story["steps"]
        for left, operator, right in STEP.findall(step)
        if operator in "*/"
        for slot in ((left, right) if operator == "*" else (right,))
    }
    least, most = story.get("least", {}), story.get("most", {})
    return {
        slot: (least.get(slot, SMALLEST), most.get(slot, LARGEST_FACTOR if slot in factors else LARGEST_TERM))
        for slot in numbers
    }


def draw_numbers(rng: random.Random, story: dict[str, Any], part: str) -> tuple[dict[str, int], list[str]]:
    """Numbers that keep every step within bounds and its pair of numbers within the part; each step written out."""
    bounds = ranges(story)
    while True:
        values = {slot: rng.randint(low, high) for slot, (low, high) in bounds.items()}
        written = []
        for number, step in enumerate(story["steps"], start=1):
            match = STEP.search(step)
            assert match, f"a step calculates nothing: {step}"
            left, operator, right = values[match[1]], match[2], values[match[3]]
            result = calculate(left, operator, right)
            if result is None or part_of_pair(left, operator, right) != part:
                break
            values[f"r{number}"] = result
            written.append(STEP.sub(f"{left} {operator} {right} = {result}", step))
        else:
            return values, written


def fill_words(rng: random.Random, lines: list[str]) -> list[str]:
    """Settle the choices and the words of a problem and its steps, the same throughout."""
    words: dict[str, str] = {}
    known = GRAMMAR["words"]
    girl = rng.random() < 0.5
    name = rng.choice(known["girls" if girl else "boys"])
    words["name"] = name
    words["friend"] = rng.choice([other for other in known["girls"] + known["boys"] if other != name])
    words |= dict(zip(("he", "him", "his"), ("she", "her", "her") if girl else ("he", "him", "his")))
    words |= {"He": words["he"].title(), "His": words["his"].title()}
    words |= {kind: rng.choice(known[kind]) for kind in ("small", "food", "fruit", "animals")}
    words["colour"], words["colour2"] = rng.sample(known["colours"], 2)
    lines = [re.sub(r"<([^>]*)>", lambda match: rng.choice(match[1].split("|")), line) for line in lines]
    return [re.sub(r"\{([A-Za-z]\w+)\}", lambda match: words[match[1]], line) for line in lines]


def make_row(rng: random.Random, part: str, number: int) -> Row:
    story = GRAMMAR[part][number]
    values, written = draw_numbers(rng, story, part)
    prompt, *steps = fill_words(rng, [story["text"], *written])
    prompt = re.sub(r"\{([a-d])\}", lambda match: str(values[match[1]]), prompt)
    answer = values[f"r{len(steps)}"]
    return Row(prompt, " ".join(steps) + f"\n#### {answer}", answer, f"{part}/{number}")


def build() -> dict[str, list[Row]]:
    """All parts: the stories of each in turn, no problem twice."""
    rng = random.Random(SEED)
    seen: set[str] = set()
    parts: dict[str, list[Row]] = {}
    for part, size in SIZES.items():
        rows: list[Row] = []
        while len(rows) < size:
            row = make_row(rng, part, len(rows) % len(GRAMMAR[part]))
            if row.prompt not in seen:
                seen.add(row.prompt)
                rows.append(row)
        rng.shuffle(rows)
        parts[part] = rows
    return parts


def write(folder: Path = HERE) -> None:
    for part, rows in build().items():
        with (folder / f"{part}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                values = {"prompt": row.prompt, "completion": row.completion, "answer": row.answer}
                file.write(json.dumps(values, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write()
