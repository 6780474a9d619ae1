"""Pieces of the page as HTML: pure functions of plain values.

Every function returns `Markup`. Text arguments are escaped; only a value that is already `Markup` is kept as HTML,
so pieces nest and a `<script>` in somebody's file name stays text. None means "not measured" and draws nothing.
"""

from workbench.ui.parts.bars import (
    bar,
    histogram,
    label_balance,
    probability_bars,
    progress_bar,
    split_bar,
)
from workbench.ui.parts.frame import (
    badge,
    button,
    card,
    chip,
    empty_state,
    fact_list,
    header,
    icon,
    join,
    marker,
    notice,
    number,
    page_title,
    plus_minus,
    term,
)
from workbench.ui.parts.numbers import (
    format_bytes,
    format_count,
    format_milliseconds,
    format_points,
    format_score,
    format_seconds,
    format_share,
    format_time_left,
)
from workbench.ui.parts.whiskers import difference, scale_axis, whisker

__all__ = [
    "badge",
    "bar",
    "button",
    "card",
    "chip",
    "difference",
    "empty_state",
    "fact_list",
    "format_bytes",
    "format_count",
    "format_milliseconds",
    "format_points",
    "format_score",
    "format_seconds",
    "format_share",
    "format_time_left",
    "header",
    "histogram",
    "icon",
    "join",
    "label_balance",
    "marker",
    "notice",
    "number",
    "page_title",
    "plus_minus",
    "probability_bars",
    "progress_bar",
    "scale_axis",
    "split_bar",
    "term",
    "whisker",
]
