"""The bar of a workshop above the tabs: join with code and nickname, where the class is, and for the teacher the teacher's view."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import lessons, workshop
from workbench.ui import parts
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors
from workbench.ui.controls import html_block
from workbench.ui.language import asked_language
from workbench.ui.owner import STRANGER
from workbench.ui.workshop_teacher import act, teacher_html

EVERY_SECONDS = 5


def build(context: PageContext, demo: gr.Blocks) -> None:
    """Draw and wire the bar; nothing at all where the page is open for no workshop."""
    if workshop.code() is None:
        return
    bar = html_block(str(bar_html(context, None, "en")), elem_classes="wb-workshop")
    with gr.Row(elem_classes="wb-workshop-join", visible=False) as form:
        words = lessons.words("en")
        code = gr.Textbox(label=words["workshop_code"], max_length=40, max_lines=1)
        nickname = gr.Textbox(label=words["workshop_nickname"], max_length=24, max_lines=1)
        button = gr.Button(words["workshop_join"], variant="primary")
    teacher = html_block("", elem_classes="wb-workshop-teacher", visible=False)
    outputs = [bar, form, code, nickname, button, teacher]

    def refresh_workshop(request: gr.Request) -> list[Any]:
        owner, language = owner_of(request), asked_language(request)
        workshop.seen(context.store, owner)
        return _updates(context, owner, language)

    @say_errors
    def join_workshop(given: str, name: str, request: gr.Request) -> list[Any]:
        owner = owner_of(request)
        if owner == STRANGER:
            raise ValueError("This page knows its visitors by a cookie: allow cookies for it and reload.")
        workshop.join(context.store, owner or "", given, name)
        return _updates(context, owner, asked_language(request))

    @say_errors
    def act_as_teacher(event: gr.EventData, request: gr.Request) -> list[Any]:
        owner = owner_of(request)
        act(context, owner, event.action, event.key)
        return _updates(context, owner, asked_language(request))

    demo.load(refresh_workshop, None, outputs, **QUIET)
    gr.Timer(EVERY_SECONDS).tick(refresh_workshop, None, outputs, **QUIET)
    for event in (button.click, nickname.submit):
        event(join_workshop, [code, nickname], outputs, trigger_mode="once", **QUIET)
    teacher.action(act_as_teacher, None, outputs, trigger_mode="once", **QUIET)


def _updates(context: PageContext, owner: str | None, language: str) -> list[Any]:
    me, words = workshop.participant(context.store, owner), lessons.words(language)
    is_teacher = me is not None and me.teacher
    return [
        str(bar_html(context, owner, language)),
        gr.update(visible=me is None),
        gr.update(label=words["workshop_code"]),
        gr.update(label=words["workshop_nickname"]),
        gr.update(value=words["workshop_join"]),
        gr.update(value=str(teacher_html(context.store, language)) if is_teacher else "", visible=is_teacher),
    ]


def bar_html(context: PageContext, owner: str | None, language: str) -> Markup:
    """One line: the workshop, who I am, how many are here, where the class is."""
    words, store = lessons.words(language), context.store
    me, board = workshop.participant(store, owner), workshop.board(store)
    title = words["workshop"].format(code=workshop.code())
    if me is None:
        return Markup('<div class="wb-workshop-bar"><b>{}</b><span>{}</span></div>').format(
            title, words["workshop_lead"]
        )
    here = sum(one.is_here for one in workshop.participants(store))
    said = [words["workshop_joined"].format(nickname=me.nickname), words["workshop_here"].format(count=here)]
    if board.lesson:
        said.append(words["workshop_now"].format(lesson=lessons.text(board.lesson, language).title))
    paused = parts.badge("warn", words["workshop_paused"]) if store.is_paused() else ""
    return Markup('<div class="wb-workshop-bar"><b>{}</b>{}{}</div>').format(
        title, Markup("").join(Markup("<span>{}</span>").format(one) for one in said), paused
    )
