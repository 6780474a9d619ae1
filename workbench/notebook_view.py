"""How a comparison looks in a notebook: Plotly figures with whatever style the notebook has, and the table as rich HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from workbench import registry
from workbench.compare import Comparison
from workbench.curves import scatter_points, seed_lines
from workbench.families import family
from workbench.metric import metric
from workbench.report import cell_text, printed_columns, row_name
from workbench.store import Store

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_VERDICTS = 6
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_STYLE = (
    ".wbn table{border-collapse:collapse;font-variant-numeric:tabular-nums}.wbn th,.wbn td{padding:3px 9px;text-align:right;"
    "border-bottom:1px solid rgba(128,128,128,.3)}.wbn th:first-child{text-align:left}.wbn small{opacity:.7}"
)


def scatter(found: Comparison, across: str, score: str | None = None) -> go.Figure:
    """Score against a cost on a log axis, by the points that the page draws."""
    import plotly.graph_objects as go

    known = {name for row in found.rows for name in row.cells}
    score = score or found.metric
    for name in (across, score):
        if name not in known:
            raise ValueError(f"{name!r} was not measured here; known: {', '.join(sorted(known))}")
    points = scatter_points(found, across, score)
    times = _times(score)
    figure = go.Figure()
    front = sorted((p for p in points if p.on_front), key=lambda p: p.x)
    figure.add_scatter(
        x=[p.x for p in front], y=[times * p.y for p in front], mode="lines", line={"shape": "hv", "color": "#808890", "width": 1},
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    for p in points:
        error: dict[str, Any] | None = None
        if p.low is not None and p.high is not None:
            error = {"array": [times * (p.high - p.y)], "arrayminus": [times * (p.y - p.low)], "width": 0}
        figure.add_scatter(
            x=[p.x], y=[times * p.y], error_y=error, mode="markers+text", name=p.label, text=[p.label],
            textposition="middle right", showlegend=False,
            marker={"symbol": family(p.family).symbol, "size": 11, "color": family(p.family).light},
        )  # fmt: skip
    figure.update_xaxes(type="log", title_text=f"{metric(across).title.lower()} (log)")
    figure.update_yaxes(title_text=_title(score))
    return figure.update_layout(height=420, margin={"l": 60, "r": 90, "t": 20, "b": 50})


def learning(store: Store, found: Comparison, score: str | None = None) -> go.Figure:
    """A line for each method: the mean over seeds, with a band where there are three or more."""
    import plotly.graph_objects as go

    task = registry.task(found.setting.task)
    score = score or task.chosen_by(task.options.from_dict(found.setting.task_options))
    times = _times(score)
    figure = go.Figure()
    for line in seed_lines(store, found.runs, score):
        colour = family(line.family).light
        if line.low and line.seeds > 2:
            red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
            figure.add_scatter(
                x=[*line.x, *reversed(line.x)], y=[times * v for v in (*line.high, *reversed(line.low))], fill="toself",
                fillcolor=f"rgba({red},{green},{blue},.13)", line={"width": 0}, hoverinfo="skip", showlegend=False,
            )  # fmt: skip
        figure.add_scatter(
            x=line.x, y=[times * v for v in line.y], mode="lines", name=line.label,
            line={"color": colour, "dash": DASHES[line.place % len(DASHES)]},
        )  # fmt: skip
    figure.update_xaxes(title_text="training step")
    figure.update_yaxes(title_text=f"validation {_title(score)}")
    return figure.update_layout(height=420, margin={"l": 60, "r": 20, "t": 20, "b": 50})


def to_html(found: Comparison) -> str:
    """Verdicts and the table; names given by people stay text."""
    names = printed_columns(found)
    head = Markup("").join(
        Markup('<th title="{}">{}</th>').format(metric(name).help, metric(name).title) for name in names
    )
    body = Markup("").join(
        Markup("<tr><th>{}</th>{}<td>{}</td></tr>").format(
            row_name(row),
            Markup("").join(
                Markup("<td>{}</td>").format(cell_text(row.cells.get(name), metric(name))) for name in names
            ),
            row.letters,
        )
        for row in (*found.rows, *found.references)
    )
    said = Markup("").join(
        Markup("<li>{} <small>{}</small></li>").format(one.sentence, one.detail)
        for one in found.verdicts[:MOST_VERDICTS]
    )
    setting = found.setting
    return str(
        Markup(
            '<div class="wbn"><style>{}</style><p><small>{} / {} / setting {}</small></p><ul>{}</ul>'
            "<table><thead><tr><th>Method</th>{}<th>Group</th></tr></thead><tbody>{}</tbody></table></div>"
        ).format(Markup(_STYLE), setting.data.source, setting.model, setting.id, said, head, body)
    )


def _times(score: str) -> float:
    return 100.0 if metric(score).format == "share" else 1.0


def _title(score: str) -> str:
    return metric(score).title + (", %" if metric(score).format == "share" else "")
