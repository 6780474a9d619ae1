"""Rows of a method's deployed forms under its own in the comparison table: score, drift, latency and size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from workbench.deployed_forms import DeployedForm
from workbench.deployed_record import change
from workbench.ui.parts import format_score, format_value, plus_minus
from workbench.ui.shown import is_share, plain_figure
from workbench.ui.table import Cell, Column, Row

EXPLAINED = (
    "Indented: the same runs in the forms that they can be deployed in, loaded back with public libraries. Their drift is the"
    " mean change of a test row's mark, their time that of one answer against the run as trained, measured in turn."
)


def with_forms(
    rows: Sequence[Row], forms: Mapping[str, Sequence[DeployedForm]], columns: Sequence[Column], score: str
) -> list[Row]:
    """The rows, each followed by those of its deployed forms. `columns` begin with the name and the score."""
    found = []
    for row in rows:
        found.append(row)
        if row.kind in ("run", "chosen"):
            found += [_row(row, form, columns, score) for form in forms.get(row.key, ())]
    return found


def _row(parent: Row, form: DeployedForm, columns: Sequence[Column], score: str) -> Row:
    seeds = f"{form.runs} seeds" if form.runs > 1 else "one seed"
    name = Markup(
        '<span class="wb-name wb-form-name"><span class="wb-cut" title="{0} of {1}, {2}">{0}</span></span>'
    ).format(form.title, parent.cells["name"].value, seeds)
    shown = format_score(form.score) if is_share(score) else plain_figure(form.score, score)
    return Row(
        f"{parent.key} {form.form}",
        {
            "name": Cell(name, form.title),
            columns[1].key: Cell(plus_minus(shown, None), form.score),
            columns[2].key: Cell(_told(form, score), span=len(columns) - 2),
        },
        "form",
        parent.family,
    )


def _told(form: DeployedForm, score: str) -> Markup:
    parts: list[str] = []
    if form.drift is not None:
        words = change(form.drift, score)
        if form.drift_low is not None and form.drift_high is not None:
            words += f" ({change(form.drift_low, score)} to {change(form.drift_high, score)})"
        parts.append(f"drift {words}")
    if form.latency_ratio is not None:
        latency = format_value(form.latency_ms_p50, "ms")
        parts.append(f"{latency}, {form.latency_ratio:.2f} × as trained")
    if form.bytes is not None:
        parts.append(format_value(form.bytes, "bytes"))
    return Markup('<span class="wb-form-told">{}</span>').format(
        Markup("").join(Markup("<span>{}</span>").format(part) for part in parts)
    )
