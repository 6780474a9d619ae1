"""Where data come from: the bundled sets to choose, a file to upload, a path or Hub data set to name."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench import registry
from workbench.data import bundled
from workbench.data.limits import MEGABYTE, Limits
from workbench.ui import data_browser
from workbench.ui.context import PageContext
from workbench.ui.controls import html_block, segmented
from workbench.ui.plan import Plan
from workbench.ui.sheet import draw_sheet
from workbench.uploads import PREFIX

UPLOADS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx", ".txt", ".md", ".gz", ".zip")


def draw_sources(context: PageContext, at: dict[str, Any]) -> None:
    names = [("Bundled", "bundled"), ("Upload a file", "upload")]
    names += [("Hub data set" if context.hosted else "Path or Hub data set", "named")]
    with gr.Row(elem_classes="wb-line"):
        html_block('<div class="wb-title"><h2 class="wb-h2">Or bring your own data</h2></div>')
        at["kind"] = segmented(names, "bundled", label="Where the data come from")
    with gr.Column(elem_classes="wb-browse") as at["browse"]:
        cards = bundled(every=True)
        at["find_set"] = gr.Textbox(
            label="Search the data sets", show_label=False, placeholder="Search the data sets", max_lines=1, max_length=100,
            elem_classes="wb-search", visible=len(cards) > data_browser.MANY,
        )  # fmt: skip
        at["bundled"] = html_block(data_browser.cards_html(cards, None, "classification"))
    at["set"] = draw_sheet()
    with gr.Column(visible=False, elem_classes="wb-source-panel") as at["upload_panel"]:
        megabytes = Limits().bytes // MEGABYTE
        stays = "Only you see it here." if context.hosted else "It stays on this machine."
        html_block(
            '<div class="wb-strong">Drop a CSV, TSV, JSON, JSON Lines, Parquet, Excel or plain text file, zipped or not</div>'
            f'<div class="wb-note">A text and a label per row, a question and an answer, a conversation, a preferred and a rejected answer, or just text. Up to {megabytes} MB. {stays}</div>'
        )
        at["upload"] = gr.File(
            label="Data file",
            show_label=False,
            type="filepath",
            file_types=list(UPLOADS),
            elem_classes="wb-upload",
        )
    with gr.Row(visible=False, elem_classes="wb-source-panel wb-line") as at["named_panel"]:
        hub = "owner/name, for example stanfordnlp/sst2"
        at["name"] = gr.Textbox(
            label="Hub data set" if context.hosted else "Path of a file or folder, or Hub data set",
            placeholder=hub if context.hosted else f"data/reviews.csv, or {hub}",
            max_lines=1,
            max_length=1000,
            elem_classes="wb-mono-input",
        )
        at["look_up"] = gr.Button("Look it up", elem_classes="wb-end")


def panels(at: dict[str, Any], kind: str) -> dict[Any, Any]:
    """The panel of this kind alone."""
    return {
        at["browse"]: gr.Column(visible=kind == "bundled"),
        at["upload_panel"]: gr.Column(visible=kind == "upload"),
        at["named_panel"]: gr.Row(visible=kind == "named"),
    }


def source_kind(source: str | None) -> str:
    """Which panel a source was chosen in."""
    if source is None or source in {card.name for card in bundled()}:
        return "bundled"
    return "upload" if source.startswith(PREFIX) else "named"


def bundled_cards(plan: Plan, words: str = "") -> str:
    """The cards of all bundled sets for a plan; those in which all the words are found."""
    chosen = (plan["data"] or {}).get("source")
    return str(data_browser.cards_html(bundled(every=True), chosen, plan["task"], words))


def bundled_task(name: str) -> str:
    """The task that a bundled set is for; ValueError if this version has no such task, or there is no such set."""
    card = next((card for card in bundled(every=True) if card.name == name), None)
    if card is None:
        raise ValueError(f"There is no bundled data set called {name!r:.60}.")
    registry.task(card.task)
    return card.task
