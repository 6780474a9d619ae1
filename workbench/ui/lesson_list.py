"""The Learn tab's first view: the lessons with their questions, how far this learner is, and what there is to print."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from workbench import lessons
from workbench.learners import Progress
from workbench.lessons import Lesson
from workbench.ui import parts


def list_html(progress: Mapping[str, Progress], language: str) -> Markup:
    """One card per lesson, in order."""
    words, known = lessons.words(language), lessons.lessons()
    done = sum(is_done(progress.get(one.id, Progress())) for one in known.values())
    cards = Markup("").join(_card(one, progress.get(one.id, Progress()), language) for one in known.values())
    share = done / len(known)
    counted = words["lessons_done"].format(done=done, all=len(known))
    return Markup(
        '<div class="wb-learn">{title}<p class="wb-lead">{lead}</p>'
        '<div class="wb-learn-progress">{bar}<span class="wb-two">{counted}</span></div>'
        '<ol class="wb-lessons">{cards}</ol>{foot}</div>'
    ).format(
        title=parts.page_title(words["learn"]),
        lead=words["lead"],
        bar=parts.progress_bar(share, label=counted),
        counted=counted,
        cards=cards,
        foot=_foot(words),
    )


def is_done(progress: Progress) -> bool:
    """A lesson is done when its prediction stands and its three questions are answered."""
    return progress.committed and len(progress.answers) >= 3


def _card(lesson: Lesson, progress: Progress, language: str) -> Markup:
    words, text = lessons.words(language), lessons.text(lesson.id, language)
    done = is_done(progress)
    label = words["look_again"] if done else words["go_on"] if progress.begun else words["open"]
    return Markup(
        '<li class="wb-card wb-lesson-card{done}"><div class="wb-lesson-number">{number}</div>'
        '<div class="wb-grow"><h2>{title}</h2><p class="wb-two">{question}</p>'
        '<div class="wb-row wb-note">{state}<span>{minutes}</span></div></div>{button}</li>'
    ).format(
        done=" wb-lesson-done" if done else "",
        number=lesson.number,
        title=text.title,
        question=text.question,
        state=_state(lesson, progress, language),
        minutes=words["minutes"].format(minutes=lesson.minutes),
        button=parts.button(
            Markup('{}<span class="wb-hidden">: {}</span>').format(label, text.title),
            "open",
            lesson.id,
            kind="secondary" if done else "primary" if progress.begun else "secondary",
        ),
    )


def _state(lesson: Lesson, progress: Progress, language: str) -> Markup:
    words = lessons.words(language)
    if is_done(progress):
        questions = lessons.text(lesson.id, language).questions
        right = sum(progress.answers.get(i) == one.right for i, one in enumerate(questions))
        return parts.badge("ok", words["state_done"]) + Markup("<span>{}</span>").format(
            words["quiz_score"].format(right=right, all=len(questions))
        )
    if progress.committed:
        return parts.badge("busy", words["state_committed"])
    return Markup("<span>{}</span>").format(words["state_begun" if progress.begun else "state_new"])


def _foot(words: Mapping[str, str]) -> Markup:
    return Markup('<div class="wb-row wb-learn-foot">{}{}{}</div>').format(
        parts.button(words["sheet"], "view", "sheet"),
        parts.button(words["guide"], "view", "guide"),
        parts.button(words["glossary"], "view", "glossary"),
    )
