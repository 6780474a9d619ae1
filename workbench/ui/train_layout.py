"""Where things stand on the Train tab."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.ui import shown
from workbench.ui.controls import html_block, segmented
from workbench.ui.parts import button, empty_state, page_title

CLOSING = "You may close this page. Runs go on in their own processes and are here when you come back."


def draw() -> dict[str, Any]:
    """All parts by name, drawn inside the current tab."""
    p: dict[str, Any] = {"drawn": gr.State("")}
    with gr.Row(elem_classes="wb-tab-head"):
        p["head"] = html_block(str(page_title("Train")), elem_classes="wb-head-line")
        p["chooser"] = shown.setting_chooser()
        p["pause"] = gr.Button("Pause after these", visible=False)
        p["cancel_all"] = gr.Button("Cancel all", visible=False)
    with gr.Row(visible=False, elem_classes="wb-confirm") as p["confirm"]:
        p["confirm_words"] = html_block("")
        p["confirm_yes"] = gr.Button("Cancel them", variant="stop")
        p["confirm_no"] = gr.Button("Keep them")
    p["empty"] = html_block(str(_nothing_yet()))
    with gr.Row(visible=False, elem_classes="wb-train-grid") as p["body"]:
        with gr.Column(elem_classes="wb-train-left"):
            p["running"] = html_block("")
            p["queue"] = html_block("")
        with gr.Column(elem_classes="wb-train-right"):
            p["failures"] = html_block("")
            with gr.Column(elem_classes="wb-card wb-curves"):
                with gr.Row(elem_classes="wb-card-head"):
                    html_block(
                        str(
                            _card_title("Live curves", "first finished seed of each method, thick where live")
                        )
                    )
                    p["validation"] = segmented([], label="Validation score", visible=False)
                    p["x"] = segmented(["step", "time"], "step", label="Curves by")
                    p["smoothing"] = gr.Slider(
                        0,
                        0.95,
                        0.6,
                        step=0.05,
                        label="smooth",
                        elem_classes="wb-smooth",
                        buttons=[],
                        container=False,
                    )
                with gr.Row(elem_classes="wb-plots"):
                    p["loss_plot"] = gr.Plot(show_label=False, container=False, elem_classes="wb-plot")
                    p["score_plot"] = gr.Plot(show_label=False, container=False, elem_classes="wb-plot")
                with gr.Accordion("Show as table", open=False, elem_classes="wb-as-table"):
                    p["curve_table"] = html_block("")
            with gr.Row(elem_classes="wb-train-foot"):
                p["machine"] = html_block("")
                p["events"] = html_block("")
                with gr.Column(elem_classes="wb-card wb-log-card"):
                    with gr.Row(elem_classes="wb-card-head"):
                        html_block(str(_card_title("Log", "")))
                        p["log_run"] = gr.Dropdown(
                            [], label="Run", show_label=False, container=False, elem_classes="wb-log-run"
                        )
                    with gr.Row(elem_classes="wb-card-head wb-log-controls"):
                        p["log_source"] = segmented(
                            [("Steps", "steps"), ("Output", "output")], "steps", label="What to show"
                        )
                        p["follow"] = gr.Checkbox(True, label="follow", container=False, min_width=80)
                    p["log"] = html_block("")
    p["closing"] = html_block(f'<p class="wb-note">{CLOSING}</p>')
    return p


def train_title(progress: Markup) -> Markup:
    return Markup('<div class="wb-title"><h1>Train</h1>{}</div>').format(progress)


def _card_title(title: str, note: str) -> Markup:
    return Markup('<div class="wb-head"><h3>{}</h3><span class="wb-note">{}</span></div>').format(title, note)


def _nothing_yet() -> Markup:
    return empty_state(shown.NO_RUNS, button("Go to Methods", "methods", kind="primary", small=False))
