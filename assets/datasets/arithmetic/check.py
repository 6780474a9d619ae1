"""The answer to an `arithmetic` problem worked out from its text alone, and whether the steps of a completion are right."""

import re
import tomllib
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

STORIES: dict[str, Any] = tomllib.loads((Path(__file__).resolve().parent / "stories.toml").read_text("utf-8"))
SLOTS = re.compile(r"(\{\w+\}|<[^>]*>)")


def calculate(left: Fraction, operator: str, right: Fraction) -> Fraction:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    return left * right if operator == "*" else left / right


@cache
def pattern(text: str) -> re.Pattern[str]:
    """A story as a pattern that catches its numbers by name; words match anything short."""
    pieces = []
    for piece in SLOTS.split(text):
        if re.fullmatch(r"\{[a-d]\}", piece):
            pieces.append(rf"(?P<{piece[1]}>\d+)")
        else:
            pieces.append(r"[A-Za-z ]+?" if SLOTS.fullmatch(piece) else re.escape(piece))
    return re.compile("".join(pieces))


def solve(prompt: str) -> int:
    """The answer, by the formulas of the one story that the problem tells."""
    found = [
        (match, story)
        for part in ("train", "validation", "test")
        for story in STORIES[part]
        if (match := pattern(story["text"]).fullmatch(prompt))
    ]
    if len(found) != 1:
        raise ValueError(f"the problem must tell one known story, but it tells {len(found)}: {prompt}")
    match, story = found[0]
    values = {name: Fraction(number) for name, number in match.groupdict().items()}
    for number, step in enumerate(story["steps"], start=1):
        formula = re.search(r"\{(\w+) ([-+*/]) (\w+)\}", step)
        assert formula, f"a step calculates nothing: {step}"
        values[f"r{number}"] = calculate(values[formula[1]], formula[2], values[formula[3]])
    answer = values[f"r{len(story['steps'])}"]
    if answer.denominator != 1:
        raise ValueError(f"the answer must be whole, not {answer}: {prompt}")
    return int(answer)


def final_number(completion: str) -> int | None:
    """The number after the last ####, None if there is none."""
    found = re.findall(r"####\s*(-?\d+)", completion)
    return int(found[-1]) if found else None


def wrong_steps(completion: str) -> list[str]:
    """Equations of a completion, such as `7 + 5 = 13`, that don't hold."""
    equations = re.findall(r"(\d+) ([-+*/]) (\d+) = (\d+)", completion)
    return [
        f"{left} {operator} {right} = {result}"
        for left, operator, right, result in equations
        if (operator == "/" and int(right) == 0)
        or calculate(Fraction(left), operator, Fraction(right)) != int(result)
    ]
