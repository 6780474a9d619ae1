"""Where things stand on the Compare tab."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.compare import Comparison
from workbench.ui import (
    advice_card,
    claims_card,
    diff_card,
    example_explorer,
    export_panel,
    inside_panel,
    predicted_plot,
    profile_plot,
    published_card,
    share_card,
    shown,
    study_view,
)
from workbench.ui.advice_card import BY_FAMILY, BY_SCORE, BY_WEIGHTS
from workbench.ui.controls import html_block, segmented
from workbench.ui.parts import button, empty_state, page_title
from workbench.ui.table import sortable_table

TABLE, GRID = "Measured", "Plain grid"
NO_THIRD = "none"
ACROSS = (
    ("memory", "peak_memory_bytes"),
    ("trained", "trainable_parameters"),
    ("latency", "latency_ms_p50"),
    ("time", "train_seconds"),
    ("size", "adapter_bytes"),
)


def draw(sharing: bool = False) -> dict[str, Any]:
    """All parts by name, drawn inside the current tab; those for sharing where there is any."""
    p: dict[str, Any] = {name: gr.State(value) for name, value in _STATES.items()}
    with gr.Row(elem_classes="wb-tab-head"):
        p["head"] = html_block(str(page_title("Compare")), elem_classes="wb-head-line")
        p["chooser"] = shown.setting_chooser()
        with gr.Row(visible=False, elem_classes="wb-downloads") as p["downloads"]:
            p["code"] = gr.Button("Code", size="sm")
            p["csv"] = gr.DownloadButton("CSV", size="sm")
            p["json"] = gr.DownloadButton("JSON", size="sm")
            p["markdown"] = gr.DownloadButton("Markdown", size="sm")
            if sharing:
                share_card.draw_button(p)
            p["report"] = gr.DownloadButton("Report", size="sm", variant="primary")
    with gr.Column(visible=False, elem_classes="wb-card wb-code") as p["code_box"]:
        with gr.Row(elem_classes="wb-card-head"):
            html_block(str(title("Repeat this comparison", "the commands, and the preset they read")))
            p["preset"] = gr.DownloadButton("Preset", size="sm")
        p["code_commands"] = gr.Code("", language="shell", label="Commands", interactive=False)
        p["code_preset"] = gr.Code("", language="yaml", label="Preset", interactive=False)
    if sharing:
        share_card.draw(p)
    p["empty"] = html_block(
        str(empty_state(shown.NO_RUNS, button("Go to Methods", "methods", kind="primary", small=False)))
    )
    with gr.Column(visible=False, elem_classes="wb-compare") as p["body"]:
        with gr.Row(elem_classes="wb-compare-top"):
            p["verdicts"] = html_block("")
            advice_card.draw(p)
        _draw_table(p)
        with gr.Row(elem_classes="wb-compare-plots"):
            _draw_scatter(p)
            _draw_learning(p)
            claims_card.draw(p)
        profile_plot.draw(p)
        study_view.draw(p)
        _draw_sizes(p)
        with gr.Column(elem_classes="wb-card wb-detail-card"):
            with gr.Row(elem_classes="wb-card-head"):
                html_block(str(title("One run in detail", "by label, or by kind of row")))
                p["detail_run"] = gr.Dropdown(
                    [], label="Run", show_label=False, container=False, elem_classes="wb-detail-run"
                )
            p["detail"] = html_block("")
        example_explorer.draw(p)
        inside_panel.draw(p)
        export_panel.draw(p)
        with gr.Row(elem_classes="wb-compare-pair"):
            predicted_plot.draw(p)
            p["facts"] = html_block("")
        diff_card.draw(p)
        published_card.draw(p)
        with (
            gr.Column(elem_classes="wb-card wb-runs-card"),
            gr.Accordion("All runs of this setting", open=False, elem_classes="wb-as-table wb-runs"),
        ):
            p["runs"] = sortable_table([], [])
    return p


_STATES = {
    "drawn": "",
    "every": False,
    "asked": "",
    "code_open": False,
    "columns_open": False,
    "axes_open": False,
}


def _draw_table(p: dict[str, Any]) -> None:
    with gr.Column(elem_classes="wb-card wb-flush wb-comparison"):
        with gr.Row(elem_classes="wb-card-head wb-table-head"):
            p["table_title"] = html_block("")
            p["find"] = gr.Textbox(
                value="", label="Find a method", show_label=False, placeholder="Find a method", container=False,
                max_lines=1, elem_classes="wb-find",
            )  # fmt: skip
            p["order"] = segmented([BY_SCORE, BY_WEIGHTS, BY_FAMILY], BY_SCORE, label="Order of the rows")
            p["kind"] = segmented([TABLE, GRID], TABLE, label="Table as")
            p["choose_columns"] = gr.Button("Columns", size="sm")
        p["columns"] = gr.CheckboxGroup(
            [], label="Columns", show_label=False, container=False, visible=False, elem_classes="wb-columns"
        )
        p["table"] = sortable_table([], [])
        p["grid"] = gr.Dataframe(
            visible=False, interactive=False, wrap=False, show_label=False, show_search="search",
            elem_classes="wb-grid-plain",
        )  # fmt: skip


def _draw_scatter(p: dict[str, Any]) -> None:
    with gr.Column(elem_classes="wb-card"):
        with gr.Row(elem_classes="wb-card-head"):
            html_block(str(title("Score for its price", "line: nobody is better at both")))
            p["choose_axes"] = gr.Button("Axes", size="sm")
        with gr.Row(visible=False, elem_classes="wb-axes") as p["axes"]:
            p["across"] = gr.Dropdown(list(ACROSS), value="peak_memory_bytes", label="Across")
            p["up"] = gr.Dropdown([], label="Up")
            p["third"] = gr.Dropdown([], label="Third: size of the marks")
        p["scatter"] = gr.Plot(show_label=False, container=False, elem_classes="wb-plot")
        with gr.Accordion("Show as table", open=False, elem_classes="wb-as-table"):
            p["scatter_table"] = html_block("")


def _draw_learning(p: dict[str, Any]) -> None:
    with gr.Column(elem_classes="wb-card"):
        with gr.Row(elem_classes="wb-card-head"):
            html_block(str(title("Learning curves", "mean and 95 % band over seeds")))
            p["x"] = segmented(["step", "time", "tokens"], "step", label="Curves by")
        p["learning"] = gr.Plot(show_label=False, container=False, elem_classes="wb-plot")
        with gr.Accordion("Show as table", open=False, elem_classes="wb-as-table"):
            p["learning_table"] = html_block("")


def _draw_sizes(p: dict[str, Any]) -> None:
    """Shown only where there are settings that differ in their number of training rows alone."""
    with gr.Column(visible=False, elem_classes="wb-card") as p["sizes_card"]:
        p["sizes_title"] = html_block("")
        p["sizes"] = gr.Plot(show_label=False, container=False, elem_classes="wb-plot")
        with gr.Accordion("Show as table", open=False, elem_classes="wb-as-table"):
            p["sizes_table"] = html_block("")


def title(words: str, note: str) -> Markup:
    return Markup('<div class="wb-head"><h3>{}</h3><span class="wb-note">{}</span></div>').format(words, note)


def table_title(found: Comparison) -> Markup:
    methods, runs = len(found.rows), len(found.runs)
    rows = max((v.difference.rows for v in found.verdicts), default=0)
    on = f" on {rows:,} test rows that no choice has seen" if rows else ""
    note = f"{methods} method{'s' * (methods != 1)}, {runs} run{'s' * (runs != 1)}, one setting. Scores{on}"
    return Markup('<div class="wb-head"><h2>Comparison</h2><span class="wb-note">{}</span></div>').format(
        note
    )
