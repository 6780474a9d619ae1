"""The Inference tab: one text through finished runs, their base and a reference, side by side; labels or generated texts."""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import background, registry
from workbench.result import Run
from workbench.side_by_side import BASE, REFERENCES
from workbench.ui import decoding_form, feedback_panel, shown
from workbench.ui.context import QUIET, PageContext, Tab, owner_of, run_of, say_errors, sentence_of
from workbench.ui.inference_layout import LONGEST_TEXT, PLACEHOLDERS, SUBTITLES, draw
from workbench.ui.panes import Answers, Pane, agreement, panes_html
from workbench.ui.parts import page_title, progress_bar
from workbench.ui.prompts import Known, examples_html, examples_of, score_text, test_rows
from workbench.ui.run_chips import MOST_PANES, chosen_panes, in_order, run_chips, run_words

NOT_ASKED = "You stopped before its turn."
_PARTS = (
    *("head", "chooser", "empty", "body", "text", "runs", "every_seed", "examples", "run", "differences"),
    *("panes", "agreement", "drawn", "answers", "right"),
    *decoding_form.PARTS,
)
_ASKED = ("panes", "run", "stop", "agreement", "answers", "right")


def build(context: PageContext) -> Tab:
    """Draw the tab; everything in it comes from `refresh_inference`."""
    p = draw()
    feedback_panel.draw(p)
    handlers = _Handlers(context)
    inputs = [context.setting_id, p["drawn"], p["runs"], p["every_seed"]]
    tab = Tab(handlers.refresh_inference, inputs, [p[name] for name in _PARTS], parts=p)
    _wire(context, p, handlers, tab)
    feedback_panel.wire(context, p)
    return tab


@dataclass
class _Asking:
    """One question under way: set `stopped` and make the file, and it ends at the next token or pane."""

    stopped: threading.Event = field(default_factory=threading.Event)
    file: Path = field(
        default_factory=lambda: Path(tempfile.gettempdir()) / f"workbench-stop-{uuid.uuid4().hex}"
    )

    def stop(self) -> None:
        self.stopped.set()
        self.file.touch()

    def end(self) -> None:
        self.file.unlink(missing_ok=True)


class _Handlers:
    """What the tab does, with the context that it needs and the questions under way by session."""

    def __init__(self, context: PageContext) -> None:
        self.context = context
        self.asking: dict[str, _Asking] = {}

    def refresh_inference(
        self, setting_id: str | None, drawn: str, ticked: Sequence[str], every: bool, request: gr.Request
    ) -> list[Any]:
        """New chips when runs finished or the setting changed; ticks and answers stay while their runs do."""
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
            new["runs"], values = run_chips(finished, kept, every)
            new["every_seed"] = gr.update(visible=len(finished) > len({r.spec.choice.id for r in finished}))
            new["run"] = gr.update(value=run_words(values))
            if not same:
                new |= self._afresh(finished, values)
        return [new[name] for name in _PARTS]

    def _afresh(self, finished: Sequence[Run], values: Sequence[str]) -> dict[str, Any]:
        """What changes with the setting: words, examples, decoding, and empty panes."""
        setting = finished[0].spec.setting
        texts = shown.writes_text(setting)
        return {
            "head": str(page_title("Inference", SUBTITLES[texts])),
            "text": gr.update(placeholder=PLACEHOLDERS[texts]),
            "examples": str(examples_html(self._rows(finished[0]), texts=texts)),
            "differences": gr.update(visible=texts),
            "answers": {},
            "right": (),
            "agreement": "",
            "panes": str(panes_html(chosen_panes(finished, values), {})),
            **decoding_form.updates(setting),
        }

    def _rows(self, run: Run) -> Mapping[str, Known]:
        fingerprint = run.spec.setting.data.fingerprint
        return test_rows(self.context.store.data_folder(fingerprint)) if fingerprint else {}

    def _ticked(self, ticked: Sequence[str], request: gr.Request) -> list[Run]:
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
        request: gr.Request,
    ) -> tuple[str, Any]:
        runs = self._ticked(ticked, request)
        html = panes_html(chosen_panes(runs, ticked), answers, right=right, differences=differences)
        return str(html), gr.update(value=run_words(ticked), interactive=bool(runs))

    @say_errors
    def ask_all(
        self,
        ticked: Sequence[str],
        text: str,
        answers: Answers,
        differences: bool,
        do_sample: bool,
        max_new_tokens: float | None,
        temperature: float | None,
        top_p: float | None,
        top_k: float | None,
        decoding_seed: float | None,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        """Ask one after another; each pane changes as its answer comes, the others keep their last one, dimmed."""
        text = (text or "").strip()
        if not text:
            raise ValueError("The text is empty: write one, or take an example.")
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"The text has {len(text):,} characters; up to {LONGEST_TEXT:,} are read.")
        runs = self._ticked(ticked, request)
        if not runs:
            raise ValueError("No run is ticked: tick at least one below the text.")
        given = (do_sample, max_new_tokens, temperature, top_p, top_k, decoding_seed)
        options = decoding_form.changed(runs[0].spec.setting, given)
        panes = chosen_panes(runs, ticked)
        known = self._rows(runs[0]).get(text, Known(()))
        texts = shown.writes_text(runs[0].spec.setting)
        left, answers = [pane.key for pane in panes], dict(answers)
        asking = _Asking()
        session = str(getattr(request, "session_hash", ""))
        self.asking[session] = asking
        try:
            for pane in panes:
                told = known.right if texts else ()
                html = panes_html(
                    panes, answers, waiting=left, asking=pane.key, right=told, differences=differences
                )
                yield (
                    str(html),
                    gr.update(value=f"Asking {pane.title}", interactive=False),
                    gr.update(visible=len(panes) > 1, value="Stop"),
                    str(_how_far(len(panes) - len(left), len(panes))),
                    gr.skip(),
                    gr.skip(),
                )
                answers[pane.key] = self._answer(pane.key, runs[0], text, options, known, asking)
                left.remove(pane.key)
        finally:
            asking.end()
            if self.asking.get(session) is asking:
                del self.asking[session]
        html = panes_html(panes, answers, right=known.right, differences=differences)
        done = gr.update(value=run_words(ticked), interactive=True)
        summary = str(_summary(answers, panes, known.right, texts))
        yield str(html), done, gr.update(visible=False), summary, answers, known.right

    def _answer(
        self,
        key: str,
        first: Run,
        text: str,
        options: Mapping[str, Any],
        known: Known,
        asking: _Asking,
    ) -> dict[str, Any]:
        setting = first.spec.setting
        silence = dict(registry.task(setting.task).silence)
        if asking.stopped.is_set():
            return {**silence, "live": None, "reason": NOT_ASKED, "stopped": True}
        run_id = first.id if key in (BASE, *REFERENCES) else key
        folder = str(self.context.store.folder)
        try:
            found: dict[str, Any] = background.call(
                "workbench.side_by_side:ask",
                folder,
                key,
                run_id,
                text,
                dict(options) or None,
                str(asking.file),
                pool="inference",
            )
        except Exception as error:
            # One model that can't answer must not take the others' answers away.
            return {**silence, "live": None, "reason": sentence_of(error)}
        said = found.get("text")
        if asking.stopped.is_set() and found.get("ended") is False:
            return {**found, "stopped": True}
        if said is not None and known.right:
            found |= {"judged": shown.judged_by(setting), "score": score_text(setting, said, known)}
        return found

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


def _how_far(done: int, total: int) -> Markup:
    words = f"{done} of {total} answered"
    return Markup('<span class="wb-row wb-asked-so-far">{}<span class="wb-note">{}</span></span>').format(
        progress_bar(done / total, label=words), words
    )


def _summary(answers: Answers, panes: Sequence[Pane], right: Sequence[str], texts: bool) -> Markup:
    note = Markup("")
    if right and texts:
        note = Markup('<span class="wb-note">A row of the test part; its right answer stands beside.</span>')
    elif right:
        note = Markup(
            '<span class="wb-note">A row of the test part; its label there: <b>{}</b></span>'
        ).format(right[0])
    return Markup('<span class="wb-row">{}{}</span>').format(agreement(answers, panes), note)


def go_to_methods() -> Any:
    return gr.Tabs(selected="methods")


def _wire(context: PageContext, p: dict[str, Any], h: _Handlers, tab: Tab) -> None:
    redraw = {"fn": tab.refresh, "inputs": list(tab.inputs), "outputs": list(tab.outputs), **QUIET}
    shown.wire_chooser(context, p["chooser"]).then(**redraw)
    p["empty"].action(go_to_methods, None, context.tabs, **QUIET)
    p["examples"].action(h.take_example, context.setting_id, p["text"], **QUIET)
    panes = {
        "fn": h.draw_panes,
        "inputs": [p["runs"], p["answers"], p["right"], p["differences"]],
        "outputs": [p["panes"], p["run"]],
    }
    p["runs"].input(**panes, **QUIET)
    p["differences"].input(**panes, **QUIET)
    p["every_seed"].input(h.offer_seeds, [context.setting_id, p["runs"], p["every_seed"]], p["runs"], **QUIET)
    p["run"].click(
        h.ask_all,
        [p["runs"], p["text"], p["answers"], p["differences"], *decoding_form.components(p)],
        [p[name] for name in _ASKED],
        trigger_mode="once",
        **QUIET,
    )
    p["stop"].click(h.stop_asking, None, p["stop"], **QUIET)
