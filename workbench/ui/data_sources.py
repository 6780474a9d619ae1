"""Where data come from: the bundled sets to choose, a file to upload, a path or Hub data set to name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.data import BundledCard, bundled
from workbench.data.limits import MEGABYTE, Limits
from workbench.ui import parts
from workbench.ui.context import PageContext
from workbench.ui.controls import html_block, segmented
from workbench.uploads import PREFIX

UPLOADS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx", ".gz", ".zip")
_LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "zh": "Chinese"}


def draw_sources(context: PageContext, at: dict[str, Any]) -> None:
    names = [("Bundled", "bundled"), ("Upload a file", "upload")]
    names += [("Hub data set" if context.hosted else "Path or Hub data set", "named")]
    with gr.Row(elem_classes="wb-line"):
        html_block('<div class="wb-title"><h2 class="wb-h2">Or bring your own data</h2></div>')
        at["kind"] = segmented(names, "bundled", label="Where the data come from")
    at["bundled"] = html_block(bundled_cards(bundled(), None))
    with gr.Column(visible=False, elem_classes="wb-source-panel") as at["upload_panel"]:
        megabytes = Limits().bytes // MEGABYTE
        stays = "Only you see it here." if context.hosted else "It stays on this machine."
        html_block(
            '<div class="wb-strong">Drop a CSV, TSV, JSON, JSON Lines, Parquet or Excel file, zipped or not</div>'
            f'<div class="wb-note">One text and one label per row. Up to {megabytes} MB. {stays}</div>'
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
        at["bundled"]: gr.update(visible=kind == "bundled"),
        at["upload_panel"]: gr.Column(visible=kind == "upload"),
        at["named_panel"]: gr.Row(visible=kind == "named"),
    }


def source_kind(source: str | None) -> str:
    """Which panel a source was chosen in."""
    if source is None or source in {card.name for card in bundled()}:
        return "bundled"
    return "upload" if source.startswith(PREFIX) else "named"


def bundled_cards(cards: Sequence[BundledCard], chosen: str | None) -> Markup:
    return Markup('<div class="wb-sources" role="group" aria-label="Bundled data sets">{}</div>').format(
        Markup("").join(_bundled_card(card, card.name == chosen) for card in cards)
    )


def _bundled_card(card: BundledCard, chosen: bool) -> Markup:
    language = _LANGUAGES.get(card.language, card.language)
    facts = [f"{parts.format_count(card.total_rows)} rows", language, f"{len(card.labels)} labels"]
    return Markup(
        '<button type="button" class="wb-source{on}" data-action="choose" data-key="{name}" aria-pressed="{pressed}">'
        '<span class="wb-source-head"><span class="wb-strong">{name}</span>{badge}</span>'
        '<span class="wb-note">{facts}</span><span class="wb-two wb-small">{summary}</span>'
        '<span class="wb-note wb-source-task">{task}</span></button>'
    ).format(
        on=" wb-on" if chosen else "",
        pressed=str(chosen).lower(),
        name=card.name,
        badge=parts.badge("ok", "chosen") if chosen else "",
        facts=", ".join(fact for fact in facts if fact),
        summary=card.summary,
        task=card.task,
    )
