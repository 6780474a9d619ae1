"""Lessons: every language has the same structure, every lesson its preset, and bad files are refused in one sentence."""

import re
import string

import pytest

from workbench import lessons
from workbench.claim_list import CLAIMS
from workbench.glossary import entry
from workbench.lessons import LANGUAGES, Asks, lesson, parse, shape, text, words

IDS = list(lessons.lessons())
GOOD = """---
title: A title
question: A question?
---
The [[lora|idea]].

## Your prediction {#predict}
Which one?

- one
- two
- three
- four

## Reading {#look}
Look.

## Questions {#questions}
### First?
- [ ] no
- [x] yes
- [ ] perhaps
> Because.

### Second?
- [x] yes
- [ ] no
- [ ] perhaps
> Because
> of that.

### Third?
- [ ] no
- [ ] perhaps
- [x] yes
> Because.

## More {#further}
Go on.
"""


def test_there_are_seven_lessons():
    assert len(IDS) == 7
    assert [one.number for one in lessons.lessons().values()] == list(range(1, 8))


@pytest.mark.parametrize("lesson_id", IDS)
def test_every_language_of_a_lesson_has_the_same_structure(lesson_id):
    shapes = [shape(text(lesson_id, language)) for language in LANGUAGES]
    assert all(one == shapes[0] for one in shapes)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("lesson_id", IDS)
def test_every_term_of_a_lesson_is_in_the_glossary(lesson_id, language):
    source = lessons.words_file(language, f"{lesson_id}.md").read_text(encoding="utf-8")
    keys = re.findall(r"\[\[([a-z0-9-]+)", source)
    assert keys
    assert all(entry(key, language).text for key in keys)


@pytest.mark.parametrize("lesson_id", IDS)
def test_a_lessons_preset_is_small_and_needs_nothing_from_elsewhere(lesson_id):
    preset = lesson(lesson_id).preset
    assert preset.name == lesson_id
    assert preset.model == "embedded:fable-8m"
    assert not preset.needs_hub
    assert preset.setting["budget"].kind == "steps"
    examples = preset.runs * preset.setting["budget"].amount * preset.setting["batch_size"]
    assert examples <= 7000


@pytest.mark.parametrize("lesson_id", IDS)
def test_a_lessons_claims_exist(lesson_id):
    assert set(lesson(lesson_id).claims) <= {claim.name for claim in CLAIMS}


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_the_tabs_own_words_are_the_same_in_every_language(language):
    def places(said):
        return {name for _, name, _, _ in string.Formatter().parse(said) if name}

    english, other = words("en"), words(language)
    assert set(english) == set(other)
    assert {k for k in english if k != "columns" and places(english[k]) != places(other[k])} == set()


def test_every_column_of_a_lesson_has_a_chinese_title():
    wanted = {name for one in lessons.lessons().values() for name in one.columns}
    assert wanted <= set(words("zh")["columns"])


def test_the_guide_has_the_same_structure_in_every_language():
    def outline(language):
        _, body = lessons.page_text("guide", language)
        return [line.split(" ")[0] for line in body.splitlines() if re.match(r"#|- |\d+\.", line)]

    assert outline("en") == outline("zh")
    assert "60" in lessons.page_text("guide", "en")[1]
    assert "120" in lessons.page_text("guide", "en")[1]


def test_a_lesson_is_read_with_all_its_parts():
    found = parse(GOOD, lesson("lesson-2"), "x.md")
    assert found.choices == ("one", "two", "three", "four")
    assert [one.right for one in found.questions] == [1, 0, 2]
    assert found.questions[1].why == "Because of that."
    assert found.idea == "The [[lora|idea]]."
    assert found.headings == ("Your prediction", "Reading", "Questions", "More")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("---\ntitle", "title", "begins with front matter"),
        ("title: A title\n", "", "a lesson needs 'title'"),
        ("## Reading {#look}", "## Reading", "a lesson needs 'look'"),
        ("{#look}", "{#lock}", "unknown section(s) lock (did you mean look?)"),
        ("- four\n", "", "3 choices to predict from, its runs make 4"),
        (
            "- [x] yes\n- [ ] perhaps\n> Because.",
            "- [ ] yes\n- [ ] perhaps\n> Because.",
            "one of them marked [x]",
        ),
        ("> Because.\n\n## More", "\n## More", "a reason after >"),
    ],
)
def test_a_bad_lesson_is_refused_by_name(old, new, sentence):
    with pytest.raises(ValueError) as caught:
        parse(GOOD.replace(old, new, 1), lesson("lesson-2"), "x.md")
    assert str(caught.value).startswith("x.md")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "asks",
    [
        {"rule": "mots", "column": "accuracy"},
        {"rule": "most", "column": "acuracy"},
        {"rule": "enough", "column": "accuracy"},
        {"rule": "first_to_beat", "column": "accuracy"},
    ],
)
def test_a_bad_rule_is_refused(asks):
    with pytest.raises((ValueError, KeyError)):
        Asks(**asks)


def test_an_unknown_lesson_names_those_that_there_are():
    with pytest.raises(ValueError, match="lesson-1"):
        lesson("lesson-9")
