"""The scatter, the learning curves and the curve over data sizes of the Compare tab: figures with their tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import gradio as gr

from workbench import learning_curve
from workbench.compare import Comparison
from workbench.curves import XAxis, scatter_points, seed_lines
from workbench.metric import metric
from workbench.store import Store
from workbench.ui import shown
from workbench.ui.compare_layout import ACROSS, NO_THIRD, title
from workbench.ui.curve_table import learning_table, scatter_table
from workbench.ui.learning_curve_plot import curve_plot, curve_rows, summary
from workbench.ui.plots import curve_figure
from workbench.ui.scatter_plot import scatter_figure

AXIS_WORDS: dict[XAxis, tuple[str, str]] = {
    "step": ("training step", "step"),
    "time": ("seconds of training", "second"),
    "tokens": ("tokens seen", "token"),
}


def axis_choices(found: Comparison) -> list[tuple[str, str]]:
    """Every column that can be an axis: it was measured, above zero, and not alike everywhere."""
    present: dict[str, set[float]] = {}
    for row in found.rows:
        for name, cell in row.cells.items():
            present.setdefault(name, set()).add(cell.mean)
    usual = [name for _, name in ACROSS]
    names = sorted(present, key=lambda name: usual.index(name) if name in usual else len(usual))
    return [(metric(name).title, name) for name in names if min(present[name]) > 0]


def offered_axes(found: Comparison, across: str, up: str | None, third: str | None) -> list[Any]:
    """The three lists with what the reader chose, as far as it still exists. What is chosen always stands in its list,
    before anything is measured too: Gradio refuses every later event of a list that lacks its own value."""
    choices = axis_choices(found) or [(metric(across).title, across)]
    known = [name for _, name in choices]
    across = across if across in known else next(iter(known), across)
    up = up if up in known else found.metric
    kept = third if third in known else NO_THIRD
    ups = choices if found.metric in known else [(metric(found.metric).title, found.metric), *choices]
    return [
        gr.update(choices=choices, value=across),
        gr.update(choices=ups, value=up),
        gr.update(choices=[("none", NO_THIRD), *choices], value=kept),
    ]


def draw_scatter(
    found: Comparison, across: str, up: str | None = None, third: str | None = None
) -> tuple[Any, str]:
    """The figure and its table; the reference stands in it where the score of the table goes up."""
    score = up or found.metric
    third = None if third in (None, "", NO_THIRD, across, score) else third
    points = scatter_points(found, across, score, third)
    row = shown.yardstick_of(found)
    mean = row.mean(score) if row else None
    reference = None if row is None or mean is None else (shown.yardstick_words(row), mean)
    figure = scatter_figure(points, across, score, reference=reference, third=third)
    return figure, str(scatter_table(points, across, score, third))


def draw_learning(store: Store, found: Comparison, x: XAxis) -> tuple[Any, str]:
    """Validation scores on the way, by step, time or tokens."""
    score = shown.chosen_by(found.setting)
    lines = seed_lines(store, found.runs, score, x=x)
    words, each = AXIS_WORDS[x]
    share = shown.is_share(score)
    figure = curve_figure(
        lines, title=f"Validation {shown.in_sentence(score)}", x_title=words, share=share, from_zero=False
    )
    return figure, str(learning_table(lines, each, score))


def draw_sizes(store: Store, setting_ids: Sequence[str], owner: str | None) -> dict[str, Any]:
    """The learning curve over settings with other numbers of training rows; hidden where there are none."""
    if not setting_ids:
        return {"sizes_card": gr.update(visible=False), "sizes_title": "", "sizes": None, "sizes_table": ""}
    curve = learning_curve.points(
        store, setting_ids, compare=lambda one: cast(Comparison, shown.compared(store, one, owner))
    )
    return {
        "sizes_card": gr.update(visible=True),
        "sizes_title": str(title("Learning curve by training rows", summary(curve))),
        "sizes": curve_plot(curve),
        "sizes_table": str(curve_rows(curve)),
    }
