"""The lessons: read from Markdown in two languages and checked, so that every language has the same structure.

Facts that no language changes stand in assets/lessons/lessons.yaml; a lesson's runs are the preset of the same name.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from workbench import presets
from workbench.home import shipped
from workbench.metric import metric
from workbench.options import unknown_names
from workbench.presets import Preset

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "简体中文"}
RULES = ("most", "least", "enough", "first_to_beat", "told_apart")
SECTIONS = ("predict", "look", "questions", "further")
"""Anchors of the second-level headings that the page needs; what stands before the first of them is the idea."""
_HEADING = re.compile(r"^## (?P<title>.+?)(?: \{#(?P<anchor>[a-z-]+)\})?$")
_OPTION = re.compile(r"^- \[(?P<mark>[ x])\] (?P<text>.+)$")
_CHOICE = re.compile(r"^- (?P<text>.+)$")


@dataclass(frozen=True)
class Asks:
    """What the learner predicts: a rule of RULES on a column; `within` and `reference` where the rule needs them."""

    rule: str
    column: str
    within: float = 0.0
    reference: str = ""

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(unknown_names("rule", [self.rule], RULES))
        metric(self.column)
        if self.rule == "enough" and not 0 < self.within < 1:
            raise ValueError(f"the rule enough needs within, a share between 0 and 1, not {self.within!r}")
        if self.rule == "first_to_beat" and not self.reference:
            raise ValueError("the rule first_to_beat needs a reference, such as tfidf")


@dataclass(frozen=True)
class Lesson:
    """A lesson without its words."""

    id: str
    number: int
    minutes: int
    asks: Asks
    columns: tuple[str, ...]
    claims: tuple[str, ...] = ()

    @property
    def preset(self) -> Preset:
        return presets.load(self.id)

    @property
    def choices(self) -> int:
        """How many answers the prediction has."""
        preset = self.preset
        if self.asks.rule == "first_to_beat":
            return len(preset.data["subsets"]) + 1
        return len(preset.methods)


@dataclass(frozen=True)
class Question:
    """A question with its answers, the place of the right one, and why it is right."""

    text: str
    answers: tuple[str, ...]
    right: int
    why: str


@dataclass(frozen=True)
class LessonText:
    """A lesson's words in one language; what is longer than a line is Markdown."""

    title: str
    question: str
    idea: str
    predict: str
    choices: tuple[str, ...]
    look: str
    questions: tuple[Question, ...]
    further: str
    headings: tuple[str, ...]
    """Titles of the four SECTIONS, in their order."""


@functools.cache
def lessons() -> Mapping[str, Lesson]:
    """Every lesson by its id, in the order of the facts file."""
    path = shipped("assets") / "lessons" / "lessons.yaml"
    facts = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        name: _lesson(path.name, name, number, values)
        for number, (name, values) in enumerate(facts.items(), start=1)
    }


def lesson(lesson_id: str) -> Lesson:
    """One lesson. ValueError names those that there are."""
    known = lessons()
    if lesson_id not in known:
        raise ValueError(unknown_names("lesson", [lesson_id], list(known)))
    return known[lesson_id]


@functools.cache
def text(lesson_id: str, language: str) -> LessonText:
    """A lesson's words, checked against its facts."""
    path = words_file(language, f"{lesson_id}.md")
    return parse(path.read_text(encoding="utf-8"), lesson(lesson_id), f"{language}/{path.name}")


@functools.cache
def page_text(name: str, language: str) -> tuple[str, str]:
    """Title and Markdown of a page that is no lesson: the teacher's guide."""
    head, body = _front_matter(words_file(language, f"{name}.md").read_text(encoding="utf-8"), name)
    return str(head["title"]), body


@functools.cache
def words(language: str) -> Mapping[str, str]:
    """What the Learn tab and the workshop say themselves, by key."""
    path = words_file(language, "words.yaml")
    found: dict[str, str] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def words_file(language: str, name: str) -> Path:
    if language not in LANGUAGES:
        raise ValueError(unknown_names("language", [language], list(LANGUAGES)))
    return shipped("assets") / "lessons" / language / name


def parse(source: str, facts: Lesson, name: str) -> LessonText:
    """The words of a lesson file. ValueError names the file and what is missing."""
    try:
        head, body = _front_matter(source, name)
        idea, sections = _sections(body)
        prompt, choices = _choices(sections["predict"][1])
        found = LessonText(
            title=str(head["title"]),
            question=str(head["question"]),
            idea=idea,
            predict=prompt,
            choices=choices,
            look=sections["look"][1],
            questions=tuple(_questions(sections["questions"][1])),
            further=sections["further"][1],
            headings=tuple(sections[anchor][0] for anchor in SECTIONS),
        )
    except KeyError as error:
        raise ValueError(f"{name}: a lesson needs {error.args[0]!r}") from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if len(found.choices) != facts.choices:
        raise ValueError(
            f"{name}: {len(found.choices)} choices to predict from, its runs make {facts.choices}"
        )
    if len(found.questions) != 3:
        raise ValueError(f"{name}: a lesson asks three questions, not {len(found.questions)}")
    return found


def _lesson(file: str, name: str, number: int, values: Mapping[str, Any]) -> Lesson:
    known = ("minutes", "asks", "columns", "claims")
    if extra := [key for key in values if key not in known]:
        raise ValueError(f"{file}: {name}: {unknown_names('key', extra, known)}")
    for column in values["columns"]:
        metric(column)
    try:
        asks = Asks(**values["asks"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: {name}: asks: {error}") from None
    return Lesson(
        name, number, int(values["minutes"]), asks, tuple(values["columns"]), tuple(values.get("claims", ()))
    )


def _front_matter(source: str, name: str) -> tuple[Mapping[str, Any], str]:
    if not source.startswith("---\n") or "\n---\n" not in source[4:]:
        raise ValueError(f"{name} begins with front matter between two lines of ---")
    head, body = source[4:].split("\n---\n", 1)
    return yaml.safe_load(head), body.strip()


def _sections(body: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """What stands before the first anchored heading, and title and text of each anchored section."""
    idea: list[str] = []
    found: dict[str, tuple[str, list[str]]] = {}
    here = idea
    for line in body.splitlines():
        heading = _HEADING.match(line)
        if heading and heading["anchor"]:
            if heading["anchor"] not in SECTIONS:
                raise ValueError(unknown_names("section", [heading["anchor"]], SECTIONS))
            here = []
            found[heading["anchor"]] = (heading["title"], here)
        else:
            here.append(line)
    return "\n".join(idea).strip(), {
        anchor: (title, "\n".join(lines).strip()) for anchor, (title, lines) in found.items()
    }


def _choices(section: str) -> tuple[str, tuple[str, ...]]:
    """The prompt above the list, and the list."""
    lines = section.splitlines()
    choices = tuple(found["text"] for line in lines if (found := _CHOICE.match(line)))
    return "\n".join(line for line in lines if not _CHOICE.match(line)).strip(), choices


def _questions(section: str) -> Iterator[Question]:
    for block in re.split(r"^### ", section, flags=re.MULTILINE)[1:]:
        lines = block.splitlines()
        options = [found for line in lines if (found := _OPTION.match(line))]
        right = [place for place, option in enumerate(options) if option["mark"] == "x"]
        why = " ".join(line.removeprefix(">").strip() for line in lines if line.startswith(">"))
        if len(right) != 1 or len(options) < 3 or not why:
            raise ValueError(
                f"question {lines[0]!r} needs at least three answers, one of them marked [x], and a reason after >"
            )
        yield Question(lines[0].strip(), tuple(option["text"] for option in options), right[0], why)


def shape(found: LessonText) -> Sequence[Any]:
    """What two languages of a lesson must share: sections, headings, list items, terms, places of right answers."""
    parts = (found.idea, found.predict, found.look, found.further)
    return (
        len(found.choices),
        [(len(question.answers), question.right) for question in found.questions],
        [
            (
                len(re.findall(r"^#+ ", part, re.MULTILINE)),
                len(re.findall(r"^(?:- |\d+\. )", part, re.MULTILINE)),
                len([block for block in re.split(r"\n\s*\n", part) if block.strip()]),
                sorted(re.findall(r"\[\[([a-z0-9-]+)", part)),
                re.findall(r"`([^`]+)`", part),
            )
            for part in parts
        ],
    )
