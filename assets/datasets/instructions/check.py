"""The one right output of an `instructions` row worked out from its text alone, and whether an output is right."""

import re
import tomllib
from pathlib import Path
from typing import Any

WORDS: dict[str, Any] = tomllib.loads((Path(__file__).resolve().parent / "words.toml").read_text("utf-8"))
ROWS = (
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    [
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
    ],
    list("abcdefghijklmnopqrstuvwxyz"),
)


def every(name: str) -> list[Any]:
    return [word for words in WORDS[name].values() for word in words]


def merged(name: str) -> dict[str, Any]:
    return {key: value for words in WORDS[name].values() for key, value in words.items()}


PAST = {verb[0]: verb[1] for verb in merged("verbs").values()}
BASE = {verb[0]: base for base, verb in merged("verbs").items()}
ANIMALS = merged("animals")
THINGS = merged("things")
CATEGORY = {
    word: name for name, parts in WORDS["categories"].items() for words in parts.values() for word in words
}


def found(known: list[str], text: str) -> list[str]:
    return [word for word in known if re.search(rf"\b{re.escape(word)}\b", text, re.I)]


def only(known: list[str], text: str) -> str:
    words = found(known, text)
    if len(words) != 1:
        raise ValueError(f"just one of the known words must stand in the text, not {words}: {text}")
    return words[0]


def replaced(text: str, table: dict[str, str]) -> str:
    return re.sub(r"[A-Za-z]+", lambda match: table.get(match[0], match[0]), text)


def polite(instruction: str, text: str) -> str:
    style = re.search(r'"([^"]+)"', instruction)
    assert style, f"the instruction names no style: {instruction}"
    end = "." if style[1] == "Please" else "?"
    return f"{style[1]} {only(every('commands'), text)}{end}"


def extract(instruction: str, text: str) -> str:
    known = {
        "name": every("names"),
        "colour": every("colours"),
        "number": every("numbers"),
        "animal": [*ANIMALS, *ANIMALS.values()],
    }
    return only(known[only(list(known), instruction)], text)


def count(instruction: str, items: list[str]) -> str:
    categories = [name for name in WORDS["categories"] if f"{name}s" in instruction]
    if categories:
        return str(sum(CATEGORY[item] == categories[0] for item in items))
    counted = [item for item in items if item in instruction.rstrip("?.").split()]
    return str(len(counted or items))


def following(items: list[str]) -> str:
    if all(item.isdigit() for item in items):
        return str(2 * int(items[-1]) - int(items[-2]))
    for row in ROWS:
        if items[0] in row:
            return row[row.index(items[-1]) + 1]
    period = next(p for p in range(2, len(items)) if all(a == b for a, b in zip(items, items[p:])))
    return items[-period]


def answer(instruction: str, text: str) -> str:
    asked = re.search(r"(Who|What|Where|When)[^?.]*\?", instruction)
    assert asked, f"the instruction asks nothing: {instruction}"
    question = asked[0]
    if question.startswith("What colour"):
        return only(every("colours"), text)
    if question.startswith("Who"):
        return only([name for name in every("names") if name not in question], text)
    if question.startswith("What"):
        thing = only(list(THINGS), text)
        phrase = re.search(rf"\b(the|an?)( \w+)? {thing}\b", text)
        assert phrase, f"the sentence names no thing: {text}"
        return phrase[0]
    return only(every("places" if question.startswith("Where") else "times"), text)


def odd_one_out(items: list[str]) -> str:
    names = [CATEGORY[item] for item in items]
    return items[next(place for place, name in enumerate(names) if names.count(name) == 1)]


def order(instruction: str, items: list[str]) -> str:
    if not items[0].isdigit():
        return ", ".join(sorted(items))
    down = re.search(r"biggest first|from big|with the biggest", instruction) is not None
    return ", ".join(sorted(items, key=int, reverse=down))


def expected(kind: str, instruction: str, text: str) -> str | None:
    """The right output; None for the kind `write`, where many are right."""
    items = text.split(", ")
    if kind == "past":
        return replaced(text, PAST)
    if kind == "plural":
        return replaced(text, BASE | ANIMALS)
    if kind == "polite":
        return polite(instruction, text)
    if kind == "extract":
        return extract(instruction, text)
    if kind == "count":
        return count(instruction, items)
    if kind == "continue":
        return following(items)
    if kind == "answer":
        return answer(instruction, text)
    if kind == "odd_one_out":
        return odd_one_out(items)
    if kind == "order":
        return order(instruction, items)
    if kind == "write":
        return None
    raise ValueError(f"the kind must be one of those of the data set, not {kind!r}")


def is_right(kind: str, instruction: str, text: str, output: str) -> bool:
    """Whether an output is right; for `write`, whether it is one sentence or two with all the words asked for."""
    right = expected(kind, instruction, text)
    if right is not None:
        return output.strip() == right
    words = text.split(", ")
    return len(found(words, output)) == len(words) and 5 <= len(output.split()) <= 30 and output[-1] in '.!?"'
