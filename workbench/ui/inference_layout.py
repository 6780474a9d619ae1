"""Where things stand on the Inference tab."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.ui import decoding_form, shown
from workbench.ui.controls import html_block, segmented
from workbench.ui.parts import button, empty_state, page_title
from workbench.ui.theme import page_file

LONGEST_TEXT = 20_000
ONE, CHAT, FILE = "one", "chat", "file"
# By whether answers are texts.
SUBTITLES = {
    False: "Same text, same tokens, in every pane",
    True: "Same prompt, same decoding, in every pane",
}
PLACEHOLDERS = {False: "A text for all of them to judge", True: "A prompt for all of them to answer"}
MODES = {
    False: [("One text", ONE), ("Text file", FILE)],
    True: [("One prompt", ONE), ("Chat", CHAT), ("Prompt file", FILE)],
}
NO_FINISHED = (
    "No run has finished yet. Answers come from trained runs: queue some, or wait for those on Train."
)
VOTE_HELP = (
    "Ask with blind vote ticked: the answers come without names and in a drawn order, and you choose the best. Votes rank"
    " the runs of this setting and are kept with it."
)
FILE_HELP = (
    "One prompt to a line, or CSV, TSV or JSON Lines with a column prompt or text. All ticked runs and the base answer all"
    " of them; runs that can share a batch answer together. The table is kept with the setting."
)


def draw() -> dict[str, Any]:
    p: dict[str, Any] = {
        "drawn": gr.State(""), "answers": gr.State({}), "right": gr.State(()), "turns": gr.State({}),
        "blind": gr.State(None), "best": gr.State(None), "asked": gr.State(""),
    }  # fmt: skip
    with gr.Row(elem_classes="wb-tab-head"):
        p["head"] = html_block(str(page_title("Inference", SUBTITLES[False])), elem_classes="wb-head-line")
        p["chooser"] = shown.setting_chooser()
    p["empty"] = html_block(
        str(empty_state(NO_FINISHED, button("Go to Methods", "methods", kind="primary", small=False)))
    )
    with gr.Column(visible=False, elem_classes="wb-inference") as p["body"]:
        with gr.Column(elem_classes="wb-card wb-ask"):
            _draw_ways(p)
            _draw_question(p)
            _draw_file(p)
            with gr.Row(elem_classes="wb-chips-row"):
                p["runs"] = gr.CheckboxGroup(
                    [], label="Runs", show_label=False, container=False, elem_classes="wb-run-chips"
                )
                p["every_seed"] = gr.Checkbox(
                    False, label="every seed", container=False, visible=False, elem_classes="wb-every-seed"
                )
            decoding_form.draw(p)
            p["loaded"] = html_block("")
        p["panes"] = html_block("", elem_classes="wb-all-panes")
        _draw_below(p)
    return p


def _draw_ways(p: dict[str, Any]) -> None:
    with gr.Row(elem_classes="wb-ask-ways"):
        p["mode"] = segmented(MODES[False], ONE, label="What is asked")
        p["differences"] = gr.Checkbox(
            True, label="mark what differs from the base", container=False, visible=False,
            elem_classes="wb-differences",
        )  # fmt: skip
        p["hide"] = gr.Checkbox(
            False, label="blind vote", container=False, visible=False, elem_classes="wb-differences"
        )


def _draw_question(p: dict[str, Any]) -> None:
    with gr.Column(elem_classes="wb-ask-one") as p["question"]:
        p["text"] = gr.Textbox(
            label="Text", show_label=False, placeholder=PLACEHOLDERS[False], lines=2, max_lines=8,
            max_length=LONGEST_TEXT, container=False, elem_classes="wb-ask-text",
        )  # fmt: skip
        p["examples"] = html_block("")
        with gr.Row(elem_classes="wb-ask-row"):
            p["run"] = gr.Button("Run", variant="primary", elem_classes="wb-ask-run")
            p["stop"] = gr.Button("Stop", visible=False)
            p["anew"] = gr.Button("New chat", visible=False)
            gr.HTML(
                '<span class="wb-note">Ctrl + Enter</span>', apply_default_css=False, elem_classes="wb-html wb-ask-hint",
                js_on_load=page_file("ask.js").read_text(encoding="utf-8"),
            )  # fmt: skip
            p["agreement"] = html_block("", elem_classes="wb-agreement")


def _draw_file(p: dict[str, Any]) -> None:
    with gr.Column(visible=False, elem_classes="wb-ask-file") as p["file_part"]:
        with gr.Row(elem_classes="wb-file-row"):
            p["file"] = gr.File(
                label="Prompts", file_types=[".txt", ".csv", ".tsv", ".jsonl", ".json"], height=120
            )
            with gr.Column(elem_classes="wb-file-side"):
                html_block(f'<p class="wb-note">{FILE_HELP}</p>')
                with gr.Row(elem_classes="wb-ask-row"):
                    p["run_file"] = gr.Button("Run the file", variant="primary")
                    p["stop_file"] = gr.Button("Stop", visible=False)
                    p["file_progress"] = html_block("", elem_classes="wb-agreement")
        p["kept"] = gr.Dropdown([], label="Kept tables", visible=False, elem_classes="wb-kept")


def _draw_below(p: dict[str, Any]) -> None:
    with gr.Column(visible=False, elem_classes="wb-card wb-file-card") as p["table_card"]:
        p["table"] = html_block("")
        p["table_file"] = gr.DownloadButton("Table as CSV", size="sm", elem_classes="wb-quiet")
    with gr.Column(visible=False, elem_classes="wb-card wb-explain-card") as p["explain_card"]:
        with gr.Row(elem_classes="wb-line"):
            html_block("<h3>What the label rests on</h3>")
            p["explain"] = gr.Button("Explain", size="sm")
        p["explained"] = html_block("")
    with gr.Column(visible=False, elem_classes="wb-card wb-vote-card") as p["vote_card"]:
        html_block(f'<div class="wb-vote-head"><h3>Blind vote</h3><p class="wb-note">{VOTE_HELP}</p></div>')
        p["reader"] = gr.Textbox(
            label="Reader", info="A name or initials, where several people vote here.", max_length=40,
            elem_classes="wb-reader",
        )  # fmt: skip
        p["ranking"] = html_block("")
        with gr.Row(elem_classes="wb-line"):
            p["vote_data"] = gr.Button("Use votes as data set", visible=False, size="sm")
            p["vote_undo"] = gr.Button(
                "Take the last vote back", visible=False, size="sm", elem_classes="wb-quiet"
            )
