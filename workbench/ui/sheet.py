"""A sheet at the right end of the page on which a card is read. `assets/page/sheet.js` moves the focus into it and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.ui import parts
from workbench.ui.controls import html_block

CLOSE = "close"
Updates = dict[Any, Any]


@dataclass(frozen=True)
class Sheet:
    """Its parts from top to bottom. Buttons of `head` and `body` fire `action`."""

    panel: gr.Column
    head: gr.HTML
    find: gr.Textbox
    body: gr.HTML
    readme: gr.Markdown

    @property
    def outputs(self) -> list[Any]:
        return [self.panel, self.head, self.find, self.body, self.readme]


def draw_sheet(find: str = "Search") -> Sheet:
    """Hidden until `opened`. `find` names its search box, which is shown where a sheet lists many things."""
    with gr.Column(visible=False, elem_classes="wb-sheet") as panel:
        head = html_block("")
        box = gr.Textbox(
            label=find, show_label=False, placeholder=find, max_lines=1, max_length=100, visible=False, elem_classes="wb-search"
        )  # fmt: skip
        body = html_block("")
        readme = gr.Markdown("", elem_classes=["wb-readme", "notranslate"], latex_delimiters=[])
    return Sheet(panel, head, box, body, readme)


def opened(
    sheet: Sheet,
    title: str,
    buttons: str | Markup,
    body: Markup,
    readme: str = "",
    *,
    note: str | Markup = "",
    find: bool = False,
) -> Updates:
    """Show this; `buttons` stand before the one that closes."""
    head = Markup(
        '<div class="wb-sheet-head"><div class="wb-grow"><h2>{}</h2><div class="wb-note">{}</div></div>{}{}</div>'
    ).format(title, note, buttons, parts.button("Close", CLOSE))
    return {
        sheet.panel: gr.Column(visible=True),
        sheet.head: str(head),
        sheet.find: gr.Textbox(value="", visible=find),
        sheet.body: str(body),
        sheet.readme: gr.Markdown(value=without_title(readme), visible=bool(readme)),
    }


def closed(sheet: Sheet) -> Updates:
    return {sheet.panel: gr.Column(visible=False)}


def without_title(readme: str) -> str:
    """A README without its front matter and its first heading, which the sheet's own head repeats."""
    text = readme.strip()
    if text.startswith("---\n") and "\n---\n" in text[4:]:
        text = text[4:].split("\n---\n", 1)[1].strip()
    if text.startswith("# "):
        text = text.partition("\n")[2].strip()
    return text
