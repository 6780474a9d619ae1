"""One lesson as HTML: the idea, the prediction, the runs, the result beside the prediction, and three questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from workbench import lessons
from workbench.claims import Finding
from workbench.learners import Progress
from workbench.lesson_outcome import Outcome
from workbench.lessons import Lesson, Question
from workbench.queue_state import newest_runs, queue_state
from workbench.result import ACTIVE_STATES, Run
from workbench.ui import parts
from workbench.ui.frame import data_title, model_title
from workbench.ui.glossary_terms import prose
from workbench.ui.lesson_result import claims_html, result_html, verdict_html


@dataclass(frozen=True)
class Shown:
    """Everything that a lesson's view is drawn from. `class_runs`: the runs are those that a teacher started for all."""

    lesson: Lesson
    progress: Progress
    runs: Sequence[Run] = ()
    outcome: Outcome | None = None
    findings: Sequence[Finding] = ()
    language: str = "en"
    class_runs: bool = False
    paused: bool = False
    busy: bool = False
    replay: bool = False


def lesson_html(now: Shown) -> Markup:
    lesson, language = now.lesson, now.language
    words, text = lessons.words(language), lessons.text(lesson.id, language)
    return Markup(
        '<article class="wb-learn wb-lesson" lang="{lang}"><div class="wb-row wb-no-print">{back}'
        '</div><header><p class="wb-note">{number} · {minutes}</p><h1>{title}</h1>'
        '<p class="wb-lead" translate="no">{question}</p></header><div class="wb-prose" translate="no">{idea}</div>{cards}'
        '<div class="wb-prose" translate="no"><h2>{further}</h2>{more}</div>{foot}</article>'
    ).format(
        lang="zh-Hans" if language == "zh" else language,
        back=parts.button(words["back"], "back"),
        number=words["lesson_number"].format(number=lesson.number),
        minutes=words["minutes"].format(minutes=lesson.minutes),
        title=text.title,
        question=text.question,
        idea=prose(text.idea, language),
        cards=parts.join(_prediction(now), _machine(now), _result(now), _questions(now)),
        further=text.headings[3],
        more=prose(text.further, language),
        foot=_foot(now),
    )


def _card(title: str, body: Markup, number: int) -> Markup:
    return Markup(
        '<section class="wb-card wb-lesson-step"><h2><span class="wb-step-number" aria-hidden="true">{}</span>{}</h2>{}</section>'
    ).format(number, title, body)


def _prediction(now: Shown) -> Markup:
    words, text = lessons.words(now.language), lessons.text(now.lesson.id, now.language)
    chosen, committed = now.progress.prediction, now.progress.committed
    choices = Markup("").join(
        _choice(prose(choice, now.language, inline=True), "predict", str(i), i == chosen, off=committed)
        for i, choice in enumerate(text.choices)
    )
    if committed:
        foot = parts.badge("ok", words["committed"])
    else:
        foot = Markup('{}<span class="wb-note">{}</span>').format(
            parts.button(words["commit"], "commit", kind="primary", small=False, disabled=chosen is None),
            words["choose"] if chosen is None else words["commit_note"],
        )
    body = Markup(
        '<div class="wb-prose" translate="no">{}</div><div class="wb-choices" translate="no" role="group" aria-label="{}">{}</div><div class="wb-row">{}</div>'
    ).format(prose(text.predict, now.language), text.headings[0], choices, foot)
    return _card(text.headings[0], body, 1)


def _choice(label: Markup, action: str, key: str, on: bool, *, off: bool, mark: str = "") -> Markup:
    """One of several answers as a button; `mark` says how it turned out."""
    return Markup(
        '<button type="button" class="wb-choice{on}{mark}" data-action="{action}" data-key="{key}" aria-pressed="{pressed}"{off}>'
        '<span class="wb-choice-dot" aria-hidden="true"></span><span>{label}</span></button>'
    ).format(
        on=" wb-on" if on else "",
        mark=f" {mark}" if mark else "",
        action=action,
        key=key,
        pressed="true" if on else "false",
        off=Markup(" disabled") if off else "",
        label=label,
    )


def _machine(now: Shown) -> Markup:
    """The button that runs the preset; while it runs how far it is; afterwards what did not finish."""
    words, preset = lessons.words(now.language), now.lesson.preset
    size = words["run_size"].format(
        runs=preset.runs, data=data_title(str(preset.data["source"])), model=model_title(preset.model)
    )
    state = queue_state(now.runs)
    pieces: list[Markup] = []
    if now.busy:
        pieces.append(parts.progress_bar(None, label=words["preparing"]))
        pieces.append(Markup('<p class="wb-two">{}</p>').format(words["preparing"]))
    elif state.active:
        pieces.append(_progress(now))
    elif not now.progress.committed:
        pieces.append(
            Markup('<p class="wb-two">{}</p>').format(words["runs_wait" if now.runs else "commit_first"])
        )
    else:
        newest = newest_runs(now.runs)
        missing = [run for run in newest if run.state in ("failed", "lost", "cancelled")]
        if missing:
            reason = next((run.reason.message for run in missing if run.reason), missing[0].state)
            failed = words["run_failed"].format(failed=len(missing), all=len(newest), reason=reason)
            pieces.append(parts.notice("fail", failed))
        label = words["run_again" if now.runs else "run"]
        kind: parts.frame.ButtonKind = "secondary" if state.finished else "primary"
        run = parts.button(
            label, "run", now.lesson.id, kind=kind, small=bool(state.finished), icon_name="play"
        )
        replay = parts.button(words["replay_watch"], "replay", now.lesson.id) if now.replay else ""
        pieces.append(
            Markup('<div class="wb-row">{}{}<span class="wb-note">{}</span></div>').format(run, replay, size)
        )
    return _card(words["run"], parts.join(*pieces), 2)


def _progress(now: Shown) -> Markup:
    words, state = lessons.words(now.language), queue_state(now.runs)
    counted = words["progress"].format(done=state.done, all=state.total)
    left = parts.format_time_left(state.seconds_left).removesuffix(" left")
    tail = words["paused"] if now.paused else words["left"].format(time=left) if left else ""
    mine = _is_active(now.runs) and not now.class_runs
    return Markup(
        '<div class="wb-learn-progress" aria-live="polite">{}<span>{}</span><span class="wb-muted">{}</span>{}</div>'
    ).format(
        parts.progress_bar(state.share, label=counted),
        counted,
        tail,
        parts.button(words["cancel"], "cancel", now.lesson.id) if mine else "",
    )


def _is_active(runs: Sequence[Run]) -> bool:
    return any(run.state in ACTIVE_STATES for run in runs)


def _result(now: Shown) -> Markup:
    """Only for who has committed: what one expected before looking is what one learns from."""
    words, text = lessons.words(now.language), lessons.text(now.lesson.id, now.language)
    predicted = now.progress.prediction
    if not now.progress.committed or predicted is None or not now.runs or now.outcome is None:
        body = Markup('<p class="wb-two">{}</p>').format(words["no_runs" if not now.runs else "commit_first"])
        return _card(words["result"], body, 3)
    whose = Markup('<p class="wb-note">{}</p>').format(words["class_runs" if now.class_runs else "own_runs"])
    body = parts.join(
        whose, result_html(now.lesson, now.outcome, predicted, now.language, active=_is_active(now.runs))
    )
    if now.outcome.happened is not None:
        verdict = Markup('<h3 class="wb-lesson-sub">{}</h3>{}{}').format(
            words["verdict"],
            verdict_html(now.outcome.judged, now.language),
            claims_html(now.findings, now.language),
        )
        look = Markup(
            '<h3 class="wb-lesson-sub">{}</h3><div class="wb-prose" translate="no">{}</div>'
        ).format(text.headings[1], prose(text.look, now.language))
        compare = Markup('<div class="wb-row wb-no-print">{}</div>').format(
            parts.button(words["see_compare"], "compare", now.runs[-1].spec.setting.id)
        )
        body += parts.join(verdict, look, compare if not now.class_runs else Markup(""))
    return _card(words["result"], body, 3)


def _questions(now: Shown) -> Markup:
    words, text = lessons.words(now.language), lessons.text(now.lesson.id, now.language)
    asked = Markup("").join(
        _question(question, i, now.progress.answers.get(i), now.language)
        for i, question in enumerate(text.questions)
    )
    note = Markup('<p class="wb-note">{}</p>').format(words["questions_after"])
    return _card(text.headings[2], parts.join(note, asked), 4)


def _question(question: Question, place: int, given: int | None, language: str) -> Markup:
    words = lessons.words(language)
    answers = Markup("").join(
        _choice(
            prose(answer, language, inline=True),
            "answer",
            f"{place}:{i}",
            i == given,
            off=given is not None,
            mark="wb-right" if given is not None and i == question.right else "",
        )
        for i, answer in enumerate(question.answers)
    )
    told = Markup("")
    if given is not None:
        right = given == question.right
        told = parts.notice(
            "ok" if right else "warn",
            words["right"] if right else words["wrong"],
            (Markup("") if right else Markup("{} ").format(_right_answer(question, language)))
            + prose(question.why, language, inline=True),
        )
    return Markup(
        '<div class="wb-question" translate="no"><h3>{0}</h3><div class="wb-choices" role="group" aria-label="{0}">{1}</div>{2}</div>'
    ).format(prose(question.text, language, inline=True).striptags(), answers, told)


def _right_answer(question: Question, language: str) -> str:
    said = lessons.words(language)["right_answer"].format(answer=question.answers[question.right])
    return said if said.endswith((".", "。")) else said + ("。" if language == "zh" else ".")


def _foot(now: Shown) -> Markup:
    words, known = lessons.words(now.language), list(lessons.lessons())
    after = known[now.lesson.number : now.lesson.number + 1]
    onward = (
        parts.button(
            words["next_lesson"].format(title=lessons.text(after[0], now.language).title), "open", after[0]
        )
        if after
        else parts.button(words["back"], "back")
    )
    over = parts.button(words["start_over"], "over", kind="quiet") if now.progress.begun else ""
    return Markup(
        '<div class="wb-row wb-learn-foot wb-no-print">{}<span class="wb-space"></span>{}</div>'
    ).format(over, onward)
