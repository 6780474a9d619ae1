"""Draws a study on the Compare tab: the table over hops or sources, and one score from hop to hop."""

from __future__ import annotations

from typing import Any

import gradio as gr
import plotly.graph_objects as go
from markupsafe import Markup

from workbench.families import family
from workbench.metric import metric
from workbench.statistics import Interval
from workbench.store import Store
from workbench.study import SOURCES, of_setting
from workbench.study_report import ACROSS, EXTRA, extra, figure, head
from workbench.study_table import Column, StudyRow, StudyTable, lines, table
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors, setting_of
from workbench.ui.controls import html_block, segmented
from workbench.ui.frame import model_title
from workbench.ui.parts import term
from workbench.ui.plots import curve_figure
from workbench.ui.shown import in_sentence

PARTS = ("study_card", "study_title", "study_column", "study", "study_table")
TERMS = {
    "backward_transfer": "How much the scores on the tasks of earlier hops have changed since each was learnt, on average"
    " over these tasks. Below zero: something was forgotten.",
    "general_perplexity": "How surprised the model is by each token of a fixed general text: what it still knows of ordinary"
    " language.",
    "forgetting": "How much worse that general text is told than by the model that the chain began with, in nats per token:"
    " 0.69 is as if it had to choose between twice as many tokens.",
}


def draw(p: dict[str, Any]) -> None:
    """Shown only where the setting on show belongs to a chain, or is a mix of data sets."""
    with gr.Column(visible=False, elem_classes="wb-card wb-study") as p["study_card"]:
        with gr.Row(elem_classes="wb-card-head"):
            p["study_title"] = html_block("")
            p["study_column"] = segmented([], label="Score")
        p["study"] = gr.Plot(show_label=False, container=False, elem_classes="wb-plot")
        p["study_table"] = html_block("")


def wire(context: PageContext, p: dict[str, Any]) -> None:
    """The card follows the tab: it is drawn anew when the tab was, and when another score is picked."""

    @say_errors
    def refresh_study(setting_id: str | None, chosen: str | None, request: gr.Request) -> list[Any]:
        owner = owner_of(request)
        drawn = card(context.store, setting_of(context, setting_id, owner), owner, chosen)
        return [drawn[name] for name in PARTS]

    @say_errors
    def redraw_study(setting_id: str | None, chosen: str | None, request: gr.Request) -> Any:
        owner = owner_of(request)
        found = _table(context.store, setting_of(context, setting_id, owner), owner)
        return hop_plot(found, chosen) if found else None

    inputs = [context.setting_id, p["study_column"]]
    p["drawn"].change(refresh_study, inputs, [p[name] for name in PARTS], **QUIET)
    p["study_column"].input(redraw_study, inputs, p["study"], **QUIET)


def card(store: Store, setting_id: str | None, owner: str | None, chosen: str | None) -> dict[str, Any]:
    """What the card shows for this setting; `chosen` is the column that the reader picked."""
    found = _table(store, setting_id, owner)
    if found is None:
        return {
            "study_card": gr.update(visible=False),
            "study_title": "",
            "study_column": gr.update(visible=False),
            "study": None,
            "study_table": "",
        }
    choices = column_choices(found)
    keys = [key for _, key in choices]
    kept = chosen if chosen in keys else next(iter(keys), None)
    drawn = hop_plot(found, kept) if found.study.kind != SOURCES else None
    return {
        "study_card": gr.update(visible=True),
        "study_title": str(card_title(found)),
        "study_column": gr.update(
            choices=choices, value=kept, visible=drawn is not None and len(choices) > 1
        ),
        "study": gr.update(value=drawn, visible=drawn is not None),
        "study_table": str(study_rows(found)),
    }


def _table(store: Store, setting_id: str | None, owner: str | None) -> StudyTable | None:
    study = of_setting(store, setting_id, owner) if setting_id else None
    return table(store, study) if study else None


def signature(store: Store, setting_id: str | None, owner: str | None) -> str:
    """Changes when a run of the study comes, goes or changes its state."""
    study = of_setting(store, setting_id, owner) if setting_id else None
    if study is None or study.run_ids is None:
        return ""
    return f"{study.id} " + " ".join(f"{run.state}{run.attempt}" for run in store.runs(ids=study.run_ids))


def column_choices(found: StudyTable) -> list[tuple[str, str]]:
    several = len({column.metric for column in found.columns}) > 1
    return [(head(column, several), _key(column)) for column in found.columns]


def card_title(found: StudyTable) -> Markup:
    """The study's name, and one sentence on how it came about."""
    return Markup('<div class="wb-head"><h3>{}</h3><span class="wb-note">{}</span></div>').format(
        "Scores by source" if found.study.kind == SOURCES else found.study.title, summary(found)
    )


def summary(found: StudyTable) -> str:
    seeds = f"mean of {found.seeds} seeds" if found.seeds > 1 else "one seed each"
    names = {column.metric for column in found.columns}
    scores = f"{in_sentence(names.pop())} on" if len(names) == 1 else "scores on"
    if found.study.kind == SOURCES:
        return f"{scores} the test rows of each data set of the mix by themselves; {seeds}"
    hops = len({row.hop for row in found.rows})
    return f"{hops} hops, each on what an earlier one made or on the model; {scores} the test rows of each; {seeds}"


def hop_plot(found: StudyTable, key: str | None) -> go.Figure | None:
    """One score after each hop, a line for each way through the chain."""
    column = next((one for one in found.columns if _key(one) == key), None)
    drawn = lines(found, column) if column else []
    if column is None or not drawn:
        return None
    share = metric(column.metric).format == "share"
    words = f"{column.title}: {in_sentence(column.metric)}"
    plot = curve_figure(drawn, title=words, x_title="after hop", share=share, from_zero=False)
    first, last = min(line.x[0] for line in drawn), max(line.x[-1] for line in drawn)
    numbers = range(int(first), int(last) + 1)
    plot.update_xaxes(
        range=[first - 0.15, last + 0.05],
        tickmode="array",
        tickvals=list(numbers),
        ticktext=["start" if number == 0 else str(number) for number in numbers],
    )
    scale = 100.0 if share else 1.0
    for line in drawn:  # a mark at every hop: lines of two points alone say little of where they are
        plot.add_scatter(
            x=line.x, y=[y * scale for y in line.y], mode="markers", hoverinfo="skip", cliponaxis=False,
            marker={"size": 6, "color": family(line.family).light},
        )  # fmt: skip
    return plot


def study_rows(found: StudyTable) -> Markup:
    """The table, what its words mean, and what may be concluded."""
    several = len({column.metric for column in found.columns}) > 1
    measured = [name for name in EXTRA if any(getattr(row, name) is not None for row in found.rows)]
    chain = found.study.kind != SOURCES
    heads: list[str] = ["Method", *(["Hop", "Goes on from row"] if chain else [])]
    numbers: list[str | Markup] = [head(column, several) for column in found.columns]
    numbers += [term(EXTRA[name], TERMS[name]) for name in measured]
    body = [_row(number, row, found, measured, chain) for number, row in enumerate(found.rows, 1)]
    if chain and (found.start or found.start_general is not None):
        body.insert(0, _start_row(found, measured))
    notes = [*found.notes, *([CHANGES, ACROSS] if chain else [])]
    return Markup(
        '<div class="wb-scroll"><table class="wb-plain"><caption class="wb-hidden">{}</caption><thead><tr>{}{}</tr></thead>'
        "<tbody>{}</tbody></table></div>{}"
    ).format(
        f"{found.study.title}: scores of each method",
        Markup("").join(Markup('<th scope="col">{}</th>').format(text) for text in heads),
        Markup("").join(Markup('<th scope="col" class="wb-num">{}</th>').format(text) for text in numbers),
        Markup("").join(body),
        Markup("").join(Markup('<p class="wb-note">{}</p>').format(note) for note in notes),
    )


CHANGES = "In brackets: the change since the hop that learnt that data."


def _row(number: int, row: StudyRow, found: StudyTable, measured: list[str], chain: bool) -> Markup:
    ended = ", ".join(f"{count} {state}" for state, count in row.states.items() if state != "finished")
    name = f"{number} {row.label}" if chain else row.label
    label = Markup('{} <span class="wb-note">{}</span>').format(name, ended) if ended else name
    words = [f"{row.hop + 1} {row.hop_title}", model_title(row.base)] if chain else []
    cells = [_cell(row, one) for one in found.columns] + [extra(row, name) for name in measured]
    return _line(label, words, cells)


def _start_row(found: StudyTable, measured: list[str]) -> Markup:
    cells = []
    for one in found.columns:
        value = found.start.get((one.key, one.metric))
        cells.append("" if value is None else figure(Interval(value, None, None, 1), metric(one.metric)))
    general = "" if found.start_general is None else f"{found.start_general:.3f}"
    return _line(
        "Before training",
        ["start", ""],
        [*cells, *(general if n == "general_perplexity" else "" for n in measured)],
    )


def _cell(row: StudyRow, column: Column) -> str:
    place = (column.key, column.metric)
    text = figure(row.cells.get(place), metric(column.metric))
    change = row.changes.get(place)
    return text + (f" ({figure(change, metric(column.metric), '+')})" if change is not None else "")


def _line(label: str | Markup, words: list[str], cells: list[str]) -> Markup:
    return Markup('<tr><th scope="row">{}</th>{}{}</tr>').format(
        label,
        Markup("").join(Markup("<td>{}</td>").format(word) for word in words),
        Markup("").join(Markup('<td class="wb-num">{}</td>').format(cell) for cell in cells),
    )


def _key(column: Column) -> str:
    return f"{column.key} {column.metric}"
