"""The Inference tab: one text through finished runs, their base and a reference, side by side; labels or generated texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr

from workbench.result import Run
from workbench.side_by_side import REFERENCES
from workbench.ui import decoding_form, feedback_panel, inference_cards, shown
from workbench.ui.context import QUIET, PageContext, Tab, owner_of, run_of, say_errors
from workbench.ui.inference_layout import CHAT, LONGEST_TEXT, MODES, ONE, PLACEHOLDERS, SUBTITLES, draw
from workbench.ui.loaded_note import loaded_note
from workbench.ui.pane_asking import Asking, Heard, ask, questions_to
from workbench.ui.panes import Answers, panes_html
from workbench.ui.panes_meanwhile import Meanwhile, scored, summary_of, with_answer
from workbench.ui.parts import page_title
from workbench.ui.prompts import Known, examples_html, examples_of, test_rows
from workbench.ui.run_chips import MOST_PANES, chosen_panes, in_order, run_chips, run_words, with_later
from workbench.ui.vote_card import Blind, blind_html, blind_of, names_of

_PARTS = (
    *("head", "chooser", "empty", "body", "text", "runs", "every_seed", "examples", "run", "differences"),
    *("panes", "agreement", "drawn", "answers", "right", "mode", "hide", "turns", "blind", "loaded"),
    *("explain_card", "explained", "vote_card", "ranking", "vote_data", "vote_undo", "kept", "table_card"),
    *decoding_form.PARTS,
)
_ASKED = ("panes", "run", "stop", "agreement", "answers", "right", "turns", "blind", "loaded", "explain_card",
          "explained", "asked", "best")  # fmt: skip


def build(context: PageContext) -> Tab:
    """Draw the tab; everything in it comes from `refresh_inference`."""
    p = draw()
    feedback_panel.draw(p)
    handlers = _Handlers(context)
    inputs = [context.setting_id, p["drawn"], p["runs"], p["every_seed"]]
    tab = Tab(handlers.refresh_inference, inputs, [p[name] for name in _PARTS], parts=p)
    _wire(context, p, handlers, tab)
    inference_cards.wire(context, p, handlers.ticked)
    feedback_panel.wire(context, p)
    return tab


class _Handlers:
    """What the tab does, with the context that it needs and the questions under way by session."""

    def __init__(self, context: PageContext) -> None:
        self.context = context
        self.asking: dict[str, Asking] = {}

    def refresh_inference(
        self, setting_id: str | None, drawn: str, ticked: Sequence[str], every: bool, request: gr.Request
    ) -> list[Any]:
        """New chips when runs finished or the setting changed; the reader's own ticks and the answers stay while their
        runs do."""
        owner = owner_of(request)
        chosen, runs = shown.setting_and_runs(self.context, setting_id, owner)
        finished = [run for run in runs if run.state == "finished"]
        signature = f"{chosen} {len(self.context.store.settings(owner))} " + " ".join(r.id for r in finished)
        new: dict[str, Any] = dict.fromkeys(_PARTS, gr.skip())
        if signature == drawn:
            return list(new.values())
        new["drawn"] = signature
        new["empty"] = gr.update(visible=not finished)
        new["body"] = gr.update(visible=bool(finished))
        new["chooser"] = shown.show_choices(self.context, owner, chosen)
        if finished:
            same = drawn.split(" ", 1)[0] == str(chosen)
            offered = {*(run.id for run in finished), *REFERENCES}
            kept = [name for name in ticked if name in offered] if same else []
            kept = with_later(finished, kept, drawn.split())
            new["runs"], values = run_chips(finished, kept, every)
            new["every_seed"] = gr.update(visible=len(finished) > len({r.spec.choice.id for r in finished}))
            new["run"] = gr.update(value=run_words(values))
            if not same:
                new |= self._afresh(finished, values)
                new |= inference_cards.updates(self.context, finished, owner)
        return [new[name] for name in _PARTS]

    def _afresh(self, finished: Sequence[Run], values: Sequence[str]) -> dict[str, Any]:
        """What changes with the setting: words, examples, decoding, and empty panes."""
        setting = finished[0].spec.setting
        texts = shown.writes_text(setting)
        return {
            "head": str(page_title("Inference", SUBTITLES[texts])),
            "text": gr.update(placeholder=PLACEHOLDERS[texts]),
            "examples": str(examples_html(self._rows(finished[0]), texts=texts)),
            "mode": gr.update(choices=MODES[texts], value=ONE),
            "differences": gr.update(visible=texts),
            "hide": gr.update(visible=texts, value=False),
            "answers": {},
            "right": (),
            "turns": {},
            "blind": None,
            "agreement": "",
            "panes": str(panes_html(chosen_panes(finished, values), {})),
            **decoding_form.updates(setting),
        }

    def _rows(self, run: Run) -> Mapping[str, Known]:
        fingerprint = run.spec.setting.data.fingerprint
        return test_rows(self.context.store.data_folder(fingerprint)) if fingerprint else {}

    def ticked(self, ticked: Sequence[str], request: gr.Request) -> list[Run]:
        owner = owner_of(request)
        ids = [str(name) for name in ticked if name not in REFERENCES][:MOST_PANES]
        return in_order([run_of(self.context, run_id, owner) for run_id in ids], ids)

    @say_errors
    def offer_seeds(
        self, setting_id: str | None, ticked: Sequence[str], every: bool, request: gr.Request
    ) -> Any:
        """Chips for every seed, or for the best of each method; what is ticked stays."""
        _, runs = shown.setting_and_runs(self.context, setting_id, owner_of(request))
        return run_chips([run for run in runs if run.state == "finished"], ticked, every)[0]

    @say_errors
    def draw_panes(
        self,
        ticked: Sequence[str],
        answers: Answers,
        right: Sequence[str],
        differences: bool,
        turns: Mapping[str, Any],
        blind: Blind | None,
        best: str | None,
        request: gr.Request,
    ) -> tuple[Any, Any]:
        runs = self.ticked(ticked, request)
        button = gr.update(value=run_words(ticked), interactive=bool(runs))
        if blind is not None:  # names would give away what is still to be voted on
            return gr.skip(), button
        panes = chosen_panes(runs, ticked)
        html = panes_html(panes, answers, right=right, differences=differences, turns=turns, best=best)
        return str(html), button

    @say_errors
    def ask_all(
        self,
        ticked: Sequence[str],
        text: str,
        answers: Answers,
        differences: bool,
        mode: str,
        hide: bool,
        turns: Mapping[str, Any],
        do_sample: bool,
        max_new_tokens: float | None,
        temperature: float | None,
        top_p: float | None,
        top_k: float | None,
        decoding_seed: float | None,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        """Ask all at once; each pane shows its answer as it is written, or keeps its last one, dimmed, until then."""
        text = (text or "").strip()
        if not text:
            raise ValueError("The text is empty: write one, or take an example.")
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"The text has {len(text):,} characters; up to {LONGEST_TEXT:,} are read.")
        runs = self.ticked(ticked, request)
        if not runs:
            raise ValueError("No run is ticked: tick at least one below the text.")
        setting = runs[0].spec.setting
        given = (do_sample, max_new_tokens, temperature, top_p, top_k, decoding_seed)
        options = decoding_form.changed(setting, given)
        texts = shown.writes_text(setting)
        chat, blind = texts and mode == CHAT, texts and mode == ONE and hide
        panes = chosen_panes(runs, [name for name in ticked if not (chat and name in REFERENCES)])
        known = Known(()) if chat else self._rows(runs[0]).get(text, Known(()))
        asking, session = Asking(), str(getattr(request, "session_hash", ""))
        self.asking[session] = asking
        questions = questions_to(panes, runs[0], text, turns if chat else None)
        before = (
            {key: [*said, {"role": "user", "content": text}] for key, said in turns.items()} if chat else {}
        )
        if chat:
            before = {q["key"]: q["messages"] for q in questions}
        meanwhile = Meanwhile(panes, dict(answers), known.right if texts else (), differences, before, blind)
        heard = Heard()
        try:
            for heard in ask(self.context.store, runs[0], questions, options, asking):
                yield meanwhile.drawn(heard, len(questions))
        finally:
            asking.end()
            if self.asking.get(session) is asking:
                del self.asking[session]
        found = {key: scored(a, setting, known) for key, a in heard.answers.items()}
        note = loaded_note(heard.contents, names_of(self.context.store.runs(setting_id=setting.id)))
        summary = summary_of(found, panes, known.right, texts)
        said = {key: with_answer(before[key], found[key]) for key in before} if chat else {}
        waiting = blind_of(text, found) if blind else None
        html = (
            blind_html(waiting, found)
            if waiting
            else panes_html(panes, found, right=known.right, differences=differences, turns=before)
        )
        done = gr.update(value=run_words(ticked), interactive=True)
        yield (
            *(str(html), done, gr.update(visible=False), "" if waiting else str(summary)),
            *({} if chat else found, known.right, said, waiting, str(note) if note else gr.skip()),
            *(gr.update(visible=not texts), "", text, None),
        )

    @say_errors
    def stop_asking(self, request: gr.Request) -> Any:
        """End the answer that is being written where it is; those still waiting are not asked."""
        asking = self.asking.get(str(getattr(request, "session_hash", "")))
        if asking is not None:
            asking.stop()
        return gr.update(value="Stopping")

    @say_errors
    def take_example(self, setting_id: str | None, event: gr.EventData, request: gr.Request) -> str:
        _, runs = shown.setting_and_runs(self.context, setting_id, owner_of(request))
        examples: list[str] = []
        if runs:
            texts = shown.writes_text(runs[0].spec.setting)
            examples = examples_of(self._rows(runs[0]), texts=texts)
        place = int(event.key)
        if not 0 <= place < len(examples):
            raise ValueError("This example is gone: reload the page.")
        return examples[place]


def go_to_methods() -> Any:
    return gr.Tabs(selected="methods")


def _wire(context: PageContext, p: dict[str, Any], h: _Handlers, tab: Tab) -> None:
    redraw = {"fn": tab.refresh, "inputs": list(tab.inputs), "outputs": list(tab.outputs), **QUIET}
    shown.wire_chooser(context, p["chooser"]).then(**redraw)
    p["empty"].action(go_to_methods, None, context.tabs, **QUIET)
    p["examples"].action(h.take_example, context.setting_id, p["text"], **QUIET)
    panes = {
        "fn": h.draw_panes,
        "inputs": [p[n] for n in ("runs", "answers", "right", "differences", "turns", "blind", "best")],
        "outputs": [p["panes"], p["run"]],
    }
    p["runs"].input(**panes, **QUIET)
    p["differences"].input(**panes, **QUIET)
    p["every_seed"].input(h.offer_seeds, [context.setting_id, p["runs"], p["every_seed"]], p["runs"], **QUIET)
    p["run"].click(
        h.ask_all,
        [
            *(p[n] for n in ("runs", "text", "answers", "differences", "mode", "hide", "turns")),
            *decoding_form.components(p),
        ],
        [p[name] for name in _ASKED],
        trigger_mode="once",
        **QUIET,
    )
    p["stop"].click(h.stop_asking, None, p["stop"], **QUIET)
