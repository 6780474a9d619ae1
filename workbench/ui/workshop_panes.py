"""What a workshop's projector can show: how to join, the tally of predictions, how far the runs are, the leaderboard."""

from __future__ import annotations

import math

from markupsafe import Markup

from workbench import lessons, workshop
from workbench.lesson_outcome import outcome, runs_of, settings_of
from workbench.lessons import Lesson
from workbench.marks import judged_by
from workbench.queue_state import queue_state
from workbench.store import Store
from workbench.ui import parts, shown
from workbench.ui.lesson_result import column_title


def pane_title(pane: str, language: str) -> str:
    return lessons.words(language)[f"workshop_pane_{pane}"]


def pane_html(store: Store, language: str, address: str) -> Markup:
    """The pane that the teacher chose, for the lesson that the class is at."""
    board = workshop.board(store)
    lesson = lessons.lesson(board.lesson) if board.lesson else None
    if lesson is None or board.pane == "join":
        return _join(store, language, address)
    title = Markup('<p class="wb-two">{}</p><h1>{}</h1>').format(
        lessons.words(language)["lesson_number"].format(number=lesson.number),
        lessons.text(lesson.id, language).question,
    )
    body = {"tally": tally_html, "progress": progress_html, "board": board_html}[board.pane]
    return title + body(store, lesson, language)


def _join(store: Store, language: str, address: str) -> Markup:
    words = lessons.words(language)
    names = Markup("").join(
        Markup('<li class="wb-badge wb-busy" translate="no">{}</li>').format(one.nickname)
        for one in workshop.participants(store)
        if not one.teacher
    )
    return Markup(
        '<p class="wb-two">{lead}</p><dl class="wb-projector-join"><div><dt>{address_word}</dt><dd>{address}</dd></div>'
        '<div><dt>{code_word}</dt><dd>{code}</dd></div></dl><ul class="wb-row wb-names">{names}</ul>'
    ).format(
        lead=words["workshop_lead"],
        address_word=words["workshop_address"],
        address=address,
        code_word=words["workshop_code"],
        code=workshop.code(),
        names=names,
    )


def tally_html(store: Store, lesson: Lesson, language: str) -> Markup:
    """How many committed to each choice, and once the class's runs are in, which came true."""
    words, text = lessons.words(language), lessons.text(lesson.id, language)
    counts = workshop.tally(store, lesson)
    happened = class_outcome(store, lesson)
    rows = Markup("").join(
        Markup('<li{}><span>{}</span>{}<b class="wb-num">{}</b>{}</li>').format(
            Markup(' class="wb-happened"') if i == happened else "",
            choice,
            parts.bar(count, max(sum(counts), 1)),
            count,
            parts.badge("ok", words["what_happened"]) if i == happened else "",
        )
        for i, (choice, count) in enumerate(zip(text.choices, counts))
    )
    note = "" if happened is not None else words["workshop_tally_hidden"]
    return Markup('<h2>{}</h2><ul class="wb-tally">{}</ul><p class="wb-note">{}</p>').format(
        words["workshop_tally"], rows, note
    )


def class_outcome(store: Store, lesson: Lesson) -> int | None:
    """The choice that came true in the class's runs."""
    from workbench.compare import comparison

    owner = workshop.class_owner(workshop.code() or "")
    if any(not run.is_final for run in runs_of(store, lesson.preset, owner)):
        return None
    found = [comparison(store, one.id, owner=owner) for one in settings_of(store, lesson.preset, owner)]
    return outcome(lesson, lesson.preset, found).happened


def progress_html(store: Store, lesson: Lesson, language: str) -> Markup:
    """How far the class's runs are."""
    words = lessons.words(language)
    runs = runs_of(store, lesson.preset, workshop.class_owner(workshop.code() or ""))
    state = queue_state(runs)
    if not state.total:
        return Markup('<p class="wb-two">{}</p>').format(words["no_runs"])
    counted = words["progress"].format(done=state.done, all=state.total)
    return Markup('<div class="wb-projector-progress">{}<p>{}</p></div>').format(
        parts.progress_bar(state.share, label=counted), counted
    )


def board_html(store: Store, lesson: Lesson, language: str) -> Markup:
    """The leaderboard: score with its interval against memory."""
    words = lessons.words(language)
    title = words["workshop_leaderboard_lead"].format(lesson=lessons.text(lesson.id, language).title)
    entries = workshop.leaderboard(store, lesson)
    head = Markup('<h3>{}</h3><p class="wb-note">{}</p>').format(words["workshop_leaderboard"], title)
    if not entries:
        return head + Markup('<p class="wb-two">{}</p>').format(words["workshop_no_scores"])
    name = _judged(store, lesson)
    unit = shown.times(name)
    means = [one.score.mean * unit for one in entries]
    spread = max(max(means) - min(means), 1.0 if unit > 1 else 0.1)
    low, high = min(means) - 0.8 * spread, max(means) + 0.8 * spread
    every = "".join(sorted({letter for one in entries for letter in one.letters}))
    rows = Markup("").join(
        Markup(
            '<tr><th scope="row">{name}</th><td><span class="wb-lesson-choice">{marker}{label}</span></td><td class="wb-num">{score}</td>'
            '<td>{whisker}</td><td>{letters}</td><td class="wb-num">{memory}</td><td>{front}</td></tr>'
        ).format(
            name=one.nickname,
            marker=parts.marker(one.family),
            label=one.label,
            score=shown.in_words(one.score.mean, name),
            whisker=parts.whisker(
                one.score.mean * unit,
                _times(one.score.low, unit),
                _times(one.score.high, unit),
                low,
                high,
                one.family,
            ),
            letters=parts.group_letters(one.letters, every),
            memory=parts.format_bytes(one.memory_bytes),
            front=parts.badge("ok", words["workshop_front"]) if one.on_front else "",
        )
        for one in entries
    )
    heads = (
        words["workshop_nickname"],
        words["method"],
        column_title(name, language),
        "",
        "",
        words["workshop_memory"],
        "",
    )
    return head + Markup(
        '<div class="wb-scroll"><table class="wb-plain"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(Markup("").join(Markup('<th scope="col">{}</th>').format(one) for one in heads), rows)


def _judged(store: Store, lesson: Lesson) -> str:
    everyone = [one.owner for one in workshop.participants(store)]
    settings = [found for owner in everyone for found in settings_of(store, lesson.preset, owner)]
    return judged_by(settings[0])


def _times(value: float | None, unit: float) -> float | None:
    return None if value is None or not math.isfinite(value) else value * unit
