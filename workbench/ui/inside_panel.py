"""The panel "Look inside" of the Compare tab: one finished run's update, drawn from what a background process found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import inside_words
from workbench.curves import family_of
from workbench.inside_words import Document
from workbench.metric import metric
from workbench.result import Run
from workbench.ui import inside_tables, shown
from workbench.ui.context import QUIET, PageContext, owner_of, run_of, say_errors, sentence_of
from workbench.ui.controls import html_block, segmented
from workbench.ui.inside_asking import MOST_BESIDE, Question, changes_weights, companions, document_of
from workbench.ui.inside_plots import (
    DIRECTIONS,
    EFFECTIVE,
    SIZE,
    energy_figure,
    energy_lines,
    grid_of,
    heat_html,
)
from workbench.ui.parts import empty_state, notice, progress_bar

NONE_FINISHED = "Nothing to look into yet: here once a run has finished."
NOT_YET = (
    "Not looked into yet. It reads the saved weights and their base model: some seconds for a small model,"
    " minutes for a large one."
)
_DRAWN = ("words", "figures", "heat", "tokens", "spectra", "plot", "beside_table", "matrices", "overlap_box")
Updates = dict[Any, Any]


def draw(p: dict[str, Any]) -> None:
    """Add the panel's parts to those of the tab, drawn where it is called."""
    with gr.Column(elem_classes="wb-card wb-inside"):
        with gr.Row(elem_classes="wb-card-head"):
            html_block(
                '<div class="wb-head"><h3>Look inside</h3><span class="wb-note">where a run\'s update went, and how many'
                " directions it uses</span></div>"
            )
            p["inside_run"] = gr.Dropdown(
                [], label="Run", show_label=False, container=False, elem_classes="wb-inside-run"
            )
            p["inside_go"] = gr.Button("Look inside", variant="primary")
        p["inside_words"] = html_block(str(empty_state(NONE_FINISHED)))
        with gr.Column(visible=False, elem_classes="wb-inside-body") as p["inside_figures"]:
            with gr.Row(elem_classes="wb-inside-plots"):
                with gr.Column():
                    p["inside_show"] = segmented(
                        [("Size of the change", SIZE), ("Directions for 90 %", DIRECTIONS), ("Effective rank", EFFECTIVE)],
                        SIZE,
                        label="What the map shows",
                        visible=False,
                    )  # fmt: skip
                    p["inside_heat"] = html_block("")
                with gr.Column(visible=False) as p["inside_spectra"]:
                    p["inside_tokens"] = html_block("")
                    p["inside_plot"] = gr.Plot(show_label=False, container=False, elem_classes="wb-plot")
                    p["inside_beside"] = gr.Dropdown(
                        [], multiselect=True, max_choices=MOST_BESIDE, label="Beside it", elem_classes="wb-inside-beside",
                    )  # fmt: skip
            p["inside_beside_table"] = html_block("")
            with gr.Accordion("Every matrix as a table", open=False, elem_classes="wb-as-table") as p[
                "inside_all"
            ]:
                p["inside_matrices"] = html_block("")
            with gr.Column(visible=False, elem_classes="wb-inside-overlap") as p["inside_overlap_box"]:
                with gr.Row(elem_classes="wb-line"):
                    p["inside_other"] = gr.Dropdown(
                        [], label="Does another run use the same directions?", elem_classes="wb-inside-other"
                    )
                    p["inside_compare"] = gr.Button("Compare directions")
                p["inside_overlap"] = html_block("")


def wire(context: PageContext, p: dict[str, Any]) -> None:
    """The panel follows the tab: whenever that was redrawn, the runs on offer are looked up again."""
    h = _Handlers(context, p)
    setting = context.setting_id
    figures = [p[f"inside_{name}"] for name in _DRAWN] + [
        p["inside_show"],
        p["inside_all"],
        p["inside_overlap"],
    ]
    choosers = [p["inside_run"], p["inside_beside"], p["inside_other"]]
    chosen = [setting, p["inside_run"], p["inside_show"]]
    p["drawn"].change(h.offer_runs, chosen, [*choosers, p["inside_go"], *figures], **QUIET)
    p["inside_run"].input(h.choose_run, chosen, [*choosers[1:], p["inside_go"], *figures], **QUIET)
    p["inside_go"].click(
        h.look_inside, chosen, [*choosers[1:], p["inside_go"], *figures], trigger_mode="once", **QUIET
    )
    p["inside_beside"].input(
        h.look_beside,
        [setting, p["inside_run"], p["inside_beside"]],
        [p["inside_plot"], p["inside_beside_table"], p["inside_beside"]],
        **QUIET,
    )
    p["inside_show"].input(h.show_figure, [p["inside_run"], p["inside_show"]], p["inside_heat"], **QUIET)
    p["inside_compare"].click(
        h.compare_directions, [p["inside_run"], p["inside_other"]], p["inside_overlap"], trigger_mode="once", **QUIET
    )  # fmt: skip


class _Handlers:
    """What the panel does, with the context that it needs."""

    def __init__(self, context: PageContext, parts: dict[str, Any]) -> None:
        self.context, self.store = context, context.store
        self.at = {
            name.removeprefix("inside_"): part for name, part in parts.items() if name.startswith("inside_")
        }

    @say_errors
    def offer_runs(
        self, setting_id: str | None, run_id: str | None, show: str, request: gr.Request
    ) -> Updates:
        """The finished runs, the best first; the chosen one stays, and is drawn where it was looked into before."""
        done = self._finished(setting_id, request)
        choices = [(_run_words(run), run.id) for run in done]
        ids = [run.id for run in done]
        chosen = run_id if run_id in ids else ids[0] if ids else None
        new: Updates = {self.at["run"]: gr.update(choices=choices, value=chosen)}
        if chosen is None:
            return new | self._empty(NONE_FINISHED) | {self.at["go"]: gr.update(interactive=False)}
        return new | self._known(done, chosen, show)

    @say_errors
    def choose_run(
        self, setting_id: str | None, run_id: str | None, show: str, request: gr.Request
    ) -> Updates:
        return self._known(self._finished(setting_id, request), run_id, show)

    @say_errors
    def look_inside(
        self, setting_id: str | None, run_id: str | None, show: str, request: gr.Request
    ) -> Iterator[Updates]:
        """Ask for what is not known yet, run after run, and say how far it is."""
        if not run_id:
            raise ValueError(NONE_FINISHED)
        run = run_of(self.context, run_id, owner_of(request))
        done = self._finished(setting_id, request)
        try:
            for share in self._ask(run):
                yield {self.at["words"]: _waiting(run, share), self.at["go"]: gr.update(interactive=False)}
        except Exception as error:
            trouble = notice("fail", f"{_run_words(run)} can’t be looked into", sentence_of(error))
            yield {self.at["words"]: str(trouble), self.at["go"]: gr.update(interactive=True)}
            return
        found = document_of(self.store, run)
        if found is None:
            raise ValueError(
                f"What is inside {_run_words(run)} could not be kept: its folder can't be written."
            )
        yield self._drawn(done, run, found, show)
        if inside_words.body_matrices(found):
            yield from self._draw_beside(done, run, companions(done, run))

    @say_errors
    def look_beside(
        self, setting_id: str | None, run_id: str | None, beside: Sequence[str], request: gr.Request
    ) -> Iterator[Updates]:
        """Other runs on the same axis."""
        run = run_of(self.context, run_id or "", owner_of(request))
        yield from self._draw_beside(self._finished(setting_id, request), run, beside or ())

    def _draw_beside(self, done: Sequence[Run], run: Run, beside: Sequence[str]) -> Iterator[Updates]:
        for one in done:
            if one.id in beside and document_of(self.store, one) is None:
                for share in self._ask(one):
                    yield {self.at["beside_table"]: _waiting(one, share)}
        plot, table, drawn = self._beside(done, run, beside)
        yield {self.at["plot"]: plot, self.at["beside_table"]: table, self.at["beside"]: drawn}

    @say_errors
    def show_figure(self, run_id: str | None, show: str, request: gr.Request) -> str:
        run = run_of(self.context, run_id or "", owner_of(request))
        found = document_of(self.store, run)
        return str(heat_html(grid_of(found, show), family_of(run.spec.choice.method))) if found else ""

    @say_errors
    def compare_directions(
        self, run_id: str | None, other_id: str | None, request: gr.Request
    ) -> Iterator[str]:
        if not run_id or not other_id:
            raise ValueError("Choose another run to compare the directions with.")
        owner = owner_of(request)
        run, other = run_of(self.context, run_id, owner), run_of(self.context, other_id, owner)
        for one in (run, other):
            for share in self._ask(one):
                yield _waiting(one, share)
        # From the run that allows fewer directions to the one that allows more, whichever is on show.
        first, second = sorted((run, other), key=lambda one: self._width(one))
        question = Question(self.store, first, "look_overlap", first.id, second.id)
        for share in question.shares():
            yield _waiting(first, share)
        found = question.answer()
        yield str(inside_tables.overlap_html(found, first.label, second.label))

    def _width(self, run: Run) -> int:
        found = document_of(self.store, run)
        if not found or not inside_words.body_matrices(found):
            return 0
        return inside_words.nominal_rank(found) or inside_words.full_rank(found)

    def _finished(self, setting_id: str | None, request: gr.Request) -> list[Run]:
        _, runs = shown.setting_and_runs(self.context, setting_id, owner_of(request))
        done = [run for run in runs if run.state == "finished"]
        return sorted(done, key=shown.place_of)

    def _ask(self, run: Run) -> Iterator[float | None]:
        """Look into a run in the background; yields how far that is. What can't be looked into says so itself."""
        question = Question(self.store, run, "look", run.id)
        yield from question.shares()
        if reason := question.answer()["reason"]:
            raise ValueError(reason)

    def _known(self, done: Sequence[Run], run_id: str | None, show: str) -> Updates:
        """What is drawn without asking anybody."""
        run = next((one for one in done if one.id == run_id), None)
        found = document_of(self.store, run) if run else None
        if run is None or found is None:
            return self._empty(NOT_YET if run else NONE_FINISHED) | {
                self.at["go"]: gr.update(interactive=run is not None, visible=True)
            }
        return self._drawn(done, run, found, show)

    def _empty(self, sentence: str) -> Updates:
        return {
            self.at["words"]: str(empty_state(sentence)),
            self.at["figures"]: gr.update(visible=False),
            self.at["overlap"]: "",
        }

    def _drawn(self, done: Sequence[Run], run: Run, found: Document, show: str) -> Updates:
        family = family_of(run.spec.choice.method)
        has_spectra = bool(inside_words.body_matrices(found))
        choices = [(_run_words(one), one.id) for one in done if changes_weights(one)]
        other = next((one for one in companions(done, run)), None)
        plot, table, drawn = self._beside(done, run, companions(done, run)) if has_spectra else (None, "", [])
        return {
            self.at["go"]: gr.update(visible=False),
            self.at["words"]: str(inside_tables.words_html(found, family)),
            self.at["figures"]: gr.update(visible=True),
            self.at["show"]: gr.update(visible=has_spectra),
            self.at["heat"]: str(heat_html(grid_of(found, show if has_spectra else SIZE), family)),
            self.at["tokens"]: str(inside_tables.tokens_html(found)),
            self.at["spectra"]: gr.update(visible=has_spectra or "prompt" in found),
            self.at["plot"]: gr.update(value=plot, visible=has_spectra),
            self.at["beside_table"]: table,
            # All runs, the one on show too: a choice that came and went would be refused on its way here.
            self.at["beside"]: gr.update(choices=choices, value=drawn, visible=has_spectra),
            self.at["all"]: gr.update(visible=bool(found.get("matrices"))),
            self.at["matrices"]: str(inside_tables.matrices_html(found)),
            self.at["overlap_box"]: gr.update(visible=has_spectra and other is not None),
            self.at["other"]: gr.update(choices=choices, value=other),
            self.at["overlap"]: "",
        }

    def _beside(self, done: Sequence[Run], run: Run, beside: Sequence[str]) -> tuple[Any, str, list[str]]:
        """The run and those beside it that were looked into, as curves and as a table; and which those are."""
        shown_runs = [run, *(one for one in done if one.id in beside and one.id != run.id)]
        pairs = [(found, one) for one in shown_runs if (found := document_of(self.store, one))]
        pairs = [(found, one) for found, one in pairs if inside_words.body_matrices(found)]
        lines = energy_lines([(found, family_of(one.spec.choice.method)) for found, one in pairs])
        scores = {one.id: shown.score_of(one) for one in shown_runs}
        score = metric(shown.judged_by(run.spec.setting)).title
        ordered = sorted(
            (found for found, _ in pairs), key=lambda d: -(inside_words.nominal_rank(d) or 10**9)
        )
        table = str(inside_tables.beside_html(ordered, scores, score))
        return energy_figure(lines), table, [one.id for _, one in pairs if one.id != run.id]


def _run_words(run: Run) -> str:
    return f"{run.label} seed {run.spec.seed}"


def _waiting(run: Run, share: float | None) -> str:
    words = f"Looking inside {_run_words(run)}"
    bar = progress_bar(share if share and share < 1 else None, label=words)
    return str(
        notice(
            "busy",
            words,
            Markup('<div class="wb-inside-wait">{}{}</div>').format("Reading its weights.", bar),
        )
    )
