"""Write train.jsonl, validation.jsonl and test.jsonl of the `tone` data set from frames.toml.

Run: python assets/datasets/tone/generate.py
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
SEED = 20240614
SIZES = {"train": 900, "validation": 120, "test": 200}
MARGIN = 0.15  # by how much the checker must like the chosen reply better
FAULTS = {
    "rude": 35,
    "rambling": 25,
    "curt": 10,
    "cut_off": 10,
    "off_topic": 10,
    "fawning": 10,
}  # shares in percent

GRAMMAR: dict[str, Any] = tomllib.loads((HERE / "frames.toml").read_text(encoding="utf-8"))
_spec = importlib.util.spec_from_file_location("tone_reward", HERE / "reward.py")
assert _spec is not None
assert _spec.loader is not None
checker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(checker)

CURT = ["No.", "Yes.", "Later.", "Maybe.", "Noted.", "Fine.", "Not today.", "Ask again later."]


@dataclass(frozen=True)
class Row:
    prompt: str
    chosen: str
    rejected: str
    fault: str
    matter: int


@cache
def matters(part: str) -> tuple[int, ...]:
    """The numbers of a part's matters; none stands in two parts."""
    return tuple(i for i, entry in enumerate(GRAMMAR["matter"]) if entry["part"] == part)


def polite(rng: random.Random, part: str, entry: dict[str, Any], thing: str) -> str:
    """A courtesy, what will be done, and often a second courtesy."""
    words = GRAMMAR["polite"][part]
    pieces = [
        rng.choice(words["open"]),
        rng.choice(entry["fix"]).replace("{x}", thing),
        rng.choice(words["close"]),
    ]
    return " ".join(pieces)


def spoilt(rng: random.Random, part: str, entry: dict[str, Any], thing: str, fault: str) -> str:
    """A reply with one fault."""
    fix = rng.choice(entry["fix"]).replace("{x}", thing)
    good = polite(rng, part, entry, thing)
    words = GRAMMAR["polite"][part]
    if fault == "rude":
        first, second = rng.sample(GRAMMAR["rude"][part], 2)
        return rng.choice(
            [f"{first} {fix}", f"{first} {second}", f"{fix} {first}", f"{words['open'][0]} {first} {fix}"]
        )
    if fault == "rambling":
        stray = GRAMMAR["ramble"][part]
        return f"{rng.choice(words['open'])} {' '.join(rng.sample(stray, 2))} {fix}"
    if fault == "curt":
        return rng.choice(CURT)
    if fault == "off_topic":
        other = GRAMMAR["matter"][rng.choice([i for i in matters(part) if GRAMMAR["matter"][i] is not entry])]
        return polite(rng, part, other, rng.choice(other["things"]))
    if fault == "fawning":
        return " ".join(
            [rng.choice(words["open"])] * rng.randint(2, 3) + [fix] + [rng.choice(words["close"])] * 2
        )
    said = good.split()
    cut = rng.randrange(len(said) // 3, len(said) - 2)
    return " ".join(said[:cut]).rstrip(".,?!")


def pair(rng: random.Random, part: str, number: int, fault: str) -> Row:
    entry = GRAMMAR["matter"][number]
    thing = rng.choice(entry["things"])
    frame = f"{rng.choice(GRAMMAR['openers'])}{rng.choice(entry['ask'])}{rng.choice(GRAMMAR['closers'])}"
    prompt = re.sub(r"\{x\}", thing, frame)
    for _ in range(200):
        chosen, rejected = polite(rng, part, entry, thing), spoilt(rng, part, entry, thing, fault)
        good = checker.reward(prompt, chosen)
        if good >= max(0.75, checker.reward(prompt, rejected) + MARGIN):
            return Row(prompt, chosen, rejected, fault, number)
    raise ValueError(
        f"the checker finds no margin of {MARGIN} between {chosen!r} and {rejected!r} after {prompt!r}"
    )


def build() -> dict[str, list[Row]]:
    """All parts: matters in turn, faults by share, no pair twice; a request may come with several pairs."""
    rng = random.Random(SEED)
    seen: set[tuple[str, str, str]] = set()
    parts: dict[str, list[Row]] = {}
    for part, size in SIZES.items():
        faults = [fault for fault, share in FAULTS.items() for _ in range(size * share // 100)]
        rng.shuffle(faults)
        rows = []
        for turn, fault in enumerate(faults):
            number = matters(part)[turn % len(matters(part))]
            row = pair(rng, part, number, fault)
            while (row.prompt, row.chosen, row.rejected) in seen:
                row = pair(rng, part, number, fault)
            seen.add((row.prompt, row.chosen, row.rejected))
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
