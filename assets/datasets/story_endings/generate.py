"""Write train.jsonl, validation.jsonl and test.jsonl of the `story_endings` data set from frames.toml.

Run: python assets/datasets/story_endings/generate.py
"""

import importlib.util
import json
import random
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SEED = 20240613
SIZES = {"train": 1400, "validation": 200, "test": 300}
MARGIN = 0.15  # by how much the checker must like the chosen ending better
FAULTS = {"unkind": 30, "plain": 20, "cut_off": 20, "wrong_character": 15, "loop": 15}  # shares in percent

GRAMMAR: dict[str, Any] = tomllib.loads((HERE / "frames.toml").read_text(encoding="utf-8"))
_spec = importlib.util.spec_from_file_location("story_endings_reward", HERE / "reward.py")
assert _spec is not None
assert _spec.loader is not None
checker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(checker)

PRONOUNS = {"he": ("he", "his", "him"), "she": ("she", "her", "her")}


@dataclass(frozen=True)
class Row:
    prompt: str
    chosen: str
    rejected: str
    fault: str
    situation: int


@cache
def situations(part: str) -> tuple[int, ...]:
    """The numbers of a part's situations; none stands in two parts."""
    return tuple(i for i, entry in enumerate(GRAMMAR["situation"]) if entry["part"] == part)


def characters(rng: random.Random, creature: bool) -> dict[str, str]:
    """A hero, a friend and a stranger, each with the pronouns; no name twice."""
    taken: set[str] = set()
    slots: dict[str, str] = {}
    for name, subject, own, object_, kid in (
        ("N", "s", "h", "m", "kid"),
        ("F", "fs", "fh", "fm", "fkid"),
        ("X", "xs", "xh", "xm", ""),
    ):
        sex = rng.choice(["he", "she"])
        if name == "X":
            sex = slots["s"]  # the stranger stands in for the hero, so that the pronouns still fit
        slots[name] = rng.choice([word for word in GRAMMAR["names"][sex] if word not in taken])
        taken.add(slots[name])
        slots |= dict(zip((subject, own, object_), PRONOUNS[sex]))
        slots[kid] = "boy" if sex == "he" else "girl"
    slots["S"], slots["H"] = slots["s"].capitalize(), slots["h"].capitalize()
    slots["animal"] = rng.choice(GRAMMAR["creatures"])
    slots["a_animal"] = f"a {slots['animal']}"
    slots["creature"] = "yes" if creature else ""
    return slots


def fill(rng: random.Random, frame: str, slots: dict[str, str]) -> str:
    frame = re.sub(r"<([^>]*)>", lambda match: rng.choice(match[1].split("|")), frame)
    return re.sub(r"\{(\w+)\}", lambda match: slots[match[1]], frame)


def ending(rng: random.Random, entry: dict[str, Any], sort: str, slots: dict[str, str]) -> str:
    closers = GRAMMAR["close"][sort]
    if slots["creature"]:
        closers = [closer for closer in closers if "mom" not in closer]
    return fill(rng, f"{rng.choice(entry[sort])} {rng.choice(closers)}", slots)


def spoilt(rng: random.Random, entry: dict[str, Any], fault: str, slots: dict[str, str]) -> str:
    """An ending with one fault."""
    if fault in ("unkind", "plain"):
        text = ending(rng, entry, fault, slots)
        # A further sentence in most of them, so that length alone says little.
        return text if rng.random() < 0.4 else f"{text} {ending(rng, entry, 'plain', slots).split('. ')[0]}."
    if fault == "wrong_character":
        return ending(rng, entry, "kind", slots | {"N": slots["X"]})
    text = ending(rng, entry, "kind", slots)
    if fault == "cut_off":
        said = text.split()
        cut = rng.randrange(len(said) * 2 // 5, len(said) - 1)
        while said[cut - 1][-1] in '.!?"':
            cut -= 1
        return " ".join(said[:cut]).rstrip(",;")
    lines = re.split(r"(?<=[.!?]) ", text)
    again = rng.randrange(len(lines))
    return " ".join([*lines[:again], *[lines[again]] * rng.randint(3, 4)])


def pair(rng: random.Random, number: int, fault: str) -> Row:
    entry = GRAMMAR["situation"][number]
    creature = entry["who"] == "creature" or (entry["who"] == "any" and rng.random() < 0.4)
    slots = characters(rng, creature)
    opening = rng.choice(GRAMMAR["open"]["creature" if creature else "child"])
    prompt = fill(rng, f"{opening} {rng.choice(entry['start'])}", slots)
    for _ in range(100):
        chosen = ending(rng, entry, "kind", slots)
        rejected = spoilt(rng, entry, fault, slots)
        if chosen != rejected and checker.reward(prompt, chosen) >= checker.reward(prompt, rejected) + MARGIN:
            return Row(prompt, chosen, rejected, fault, number)
    raise ValueError(
        f"the checker finds no margin of {MARGIN} between {chosen!r} and {rejected!r} after {prompt!r}"
    )


def build() -> dict[str, list[Row]]:
    """All parts: situations in turn, faults by share, no start twice."""
    rng = random.Random(SEED)
    seen: set[str] = set()
    parts: dict[str, list[Row]] = {}
    for part, size in SIZES.items():
        faults = [fault for fault, share in FAULTS.items() for _ in range(size * share // 100)]
        rng.shuffle(faults)
        rows = []
        for turn, fault in enumerate(faults):
            number = situations(part)[turn % len(situations(part))]
            row = pair(rng, number, fault)
            while row.prompt in seen:
                row = pair(rng, number, fault)
            seen.add(row.prompt)
            rows.append(row)
        rng.shuffle(rows)
        parts[part] = rows
    return parts


def write(folder: Path = HERE) -> None:
    for part, rows in build().items():
        with (folder / f"{part}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                values = {"prompt": row.prompt, "chosen": row.chosen, "rejected": row.rejected}
                file.write(json.dumps(values, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write()
