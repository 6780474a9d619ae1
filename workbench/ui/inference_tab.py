"""The Inference tab: one text through finished runs, their base and TF-IDF, side by side."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import background, registry
from workbench.result import Run
from workbench.side_by_side import BASE, TFIDF
from workbench.ui import shown
from workbench.ui.context import QUIET, PageContext, Tab, owner_of, run_of, say_errors, sentence_of
from workbench.ui.controls import html_block
from workbench.ui.panes import Answers, agreement, panes_for, panes_html
from workbench.ui.parts import button, empty_state, page_title
from workbench.ui.theme import page_file

LONGEST_TEXT = 20_000
MOST_PANES = 16
EXAMPLES = 4
SUBTITLE = "Same text, same tokens, in every pane"
NO_FINISHED = (
    "No run has finished yet. Answers come from trained runs: queue some, or wait for those on Train."
)
_PARTS = (
    "head",
    "chooser",
    "empty",
    "body",
    "runs",
    "every_seed",
    "examples",
    "run",
    "panes",
    "agreement",
    "drawn",
    "answers",
)


def build(context: PageContext) -> Tab:
    """Draw the tab; everything in it comes from `refresh_inference`."""
    p = _draw()
    handlers = _Handlers(context)
    inputs = [context.setting_id, p["drawn"], p["runs"], p["every_seed"]]
    tab = Tab(handlers.refresh_inference, inputs, [p[name] for name in _PARTS], parts=p)
    _wire(context, p, handlers, tab)
    return tab


def _draw() -> dict[str, Any]:
    p: dict[str, Any] = {"drawn": gr.State(""), "answers": gr.State({})}
    with gr.Row(elem_classes="wb-tab-head"):
        p["head"] = html_block(str(page_title("Inference", SUBTITLE)), elem_classes="wb-head-line")
        p["chooser"] = shown.setting_chooser()
    p["empty"] = html_block(
        str(empty_state(NO_FINISHED, button("Go to Methods", "methods", kind="primary", small=False)))
    )
    with gr.Column(visible=False, elem_classes="wb-inference") as p["body"]:
        with gr.Column(elem_classes="wb-card wb-ask"):
            p["text"] = gr.Textbox(
                label="Text", show_label=False, placeholder="A text for all of them to judge", lines=2, max_lines=8,
                max_length=LONGEST_TEXT, container=False, elem_classes="wb-ask-text",
            )  # fmt: skip
            p["examples"] = html_block("")
            with gr.Row(elem_classes="wb-ask-row"):
                p["run"] = gr.Button("Run", variant="primary", elem_classes="wb-ask-run")
                gr.HTML(
                    '<span class="wb-note">Ctrl + Enter</span>', apply_default_css=False, elem_classes="wb-html wb-ask-hint",
                    js_on_load=page_file("ask.js").read_text(encoding="utf-8"),
                )  # fmt: skip
                p["agreement"] = html_block("", elem_classes="wb-agreement")
            with gr.Row(elem_classes="wb-chips-row"):
                p["runs"] = gr.CheckboxGroup(
                    [], label="Runs", show_label=False, container=False, elem_classes="wb-run-chips"
                )
                p["every_seed"] = gr.Checkbox(
                    False, label="every seed", container=False, visible=False, elem_classes="wb-every-seed"
                )
        p["panes"] = html_block("")
    return p


class _Handlers:
    """What the tab does, with the context that it needs."""

    def __init__(self, context: PageContext) -> None:
        self.context = context

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
            ids = [run.id for run in finished]
            kept = [run_id for run_id in ticked if run_id in ids] if same else []
            new["runs"], values = _run_chips(finished, kept, every)
            new["every_seed"] = gr.update(visible=len(finished) > len({r.spec.choice.id for r in finished}))
            shown_panes = panes_for(_in_order(finished, values), _score_name(finished))
            new["run"] = gr.update(value=_run_words(values))
            new["examples"] = str(_examples_html(self._rows(finished[0])))
            if not same:
                new |= {"answers": {}, "agreement": "", "panes": str(panes_html(shown_panes, {}))}
        return [new[name] for name in _PARTS]

    def _rows(self, run: Run) -> Mapping[str, str]:
        fingerprint = run.spec.setting.data.fingerprint
        return test_rows(self.context.store.data_folder(fingerprint)) if fingerprint else {}

    def _ticked(self, ticked: Sequence[str], request: gr.Request) -> list[Run]:
        owner = owner_of(request)
        runs = [run_of(self.context, str(run_id), owner) for run_id in ticked[:MOST_PANES]]
        return _in_order(runs, [run.id for run in runs])

    @say_errors
    def offer_seeds(
        self, setting_id: str | None, ticked: Sequence[str], every: bool, request: gr.Request
    ) -> Any:
        """Chips for every seed, or for the best of each method; what is ticked stays."""
        _, runs = shown.setting_and_runs(self.context, setting_id, owner_of(request))
        return _run_chips([run for run in runs if run.state == "finished"], ticked, every)[0]

    @say_errors
    def draw_panes(self, ticked: Sequence[str], answers: Answers, request: gr.Request) -> tuple[str, Any]:
        runs = self._ticked(ticked, request)
        panes = panes_for(runs, _score_name(runs)) if runs else []
        return str(panes_html(panes, answers)), gr.update(value=_run_words(ticked), interactive=bool(runs))

    @say_errors
    def ask_all(
        self, ticked: Sequence[str], text: str, answers: Answers, request: gr.Request
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
        panes = panes_for(runs, _score_name(runs))
        gold = self._rows(runs[0]).get(text, "")
        left = [pane.key for pane in panes]
        answers = dict(answers)
        for pane in panes:
            asking = gr.update(value=f"Asking {pane.title}", interactive=False)
            yield (
                str(panes_html(panes, answers, waiting=left, asking=pane.key, gold="")),
                asking,
                gr.skip(),
                gr.skip(),
            )
            answers[pane.key] = self._answer(pane.key, runs[0].id, text)
            left.remove(pane.key)
        done = gr.update(value=_run_words(ticked), interactive=True)
        yield str(panes_html(panes, answers, gold=gold)), done, str(_summary(answers, panes, gold)), answers

    def _answer(self, key: str, first_run: str, text: str) -> dict[str, Any]:
        run_id = first_run if key in (BASE, TFIDF) else key
        folder = str(self.context.store.folder)
        try:
            found: dict[str, Any] = background.call(
                "workbench.side_by_side:ask", folder, key, run_id, text, pool="inference"
            )
        except Exception as error:
            # One model that can't answer must not take the others' answers away.
            return {
                "label": None,
                "probabilities": {},
                "ms": None,
                "live": None,
                "reason": sentence_of(error),
            }
        return found

    @say_errors
    def take_example(self, setting_id: str | None, event: gr.EventData, request: gr.Request) -> str:
        _, runs = shown.setting_and_runs(self.context, setting_id, owner_of(request))
        examples = examples_of(self._rows(runs[0])) if runs else []
        place = int(event.key)
        if not 0 <= place < len(examples):
            raise ValueError("This example is gone: reload the page.")
        return examples[place][0]


@functools.lru_cache(maxsize=8)
def test_rows(folder: Path) -> Mapping[str, str]:
    """Texts of the test part with their labels; empty where the rows are gone."""
    from workbench.data import load_prepared

    if not folder.is_dir():
        return {}
    try:
        prepared = load_prepared(folder)
    except ValueError:
        return {}
    return {row["text"]: row["label"] for row in prepared.rows["test"]}


def examples_of(rows: Mapping[str, str], count: int = EXAMPLES) -> list[tuple[str, str]]:
    """Some texts of the test part, one label after the other, short ones first taken."""
    by_label: dict[str, list[str]] = {}
    for text, label in rows.items():
        if len(text) <= 140:
            by_label.setdefault(label, []).append(text)
    found = []
    for place in range(count):
        for label in sorted(by_label):
            if place < len(by_label[label]):
                found.append((by_label[label][place], label))
    return found[:count]


def _examples_html(rows: Mapping[str, str]) -> Markup:
    found = examples_of(rows)
    if not found:
        return Markup("")
    buttons = Markup("").join(
        button(Markup('<span class="wb-cut">{}</span>').format(text), "example", str(place), kind="quiet")
        for place, (text, _) in enumerate(found)
    )
    return Markup('<div class="wb-examples"><span class="wb-note">From the test part</span>{}</div>').format(
        buttons
    )


def _run_chips(finished: Sequence[Run], kept: Sequence[str], every: bool) -> tuple[Any, list[str]]:
    """One chip per method, for its best seed, or one for every seed. All best ones are ticked unless the reader chose."""
    best: dict[str, Run] = {}
    for run in finished:
        other = best.get(run.spec.choice.id)
        if other is None or (shown.score_of(run) or 0) > (shown.score_of(other) or 0):
            best[run.spec.choice.id] = run
    offered = [run.id for run in (finished if every else best.values())]
    value = list(kept) or [run.id for run in best.values()][: MOST_PANES - 2]
    chips = _in_order(finished, [*offered, *value])
    return gr.update(
        choices=[(f"{run.label}, seed {run.spec.seed}", run.id) for run in chips], value=value
    ), value


def _in_order(runs: Sequence[Run], ids: Sequence[str]) -> list[Run]:
    """The named runs, methods together in the order in which they were queued."""
    first: dict[str, int] = {}
    for place, run in enumerate(runs):
        first.setdefault(run.spec.choice.id, place)
    kept = [run for run in runs if run.id in ids]
    return sorted(kept, key=lambda run: (first[run.spec.choice.id], run.spec.seed))


def _score_name(runs: Sequence[Run]) -> str:
    return registry.task(runs[0].spec.setting.task).best_metric


def _run_words(ticked: Sequence[str]) -> str:
    count = min(len(ticked), MOST_PANES) + 2
    return f"Run in {count} panes" if ticked else "Tick a run"


def _summary(answers: Answers, panes: Sequence[Any], gold: str) -> Markup:
    note = (
        Markup('<span class="wb-note">A row of the test part; its label there: <b>{}</b></span>').format(gold)
        if gold
        else ""
    )
    return Markup('<span class="wb-row">{}{}</span>').format(agreement(answers, panes), note)


def go_to_methods() -> Any:
    return gr.Tabs(selected="methods")


def _wire(context: PageContext, p: dict[str, Any], h: _Handlers, tab: Tab) -> None:
    redraw = {"fn": tab.refresh, "inputs": list(tab.inputs), "outputs": list(tab.outputs), **QUIET}
    shown.wire_chooser(context, p["chooser"]).then(**redraw)
    p["empty"].action(go_to_methods, None, context.tabs, **QUIET)
    p["examples"].action(h.take_example, context.setting_id, p["text"], **QUIET)
    p["runs"].input(h.draw_panes, [p["runs"], p["answers"]], [p["panes"], p["run"]], **QUIET)
    p["every_seed"].input(h.offer_seeds, [context.setting_id, p["runs"], p["every_seed"]], p["runs"], **QUIET)
    p["run"].click(
        h.ask_all,
        [p["runs"], p["text"], p["answers"]],
        [p["panes"], p["run"], p["agreement"], p["answers"]],
        trigger_mode="once",
        **QUIET,
    )
