"""What a class may print: the exercise sheet (no answers in it), the teacher's guide, and the glossary."""

from __future__ import annotations

from markupsafe import Markup

from workbench import lessons
from workbench.lessons import Lesson
from workbench.ui import parts
from workbench.ui.glossary_terms import glossary_list, prose

VIEWS = ("sheet", "guide", "glossary")
_LETTERS = "ABCDEFGH"


def paper_html(view: str, language: str) -> Markup:
    """One of VIEWS, with a button that prints it."""
    words = lessons.words(language)
    if view == "guide":
        title, text = lessons.page_text("guide", language)
        body = Markup('<div class="wb-prose" translate="no">{}</div>').format(prose(text, language))
    elif view == "glossary":
        title, body = words["glossary"], glossary_list(language)
    else:
        title, body = words["sheet"], sheet(language)
    return Markup(
        '<div class="wb-learn wb-paper"><div class="wb-row wb-no-print">{back}<span class="wb-space"></span>'
        '<button type="button" class="wb-button wb-button-primary wb-small" data-print>{print}</button></div>'
        '<section class="wb-card"><h1 class="wb-paper-title">{title}</h1>{body}</section></div>'
    ).format(
        back=parts.button(words["back"], "back"),
        print=words["print"],
        title=title,
        body=body,
    )


def sheet(language: str) -> Markup:
    """A page for each lesson: question, prediction to tick, a place for what happened, the questions without answers."""
    words = lessons.words(language)
    pages = Markup("").join(_page(one, language) for one in lessons.lessons().values())
    return Markup(
        '<p class="wb-note wb-no-print">{}</p><div class="wb-blanks"><span>{}</span><span>{}</span></div>{}'
    ).format(words["sheet_note"], words["name"], words["date"], pages)


def _page(lesson: Lesson, language: str) -> Markup:
    words, text = lessons.words(language), lessons.text(lesson.id, language)
    questions = Markup("").join(
        Markup("<li><b>{}</b>{}</li>").format(
            prose(one.text, language, inline=True), _ticks(one.answers, language)
        )
        for one in text.questions
    )
    return Markup(
        '<article class="wb-sheet-page"><h2>{number}. {title}</h2><p class="wb-strong">{question}</p>'
        '<div class="wb-prose" translate="no">{predict}</div>{choices}<p class="wb-lines">{why}</p>'
        '<p class="wb-lines">{happened}</p><ol class="wb-sheet-questions">{questions}</ol></article>'
    ).format(
        number=lesson.number,
        title=text.title,
        question=text.question,
        predict=prose(text.predict, language),
        choices=_ticks(text.choices, language),
        why=words["sheet_predict"],
        happened=words["sheet_happened"],
        questions=questions,
    )


def _ticks(answers: tuple[str, ...], language: str) -> Markup:
    items = (
        Markup('<li><span class="wb-box" aria-hidden="true"></span>{} {}</li>').format(
            letter, prose(answer, language, inline=True)
        )
        for letter, answer in zip(_LETTERS, answers)
    )
    return Markup('<ul class="wb-ticks">{}</ul>').format(Markup("").join(items))
