"""The teacher's view of a workshop: who is where, start a lesson's preset for all, pause the queue, choose the projector's pane."""

from __future__ import annotations

import dataclasses
import time

from markupsafe import Markup

from workbench import learners, lessons, workshop
from workbench.lesson_outcome import runs_of
from workbench.queue_state import queue_state
from workbench.result import ACTIVE_STATES
from workbench.store import Store
from workbench.ui import parts
from workbench.ui.context import PageContext
from workbench.ui.queueing import queue
from workbench.ui.workshop_panes import board_html, pane_title
from workbench.workshop import Participant


def act(context: PageContext, owner: str | None, action: str, key: str) -> None:
    """What the teacher's buttons do. ValueError for everybody else."""
    store = context.store
    workshop.require_teacher(store, owner)
    if action == "start":
        start_for_all(context, key)
    elif action == "pane":
        workshop.show(store, pane=key)
    elif action == "at":
        workshop.show(store, lesson=lessons.lesson(key).id)
    elif action == "pause":
        store.pause(not store.is_paused())


def start_for_all(context: PageContext, lesson_id: str) -> None:
    """Queue a lesson's preset once: its runs are the class's, and everybody who joined sees them in the lesson."""
    lesson, code = lessons.lesson(lesson_id), workshop.code()
    assert code is not None
    owner = workshop.class_owner(code)
    before = runs_of(context.store, lesson.preset, owner)
    if any(run.state in ACTIVE_STATES for run in before):
        raise ValueError("The runs of this lesson are under way already.")
    # The limits are a visitor's; the teacher speaks for all.
    unlimited = dataclasses.replace(context, limits=None)
    queue(unlimited, lesson.preset, owner, f"class:{lesson_id}:{len(before)}")
    workshop.show(context.store, lesson=lesson_id, pane="progress")


def teacher_html(store: Store, language: str) -> Markup:
    words, board = lessons.words(language), workshop.board(store)
    paused = store.is_paused()
    panes = Markup("").join(
        parts.button(
            pane_title(pane, language), "pane", pane, kind="primary" if pane == board.pane else "secondary"
        )
        for pane in workshop.PANES
    )
    head = Markup(
        '<div class="wb-row">{pause}<a class="wb-button wb-button-secondary wb-small" href="projector" target="_blank">{open}</a>'
        '<span class="wb-space"></span><span class="wb-note">{show}</span>{panes}</div>'
    ).format(
        pause=parts.button(words["workshop_unpause" if paused else "workshop_pause"], "pause"),
        open=words["workshop_projector"],
        show=words["workshop_show"],
        panes=panes,
    )
    now = lessons.lesson(board.lesson) if board.lesson else None
    leaders = board_html(store, now, language) if now else Markup("")
    return Markup(
        '<section class="wb-card"><h2>{title}</h2>{head}<div class="wb-teacher-grid"><div>{who}</div><div>{starts}{leaders}</div></div></section>'
    ).format(
        title=words["workshop_teacher"],
        head=head,
        who=who_html(store, language),
        starts=_starts(store, language),
        leaders=leaders,
    )


def who_html(store: Store, language: str) -> Markup:
    """A row for each participant: lesson, prediction, questions, runs."""
    words = lessons.words(language)
    everyone = [one for one in workshop.participants(store) if not one.teacher]
    if not everyone:
        return parts.empty_state(words["workshop_nobody"])
    known = learners.everyones(store, [one.owner for one in everyone])
    heads = (
        words["workshop_nickname"],
        "",
        words["workshop_predicted"],
        words["workshop_quiz"],
        words["workshop_runs"],
    )
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(one) for one in heads)
    rows = Markup("").join(_who(store, one, known.get(one.owner, {}), language) for one in everyone)
    return Markup(
        '<h3>{}</h3><div class="wb-scroll"><table class="wb-plain"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(words["workshop_who"], head, rows)


def _who(store: Store, one: Participant, known: dict[str, learners.Progress], language: str) -> Markup:
    words = lessons.words(language)
    lesson = lessons.lessons().get(one.lesson or "")
    progress = known.get(one.lesson or "", learners.Progress())
    where = words["lesson_number"].format(number=lesson.number) if lesson else ""
    if not one.is_here:
        where = words["workshop_away"].format(minutes=max(1, int((time.time() - one.seen_at) // 60)))
    predicted = parts.badge("ok", words["committed"]) if progress.committed else Markup("")
    answered = f"{len(progress.answers)} / 3" if lesson else ""
    runs = store.runs(owner=one.owner)
    active = sum(run.state in ACTIVE_STATES for run in runs)
    told = f"{len(runs) - active} / {len(runs)}" if runs else ""
    return Markup(
        '<tr><th scope="row" translate="no">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>'
    ).format(one.nickname, where, predicted, answered, told)


def _starts(store: Store, language: str) -> Markup:
    """A line for each lesson, with how far the class's runs are."""
    words, code = lessons.words(language), workshop.code() or ""
    rows = []
    for lesson in lessons.lessons().values():
        state = queue_state(runs_of(store, lesson.preset, workshop.class_owner(code)))
        told = words["progress"].format(done=state.done, all=state.total) if state.total else ""
        rows.append(
            Markup('<li><span class="wb-grow">{}. {}</span><span class="wb-note">{}</span>{}</li>').format(
                lesson.number,
                lessons.text(lesson.id, language).title,
                told,
                parts.button(words["workshop_start"], "start", lesson.id, disabled=bool(state.active)),
            )
        )
    return Markup('<ul class="wb-starts">{}</ul>').format(Markup("").join(rows))
