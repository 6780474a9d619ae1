"""What else the Inference tab does: ways of asking, the blind vote, explanations of labels, a file of prompts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import gradio as gr

from workbench import background, prompt_sets, votes
from workbench.result import Run
from workbench.side_by_side import REFERENCES
from workbench.ui import decoding_form, prompt_file, shown
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors
from workbench.ui.downloads import _written as written
from workbench.ui.explain_card import explain_html
from workbench.ui.inference_layout import CHAT, FILE, ONE
from workbench.ui.judged_data import learn_from
from workbench.ui.pane_asking import POLL_SECONDS, Asking, threads
from workbench.ui.panes import Answers, panes_html
from workbench.ui.plan import Plan
from workbench.ui.run_chips import chosen_panes
from workbench.ui.vote_card import Blind, choice_of, names_of, ranking_card

Ticked = Callable[[Sequence[str], gr.Request], list[Run]]


def updates(context: PageContext, runs: Sequence[Run], owner: str | None) -> dict[str, Any]:
    """What these cards show of another setting."""
    setting = runs[0].spec.setting
    texts = shown.writes_text(setting)
    return {
        "explain_card": gr.update(visible=False),
        "explained": "",
        "vote_card": gr.update(visible=texts and bool(votes.votes(context.store, setting.id, owner))),
        "kept": _kept_choices(context, setting.id, owner),
        "table_card": gr.update(visible=False),
        **_ranked(context, runs, owner),
    }


def _ranked(context: PageContext, runs: Sequence[Run], owner: str | None) -> dict[str, Any]:
    found = votes.votes(context.store, runs[0].spec.setting.id, owner)
    pairs = len(votes.preferences(found))
    words = f"Use {pairs} preference{'s' * (pairs != 1)} as data set"
    return {
        "ranking": str(ranking_card(votes.ranking(found), runs)),
        "vote_data": gr.update(visible=pairs > 0, value=words),
        "vote_undo": gr.update(visible=bool(found)),
    }


def _kept_choices(context: PageContext, setting_id: str, owner: str | None) -> Any:
    found = prompt_sets.kept(context.store, setting_id, owner)
    when = [time.strftime("%d %b %H:%M", time.localtime(one["at"])) for one in found]
    choices = [
        (f"{one['name']}, {len(one['rows'])} prompts, {at}", one["id"]) for one, at in zip(found, when)
    ]
    return gr.update(choices=choices, value=None, visible=bool(choices))


class _Handlers:
    def __init__(self, context: PageContext, ticked: Ticked) -> None:
        self.context, self.ticked = context, ticked
        self.asking: dict[str, Asking] = {}

    def _runs(self, setting_id: str | None, request: gr.Request) -> tuple[list[Run], str | None]:
        owner = owner_of(request)
        _, runs = shown.setting_and_runs(self.context, setting_id, owner)
        finished = [run for run in runs if run.state == "finished"]
        if not finished:
            raise ValueError(shown.NO_RUNS)
        return finished, owner

    # -- ways of asking ----------------------------------------------------------------------------------------------

    def switch_mode(self, mode: str, setting_id: str | None, request: gr.Request) -> tuple[Any, ...]:
        """A question, a chat, or a file; a chat begins empty."""
        _, runs = shown.setting_and_runs(self.context, setting_id, owner_of(request))
        texts = bool(runs) and shown.writes_text(runs[0].spec.setting)
        return (
            gr.update(visible=mode != FILE),
            gr.update(visible=mode == FILE),
            gr.update(visible=mode == CHAT),
            gr.update(visible=texts and mode == ONE),
            {},
        )

    @say_errors
    def begin_chat(
        self, ticked: Sequence[str], request: gr.Request
    ) -> tuple[str, dict[str, Any], dict[str, Any]]:
        panes = chosen_panes(self.ticked(ticked, request), ticked)
        return str(panes_html(panes, {})), {}, {}

    def show_votes(self, hide: bool, setting_id: str | None, request: gr.Request) -> Any:
        """The card of the blind vote: while votes are wanted, and as long as there are any."""
        if hide:
            return gr.update(visible=True)
        runs, owner = self._runs(setting_id, request)
        return gr.update(visible=bool(votes.votes(self.context.store, runs[0].spec.setting.id, owner)))

    # -- blind vote --------------------------------------------------------------------------------------------------

    @say_errors
    def keep_vote(
        self,
        ticked: Sequence[str],
        answers: Answers,
        right: Sequence[str],
        differences: bool,
        blind: Blind | None,
        reader: str,
        setting_id: str | None,
        event: gr.EventData,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Keep the choice, then show who was who."""
        if blind is None or event.action != "vote":  # type: ignore[attr-defined]
            return (gr.skip(),) * 7
        runs, owner = self._runs(setting_id, request)
        best = choice_of(blind, str(event.key))  # type: ignore[attr-defined]
        vote = votes.Vote(
            runs[0].spec.setting.id,
            blind.prompt,
            {key: str(answers[key]["text"]) for key in blind.order},
            best,
            reader=f"{owner or ''}{(reader or '').strip().lower()}",
            owner=owner or "",
        )
        votes.add(self.context.store, vote)
        panes = chosen_panes(self.ticked(ticked, request), ticked)
        html = panes_html(panes, answers, right=right, differences=differences, best=best)
        ranked = _ranked(self.context, runs, owner)
        return (str(html), None, best, gr.update(visible=True), *ranked.values())

    @say_errors
    def take_vote_back(self, setting_id: str | None, request: gr.Request) -> tuple[Any, ...]:
        runs, owner = self._runs(setting_id, request)
        if found := votes.votes(self.context.store, runs[0].spec.setting.id, owner):
            votes.take_back(self.context.store, found[-1])
        return tuple(_ranked(self.context, runs, owner).values())

    @say_errors
    def use_votes(self, plan: Plan, setting_id: str | None, request: gr.Request) -> tuple[Plan, Any]:
        """The votes as a preference data set of one's own, chosen on the Data tab."""
        runs, owner = self._runs(setting_id, request)
        setting = runs[0].spec.setting
        rows = votes.preferences(votes.votes(self.context.store, setting.id, owner))
        return learn_from(self.context, plan, rows, "votes", setting.data, request)

    # -- explanation -------------------------------------------------------------------------------------------------

    @say_errors
    def explain_labels(
        self, ticked: Sequence[str], asked: str, text: str, request: gr.Request
    ) -> Iterator[Any]:
        """What the labels that are on show rest on."""
        runs = self.ticked(ticked, request)
        if not runs or not (asked or text.strip()):
            raise ValueError("There is nothing to explain yet: ask a text first.")
        yield '<p class="wb-note" role="status">Following each label back to its words</p>'
        folder, ids = str(self.context.store.folder), [run.id for run in runs]
        found = background.call(
            "workbench.attributions:explain", folder, ids, asked or text.strip(), pool="inference"
        )
        yield str(explain_html(found, runs))

    # -- a file of prompts -------------------------------------------------------------------------------------------

    @say_errors
    def ask_file(
        self,
        ticked: Sequence[str],
        path: str | None,
        do_sample: bool,
        max_new_tokens: float | None,
        temperature: float | None,
        top_p: float | None,
        top_k: float | None,
        decoding_seed: float | None,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        """All prompts of the file through all ticked runs; the table is kept with the setting."""
        given = (do_sample, max_new_tokens, temperature, top_p, top_k, decoding_seed)
        if not path:
            raise ValueError("There is no file yet: choose one with a prompt to a line.")
        runs = self.ticked([name for name in ticked if name not in REFERENCES], request)
        if not runs:
            raise ValueError("No run is ticked: tick at least one below the file.")
        setting, name = runs[0].spec.setting, str(path).replace("\\", "/").rsplit("/", 1)[-1]
        prompts = prompt_sets.read_prompts(Path(path), name)
        options = decoding_form.changed(setting, given)
        asking, session = Asking(), str(getattr(request, "session_hash", ""))
        self.asking[session] = asking
        future: Future[dict[str, Any]] = threads.submit(
            background.call, "workbench.prompt_sets:ask_prompts", str(self.context.store.folder),
            [run.id for run in runs], prompts, True, options, str(asking.told_file), str(asking.stop_file),
            pool="inference",
        )  # fmt: skip
        busy = gr.update(value="Asking", interactive=False)
        try:
            while not future.done():
                progress = str(prompt_file.progress_html(asking.told_file))
                yield (busy, gr.update(visible=True), progress, *[gr.skip()] * 4)
                time.sleep(POLL_SECONDS * 4)
        finally:
            if not future.done():
                asking.stop()
            self.asking.pop(session, None)
        try:
            found = future.result()
        finally:
            asking.end()
        owner = owner_of(request)
        prompt_sets.keep(self.context.store, setting.id, name, found, owner)
        ready = gr.update(value="Run the file", interactive=True)
        kept = _kept_choices(self.context, setting.id, owner)
        yield (ready, gr.update(visible=False), "", *self._table(name, found, runs), kept)

    def _table(self, name: str, found: Mapping[str, Any], runs: Sequence[Run]) -> tuple[Any, ...]:
        names = names_of(self.context.store.runs(setting_id=runs[0].spec.setting.id))
        path = written(f"answers-{name.rsplit('.', 1)[0]}.csv", prompt_sets.as_csv(found, names))
        return gr.update(visible=True), str(prompt_file.table_html(found, names)), gr.update(value=path)

    @say_errors
    def stop_file(self, request: gr.Request) -> Any:
        if asking := self.asking.get(str(getattr(request, "session_hash", ""))):
            asking.stop()
        return gr.update(value="Stopping")

    @say_errors
    def show_kept(self, table_id: str | None, setting_id: str | None, request: gr.Request) -> tuple[Any, ...]:
        runs, owner = self._runs(setting_id, request)
        tables = prompt_sets.kept(self.context.store, runs[0].spec.setting.id, owner)
        found = next((one for one in tables if one["id"] == table_id), None)
        if found is None:
            raise ValueError("This table is gone: choose another.")
        return self._table(found["name"], found, runs)


def wire(context: PageContext, p: Mapping[str, Any], ticked: Ticked) -> None:
    h = _Handlers(context, ticked)
    setting = context.setting_id
    p["mode"].change(
        h.switch_mode, [p["mode"], setting],
        [p["question"], p["file_part"], p["anew"], p["hide"], p["turns"]], **QUIET,
    )  # fmt: skip
    p["anew"].click(h.begin_chat, p["runs"], [p["panes"], p["turns"], p["answers"]], **QUIET)
    p["hide"].change(h.show_votes, [p["hide"], setting], p["vote_card"], **QUIET)
    ranked = [p["ranking"], p["vote_data"], p["vote_undo"]]
    p["panes"].action(
        h.keep_vote,
        [*(p[n] for n in ("runs", "answers", "right", "differences", "blind", "reader")), setting],
        [p["panes"], p["blind"], p["best"], p["vote_card"], *ranked],
        trigger_mode="once",
        **QUIET,
    )
    p["vote_undo"].click(h.take_vote_back, setting, ranked, trigger_mode="once", **QUIET)
    p["vote_data"].click(
        h.use_votes, [context.plan, setting], [context.plan, context.tabs], trigger_mode="once", **QUIET
    )
    p["explain"].click(
        h.explain_labels, [p["runs"], p["asked"], p["text"]], p["explained"], trigger_mode="once", **QUIET
    )
    table = [p["table_card"], p["table"], p["table_file"]]
    p["run_file"].click(
        h.ask_file, [p["runs"], p["file"], *decoding_form.components(p)],
        [p["run_file"], p["stop_file"], p["file_progress"], *table, p["kept"]], trigger_mode="once", **QUIET,
    )  # fmt: skip
    p["stop_file"].click(h.stop_file, None, p["stop_file"], **QUIET)
    p["kept"].input(h.show_kept, [p["kept"], setting], table, **QUIET)
