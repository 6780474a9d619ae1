"""Where things stand on the Inference tab."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.ui import decoding_form, shown
from workbench.ui.controls import html_block
from workbench.ui.parts import button, empty_state, page_title
from workbench.ui.theme import page_file

LONGEST_TEXT = 20_000
# By whether answers are texts.
SUBTITLES = {
    False: "Same text, same tokens, in every pane",
    True: "Same prompt, same decoding, in every pane",
}
PLACEHOLDERS = {False: "A text for all of them to judge", True: "A prompt for all of them to answer"}
NO_FINISHED = (
    "No run has finished yet. Answers come from trained runs: queue some, or wait for those on Train."
)


def draw() -> dict[str, Any]:
    p: dict[str, Any] = {"drawn": gr.State(""), "answers": gr.State({}), "right": gr.State(())}
    with gr.Row(elem_classes="wb-tab-head"):
        p["head"] = html_block(str(page_title("Inference", SUBTITLES[False])), elem_classes="wb-head-line")
        p["chooser"] = shown.setting_chooser()
    p["empty"] = html_block(
        str(empty_state(NO_FINISHED, button("Go to Methods", "methods", kind="primary", small=False)))
    )
    with gr.Column(visible=False, elem_classes="wb-inference") as p["body"]:
        with gr.Column(elem_classes="wb-card wb-ask"):
            p["text"] = gr.Textbox(
                label="Text", show_label=False, placeholder=PLACEHOLDERS[False], lines=2, max_lines=8,
                max_length=LONGEST_TEXT, container=False, elem_classes="wb-ask-text",
            )  # fmt: skip
            p["examples"] = html_block("")
            with gr.Row(elem_classes="wb-ask-row"):
                p["run"] = gr.Button("Run", variant="primary", elem_classes="wb-ask-run")
                p["stop"] = gr.Button("Stop", visible=False)
                gr.HTML(
                    '<span class="wb-note">Ctrl + Enter</span>', apply_default_css=False, elem_classes="wb-html wb-ask-hint",
                    js_on_load=page_file("ask.js").read_text(encoding="utf-8"),
                )  # fmt: skip
                p["agreement"] = html_block("", elem_classes="wb-agreement")
                p["differences"] = gr.Checkbox(
                    True, label="mark what differs from the base", container=False, visible=False,
                    elem_classes="wb-differences",
                )  # fmt: skip
            with gr.Row(elem_classes="wb-chips-row"):
                p["runs"] = gr.CheckboxGroup(
                    [], label="Runs", show_label=False, container=False, elem_classes="wb-run-chips"
                )
                p["every_seed"] = gr.Checkbox(
                    False, label="every seed", container=False, visible=False, elem_classes="wb-every-seed"
                )
            decoding_form.draw(p)
        p["panes"] = html_block("")
    return p
