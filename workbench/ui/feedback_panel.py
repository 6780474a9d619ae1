"""The card "Rate answers" of the Inference tab: two answers to one prompt, blind; the ratings become preference data."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import background, feedback
from workbench.feedback import FIRST, SECOND, TIE, Pair, Rating, Said
from workbench.result import Run
from workbench.side_by_side import BASE
from workbench.ui import feedback_view, shown
from workbench.ui.context import QUIET, PageContext, owner_of, run_of, say_errors
from workbench.ui.controls import html_block
from workbench.ui.frame import data_title
from workbench.ui.judged_data import learn_from
from workbench.ui.owner import STRANGER
from workbench.ui.plan import Plan

TASKS = ("generation", "preference")
TEMPERATURE = 0.8
MOST_DRAWS = 4
NOTHING = Markup("")
SKIP, UNDO = "skip", "undo"
_PARTS = ("fb_card", "fb_intro", "fb_who", "fb_pair", "fb_state", "fb_use", "fb_undo", "fb_now")
Updates = dict[Any, Any]


@dataclass(frozen=True)
class Asked:
    """What is on show. It stays with the page: the browser is not told who wrote which answer."""

    fingerprint: str = ""
    pair: Pair | None = None
    passed: tuple[str, ...] = ()
    draws: int = 0


def draw(p: dict[str, Any]) -> None:
    """Shown only where models answer with texts and there are prompts to ask."""
    p["fb_now"] = gr.State(Asked())
    with gr.Column(visible=False, elem_classes="wb-card wb-feedback") as p["fb_card"]:
        p["fb_intro"] = html_block("")
        with gr.Row(elem_classes="wb-feedback-row"):
            p["fb_who"] = gr.CheckboxGroup(
                [], label="Who answers", info=feedback_view.WHO, elem_classes="wb-run-chips wb-feedback-who"
            )
            p["fb_begin"] = gr.Button("Show a pair", variant="primary")
        p["fb_pair"] = html_block("")
        p["fb_state"] = html_block("")
        with gr.Row(elem_classes="wb-line"):
            p["fb_use"] = gr.Button("Use as data set", visible=False)
            p["fb_undo"] = gr.Button("Take the last one back", visible=False, elem_classes="wb-quiet")


def wire(context: PageContext, p: dict[str, Any]) -> None:
    """The card follows the tab: whenever that was redrawn, it is looked up again who may answer."""
    h = _Handlers(context, p)
    outputs = [p[name] for name in _PARTS]
    given = [context.setting_id, p["fb_who"], p["fb_now"]]
    p["drawn"].change(h.offer_rating, given, outputs, **QUIET)
    p["fb_begin"].click(h.show_pair, given, outputs, trigger_mode="once", **QUIET)
    p["fb_pair"].action(h.rate_pair, given, outputs, trigger_mode="once", **QUIET)
    p["fb_undo"].click(h.take_back, given, outputs, trigger_mode="once", **QUIET)
    p["fb_use"].click(
        h.use_as_data, [context.plan, *given[:1]], [context.plan, context.tabs], trigger_mode="once", **QUIET
    )


class _Handlers:
    """What the card does, with the context that it needs."""

    def __init__(self, context: PageContext, parts: Mapping[str, Any]) -> None:
        self.context, self.parts = context, parts
        self.draw = random.Random()

    @say_errors
    def offer_rating(
        self, setting_id: str | None, who: Sequence[str], now: Asked, request: gr.Request
    ) -> Updates:
        """Who may answer, and what was rated before."""
        p, runs, owner = self.parts, self._runs(setting_id, request), owner_of(request)
        prompts = self._prompts(runs)
        if not prompts:
            return {p["fb_card"]: gr.update(visible=False)}
        source = data_title(runs[0].spec.setting.data.source)
        choices = feedback_view.names(runs)
        known = [key for _, key in choices]
        kept = [key for key in who or () if key in known] or [known[-1]]
        fingerprint = runs[0].spec.setting.data.fingerprint
        same = now.fingerprint == fingerprint
        return {
            p["fb_card"]: gr.update(visible=True),
            p["fb_intro"]: str(feedback_view.intro(source, len(prompts))),
            p["fb_who"]: gr.update(choices=choices, value=kept),
            **({} if same else {p["fb_pair"]: "", p["fb_now"]: Asked(fingerprint)}),
            **self._counted(runs, owner),
        }

    @say_errors
    def show_pair(
        self, setting_id: str | None, who: Sequence[str], now: Asked, request: gr.Request
    ) -> Iterator[Updates]:
        """Two answers that were not seen before, in an order that is drawn."""
        yield from self._next(self._runs(setting_id, request), who, now, request)

    @say_errors
    def rate_pair(
        self, setting_id: str | None, who: Sequence[str], now: Asked, event: gr.EventData, request: gr.Request
    ) -> Iterator[Updates]:
        """Keep the rating, say who was who, and go on with another pair."""
        pair = now.pair
        if pair is None:
            raise ValueError("There is no pair on show: ask for one first.")
        runs, owner = self._runs(setting_id, request), owner_of(request)
        last = NOTHING
        if event.action == SKIP:
            now = Asked(now.fingerprint, None, (*now.passed, pair.prompt), now.draws)
        else:
            if event.action not in (FIRST, SECOND, TIE):
                raise ValueError("This is no way to rate a pair.")
            if owner == STRANGER:
                raise ValueError("This page knows its visitors by a cookie: allow cookies for it and reload.")
            rating = Rating(pair, event.action)
            feedback.add(self.context.store, now.fingerprint, owner, rating)
            last = feedback_view.revealed(rating, feedback_view.names(runs))
            now = Asked(now.fingerprint, None, now.passed, now.draws)
        yield from self._next(runs, who, now, request, last)

    @say_errors
    def take_back(
        self, setting_id: str | None, who: Sequence[str], now: Asked, request: gr.Request
    ) -> Updates:
        """The newest rating is forgotten, and its pair is shown again."""
        p, runs, owner = self.parts, self._runs(setting_id, request), owner_of(request)
        fingerprint = runs[0].spec.setting.data.fingerprint if runs else ""
        taken = feedback.undo(self.context.store, fingerprint, owner) if fingerprint else None
        if taken is None:
            raise ValueError("There is no rating left to take back.")
        now = Asked(fingerprint, taken.pair, now.passed, now.draws)
        return {
            p["fb_pair"]: str(
                feedback_view.pair_html(taken.pair, note="Taken back: rate it again, or pass on.")
            ),
            p["fb_now"]: now,
            **self._counted(runs, owner),
        }

    @say_errors
    def use_as_data(self, plan: Plan, setting_id: str | None, request: gr.Request) -> tuple[Plan, Any]:
        """The ratings as a preference data set of one's own, chosen on the Data tab."""
        runs, owner = self._runs(setting_id, request), owner_of(request)
        if not runs:
            raise ValueError(shown.NO_RUNS)
        data = runs[0].spec.setting.data
        rated = feedback.ratings(self.context.store, data.fingerprint, owner)
        return learn_from(self.context, plan, feedback.rows(rated), "rated", data, request)

    def _next(
        self, runs: Sequence[Run], who: Sequence[str], now: Asked, request: gr.Request, last: Markup = NOTHING
    ) -> Iterator[Updates]:
        p, owner = self.parts, owner_of(request)
        prompts = self._prompts(runs)
        if not prompts:
            raise ValueError("These runs have no prompts of their own to be asked.")
        known = [key for _, key in feedback_view.names(runs)]
        among = [key for key in who or () if key in known]
        fingerprint = runs[0].spec.setting.data.fingerprint
        rated = feedback.ratings(self.context.store, fingerprint, owner)
        passed, draws = list(now.passed), now.draws
        yield {p["fb_pair"]: str(feedback_view.waiting(last)), **self._counted(runs, owner)}
        for _ in range(MOST_DRAWS):
            prompt = feedback.next_prompt(prompts, rated, passed, self.draw)
            if prompt is None:
                break
            one, other = feedback.who_is_asked(among, rated, self.draw)
            # Two draws of one model need two seeds.
            first = self._ask(one, runs, prompt, draws)
            second = self._ask(other, runs, prompt, draws + 1)
            draws += 2
            pair = feedback.trimmed(feedback.paired(prompt, first, second, self.draw))
            passed.append(prompt)
            if feedback.unlike(pair):
                found = Asked(fingerprint, pair, tuple(passed), draws)
                yield {p["fb_pair"]: str(feedback_view.pair_html(pair, last=last)), p["fb_now"]: found}
                return
        words = "Every prompt was shown." if len(passed) >= len(prompts) else feedback_view.ALIKE
        yield {
            p["fb_pair"]: str(feedback_view.none_left(words, last)),
            p["fb_now"]: Asked(fingerprint, None, (), draws),
        }

    def _ask(self, who: str, runs: Sequence[Run], prompt: str, seed: int) -> Said:
        options = {"do_sample": True, "temperature": TEMPERATURE, "decoding_seed": seed}
        run_id = runs[0].id if who == BASE else who
        folder = str(self.context.store.folder)
        found = background.call(
            "workbench.side_by_side:ask", folder, who, run_id, prompt, options, pool="inference"
        )
        if found.get("text") is None:
            raise ValueError(found.get("reason") or "This model gave no answer.")
        return Said(who, str(found["text"]))

    def _counted(self, runs: Sequence[Run], owner: str | None) -> Updates:
        p = self.parts
        rated = feedback.ratings(self.context.store, runs[0].spec.setting.data.fingerprint, owner)
        rows = feedback.rows(rated)
        words = f"Use {len(rows)} pair{'s' * (len(rows) != 1)} as data set"
        enough = len({row["prompt"] for row in rows}) >= feedback.LEAST_PROMPTS
        return {
            p["fb_state"]: str(feedback_view.counts(rated, feedback_view.names(runs))),
            p["fb_use"]: gr.update(visible=bool(rows), value=words, interactive=enough),
            p["fb_undo"]: gr.update(visible=bool(rated)),
        }

    def _runs(self, setting_id: str | None, request: gr.Request) -> list[Run]:
        """One finished run for each method of the setting on show, its best seed."""
        _, runs = shown.setting_and_runs(self.context, setting_id, owner_of(request))
        best: dict[str, Run] = {}
        for run in runs:
            if run.state != "finished" or run.spec.setting.task not in TASKS:
                continue
            other = best.get(run.spec.choice.id)
            if other is None or shown.place_of(run) < shown.place_of(other):
                best[run.spec.choice.id] = run_of(self.context, run.id, owner_of(request))
        return list(best.values())

    def _prompts(self, runs: Sequence[Run]) -> Sequence[str]:
        fingerprint = runs[0].spec.setting.data.fingerprint if runs else ""
        return _prompts(self.context.store.data_folder(fingerprint)) if fingerprint else ()


@functools.lru_cache(maxsize=8)
def _prompts(folder: Path) -> tuple[str, ...]:
    """() where the rows are gone."""
    from workbench.data import load_prepared

    try:
        return tuple(feedback.prompts_of(load_prepared(folder)))
    except ValueError:
        return ()
