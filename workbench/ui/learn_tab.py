"""The Learn tab: lessons with a prediction that is committed to, runs, the result beside it, questions; paper; replays."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from workbench import learners, lessons, replay, workshop
from workbench.learners import Progress
from workbench.result import ACTIVE_STATES
from workbench.store import Store
from workbench.ui import learn_runs, lesson_list, lesson_paper, lesson_view, replay_player
from workbench.ui.context import QUIET, PageContext, Tab, owner_of, say_errors
from workbench.ui.language import asked_language
from workbench.ui.owner import STRANGER
from workbench.ui.queueing import queue
from workbench.ui.theme import page_file

LIST = "list"
SESSIONS = 1000


def build(context: PageContext) -> Tab:
    """Draw the tab inside the current gr.Tab and wire its own events."""
    at: dict[str, Any] = {
        "view": gr.State(LIST),
        "key": gr.State(lambda: secrets.token_hex(8)),
    }
    scripts = [page_file(name).read_text(encoding="utf-8") for name in ("block.js", "learn.js")]
    at["block"] = gr.HTML(
        str(lesson_list.list_html({}, "en")),
        elem_classes=["wb-html", "wb-learn-block"],
        apply_default_css=False,
        js_on_load="\n".join(scripts),
    )
    replay_player.draw(at)
    wiring = _Wiring(context, at)
    outputs = [at["block"], at["replays"], at["player"]]
    inputs = [at["view"]]
    changes = [at["view"], *outputs, context.timer, context.tabs, context.setting_id]
    at["block"].action(wiring.act_on_lesson, [*inputs, at["key"]], changes, trigger_mode="once", **QUIET)
    replay_player.wire(at)
    if workshop.code() is not None:
        # The class's runs are nobody's own: the page's timer rests while a visitor has none.
        version = gr.State(None)
        gr.Timer(4).tick(wiring.look_for_class_news, version, version, **QUIET)
        version.change(wiring.refresh_learn, inputs, outputs, **QUIET)
    return Tab(wiring.refresh_learn, inputs, outputs, parts=at)


class _Wiring:
    def __init__(self, context: PageContext, at: dict[str, Any]) -> None:
        self.context, self.at = context, at
        self.newest: OrderedDict[str, str] = OrderedDict()

    def remember(self, request: gr.Request, view: str) -> None:
        """What a session pressed last, for a redraw that was asked for before that, and may end after it."""
        session = getattr(request, "session_hash", None)
        if session:
            self.newest[session] = view
            self.newest.move_to_end(session)
            while len(self.newest) > SESSIONS:
                self.newest.popitem(last=False)

    def refresh_learn(self, view: str, request: gr.Request) -> tuple[Any, Any, Any]:
        session = str(getattr(request, "session_hash", None))
        while True:
            pressed = self.newest.get(session)
            view, language = pressed or view, asked_language(request)
            at_list = view == LIST
            drawn = (
                self._draw(view, language, owner_of(request)),
                replay_player.chooser(language, visible=at_list),
                gr.skip() if at_list else gr.update(visible=False),
            )
            if self.newest.get(session) == pressed:
                return drawn

    def look_for_class_news(self, seen: Any) -> Any:
        version = self.context.store.version()
        return gr.skip() if seen == version else version

    @say_errors
    def act_on_lesson(
        self, view: str, key: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        """Everything that a click in the lessons does; only running one takes time."""
        at, owner, language = self.at, owner_of(request), asked_language(request)
        action, chosen = event.action, event.key
        news: dict[Any, Any] = {}
        if action in ("open", "view", "back"):
            view = news[at["view"]] = _view(action, chosen)
            news[at["player"]] = gr.update(visible=False)
            if view in lessons.lessons() and workshop.code() is not None:
                workshop.seen(self.context.store, owner, view)
        elif action == "compare":
            news |= {self.context.setting_id: chosen, self.context.tabs: gr.Tabs(selected="compare")}
        elif action == "replay":
            news[at["player"]] = replay_player.shown(replay.of_preset(view), language)
        elif action == "run":
            yield {at["block"]: self._draw(view, language, owner, busy=True)}
            try:
                self._run(view, owner, key, language)
            except Exception:
                yield {at["block"]: self._draw(view, language, owner)}
                raise
            news[self.context.timer] = gr.Timer(active=True)
        elif view in lessons.lessons():
            self._change(view, owner, action, chosen)
        self.remember(request, view)
        news[at["block"]] = self._draw(view, language, owner)
        news[at["replays"]] = replay_player.chooser(language, visible=view == LIST)
        yield news

    def _change(self, lesson_id: str, owner: str | None, action: str, key: str) -> None:
        """Predict, commit, answer, start over, cancel."""
        store = self.context.store
        if owner == STRANGER:
            raise ValueError("This page knows its visitors by a cookie: allow cookies for it and reload.")
        if action == "predict":
            learners.predict(store, owner, lesson_id, _number(key, lessons.lesson(lesson_id).choices))
        elif action == "commit":
            learners.commit(store, owner, lesson_id)
        elif action == "answer":
            question, _, choice = key.partition(":")
            asked = lessons.text(lesson_id, "en").questions
            place = _number(question, len(asked))
            learners.answer(store, owner, lesson_id, place, _number(choice, len(asked[place].answers)))
        elif action == "over":
            learners.start_over(store, owner, lesson_id)
        elif action == "cancel":
            for run in self._own_runs(lesson_id, owner):
                if run.state in ACTIVE_STATES:
                    self.context.runner.cancel(run.id)

    def _run(self, lesson_id: str, owner: str | None, key: str, language: str) -> None:
        store = self.context.store
        progress = learners.progress(store, owner).get(lesson_id, Progress())
        if not progress.committed:
            raise ValueError(lessons.words(language)["commit_first"])
        runs = self._own_runs(lesson_id, owner)
        if any(run.state in ACTIVE_STATES for run in runs):
            raise ValueError("The runs of this lesson are under way already.")
        # A double click is one submission; running it again is another.
        queue(self.context, lessons.lesson(lesson_id).preset, owner, f"{key}:{lesson_id}:{len(runs)}")

    def _own_runs(self, lesson_id: str, owner: str | None) -> list[Any]:
        runs, of_class = learn_runs.learners_runs(self.context.store, lessons.lesson(lesson_id), owner)
        return [] if of_class else runs

    def _draw(self, view: str, language: str, owner: str | None, *, busy: bool = False) -> str:
        return str(view_html(self.context.store, view, language, owner, busy=busy))


def view_html(store: Store, view: str, language: str, owner: str | None, *, busy: bool = False) -> Any:
    """The list, a lesson or paper, as this learner sees it."""
    known = learners.progress(store, owner)
    if view in lesson_paper.VIEWS:
        return lesson_paper.paper_html(view, language)
    if view not in lessons.lessons():
        return lesson_list.list_html(known, language)
    has_replay = replay.of_preset(view) is not None
    now = learn_runs.shown(store, view, known.get(view, Progress()), owner, language, replay=has_replay)
    return lesson_view.lesson_html(now if not busy else _busy(now))


def _busy(now: lesson_view.Shown) -> lesson_view.Shown:
    return replace(now, busy=True)


def _view(action: str, key: str) -> str:
    known = (*lessons.lessons(), *lesson_paper.VIEWS)
    return key if action != "back" and key in known else LIST


def _number(text: str, below: int) -> int:
    if not text.isdecimal() or int(text) >= below:
        raise ValueError(f"that is no answer of this lesson: {text!r:.20}")
    return int(text)
