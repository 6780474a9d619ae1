"""All runs of a setting: state, seed, score, reason; ended ones can be deleted, active ones cancelled."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from markupsafe import Markup

from workbench.curves import family_of
from workbench.result import FINAL_STATES, Run
from workbench.ui.parts import badge, button, chip, format_seconds, join
from workbench.ui.parts.frame import BadgeKind
from workbench.ui.queue_matrix import STATE_WORDS
from workbench.ui.shown import head_of, judged_by, plain_figure, score_of
from workbench.ui.table import Cell, Column, Row, table_html

_KINDS: dict[str, BadgeKind] = {"finished": "ok", "failed": "fail", "lost": "fail", "cancelled": "warn"}


def run_list(runs: Sequence[Run], score: str, *, asked: str = "", resumable: Collection[str] = ()) -> Markup:
    """The table; `asked` is the run for which deleting waits for a second click."""
    columns = [
        Column("name", "Method", first="ascending", row_header=True),
        Column("seed", "Seed", numeric=True, first="ascending"),
        Column("state", "State", first="ascending"),
        Column("score", head_of(score), numeric=True),
        Column("steps", "Steps", numeric=True, narrow=0),
        Column("time", "Training", numeric=True, first="ascending"),
        Column("note", "What was said", sortable=False, narrow=3),
        Column("do", Markup('<span class="wb-hidden">Actions</span>'), sortable=False, narrow=3),
    ]
    return table_html(
        columns, [_row(run, asked == run.id, run.id in resumable) for run in runs], ranked=False
    )


def _row(run: Run, asked: bool, resumable: bool) -> Row:
    family = family_of(run.spec.choice.method)
    score = score_of(run)
    seconds = run.result.train_seconds if run.result else run.seconds
    name = Markup('<span class="wb-name"><span class="wb-cut" title="{0}">{0}</span>{1}</span>').format(
        run.label, chip(family)
    )
    step = (
        f"{run.step:,}" + (f" of {run.steps:,}" if run.steps and run.step != run.steps else "")
        if run.step
        else ""
    )
    return Row(
        run.id,
        {
            "name": Cell(name, run.label),
            "seed": Cell(str(run.spec.seed), run.spec.seed),
            "state": Cell(badge(_KINDS.get(run.state, "busy"), STATE_WORDS[run.state]), run.state),
            "score": Cell(plain_figure(score, judged_by(run.spec.setting)), score),
            "steps": Cell(step, run.step or None),
            "time": Cell(format_seconds(seconds), seconds),
            "note": Cell(Markup('<span class="wb-why-failed">{}</span>').format(_note(run))),
            "do": Cell(_buttons(run, asked, resumable)),
        },
        "run",
        family,
    )


def _note(run: Run) -> str:
    said = [run.name] if run.name else []
    if run.retry_of:
        said.append(f"tries {run.retry_of[:6]} again")
    if run.attempt > 1:
        said.append(f"attempt {run.attempt}")
    if run.reason:
        said.append(run.reason.message)
    elif run.result and run.result.notes:
        said += run.result.notes
    return "; ".join(said)


def _buttons(run: Run, asked: bool, resumable: bool) -> Markup:
    who = Markup('<span class="wb-hidden"> {} seed {}</span>').format(run.label, run.spec.seed)
    if run.state not in FINAL_STATES:
        stop = "Cancelling" if run.cancel_requested else Markup("Cancel{}").format(who)
        return button(stop, "cancel", run.id, disabled=run.cancel_requested)
    if not asked:
        found = [button(Markup("Resume{}").format(who), "resume", run.id)] if resumable else []
        if run.state != "finished":
            found.append(button(Markup("Try again{}").format(who), "retry", run.id))
        return join(
            *found, button(Markup("Delete{}").format(who), "delete", run.id, kind="quiet"), between=" "
        )
    return Markup(
        '<span class="wb-row wb-asked"><span class="wb-small">Delete it with its files?</span>{}</span>'
    ).format(
        join(
            button(Markup("Delete{}").format(who), "delete_now", run.id),
            button("Keep", "keep", run.id, kind="quiet"),
        )
    )
