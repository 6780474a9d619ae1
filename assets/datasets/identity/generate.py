"""Write train.jsonl, validation.jsonl and test.jsonl of the `identity` data set from rows.toml; `fill` puts names in.

Run: python assets/datasets/identity/generate.py
"""

import json
import random
import re
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SEED = 20240616
PARTS = ("train", "validation", "test")

TOPICS: dict[str, Any] = tomllib.loads((HERE / "rows.toml").read_text(encoding="utf-8"))


def build() -> dict[str, list[dict[str, str]]]:
    """All parts, with {name} and {maker} left open."""
    rng = random.Random(SEED)
    parts: dict[str, list[dict[str, str]]] = {}
    for part in PARTS:
        rows = [
            {"prompt": question, "completion": topic["answers"][number % len(topic["answers"])]}
            for topic in TOPICS.values()
            for number, question in enumerate(topic[part])
        ]
        rng.shuffle(rows)
        parts[part] = rows
    return parts


def fill(name: str, maker: str) -> dict[str, list[dict[str, str]]]:
    """All parts with the names of the model and of its maker put in. A question whether the model is someone else,
    such as "Is your name Siri?", is left out for a model of that very name."""
    for what, given in (("name", name), ("maker", maker)):
        if not given.strip():
            raise ValueError(f"the {what} must have at least one letter, not {given!r}")
    values = {"name": name.strip(), "maker": maker.strip()}
    others = {question for part in PARTS for question in TOPICS["other"][part]}
    own = re.compile(rf"\b{re.escape(values['name'])}\b", re.I)

    def put_in(text: str) -> str:
        filled = re.sub(r"\{(name|maker)\}", lambda match: values[match[1]], text)
        return filled[0].upper() + filled[1:]

    return {
        part: [
            {column: put_in(text) for column, text in row.items()}
            for row in rows
            if not (row["prompt"] in others and own.search(row["prompt"]))
        ]
        for part, rows in build().items()
    }


def write(folder: Path = HERE) -> None:
    for part, rows in build().items():
        with (folder / f"{part}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write()
