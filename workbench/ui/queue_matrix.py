"""The queue as HTML: how far it is, the runs at work, and methods by seeds, each cell with an icon and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from markupsafe import Markup

from workbench.curves import family_of
from workbench.families import family as find_family
from workbench.queue_state import MatrixRow, QueueState, matrix, run_share
from workbench.result import Run
from workbench.stage_progress import Doing
from workbench.ui.parts import button, format_time_left, icon, marker, progress_bar
from workbench.ui.shown import head_of, in_sentence, in_words, judged_by, plain_figure, score_of
from workbench.ui.stage_view import stage_bar

STATE_WORDS = {
    "queued": "waiting",
    "starting": "starting",
    "running": "running",
    "finished": "finished",
    "failed": "failed",
    "cancelled": "cancelled",
    "lost": "lost",
}
_LEGEND = ("finished", "running", "queued", "failed", "cancelled")


def progress_line(state: QueueState, *, paused: bool = False) -> Markup:
    """The bar beside the tab's title: done, failed of these, time left."""
    if not state.total:
        return Markup("")
    failed = state.failed / state.total
    words = Markup("<b>{} of {}</b> <span class='wb-muted'>done{}{}</span>").format(
        state.done,
        state.total,
        f", {state.failed} of them failed" if state.failed else "",
        f", {state.cancelled} cancelled" if state.cancelled else "",
    )
    time = Markup("")
    if paused and state.waiting and not state.running:
        time = Markup("<span class='wb-muted'>·</span><span>paused</span>")
    elif state.active and (left := format_time_left(state.seconds_left)):
        time = Markup(
            "<span class='wb-muted'>·</span><span><b>{}</b> <span class='wb-muted'>left</span></span>"
        ).format(left.removesuffix(" left"))
    bar = progress_bar(
        state.share, label=f"{state.done} of {state.total} runs done", failed=min(failed, state.share)
    )
    return Markup('<div class="wb-queue-progress">{}<span>{}</span>{}</div>').format(bar, words, time)


def running_cards(
    runs: Sequence[Run], *, slots: int, threads: int | None, doing: Mapping[str, Doing] | None = None
) -> Markup:
    """One card for each run at work, with its own Cancel. `doing` says more of some of them, by their ids."""
    active = [run for run in runs if run.state in ("running", "starting")]
    waiting = sum(run.state == "queued" for run in runs)
    note = f"{slots} at a time" + (f", {threads} thread{'s' * (threads != 1)} each" if threads else "")
    if active:
        body = Markup("").join(_running_card(run, (doing or {}).get(run.id)) for run in active)
    elif waiting:
        body = Markup('<p class="wb-two">Nothing runs at this moment; {} {} for its turn.</p>').format(
            waiting, "run waits" if waiting == 1 else "runs wait"
        )
    else:
        body = Markup('<p class="wb-two">Nothing is running. All runs of this setting have ended.</p>')
    return Markup(
        '<section class="wb-card"><div class="wb-head"><h3>Running now</h3><span class="wb-note">{}</span></div>'
        '<div class="wb-stack">{}</div></section>'
    ).format(note if active else "", body)


def _running_card(run: Run, doing: Doing | None = None) -> Markup:
    family = family_of(run.spec.choice.method)
    staged = doing is not None and bool(doing.parts)
    seconds = doing.stage_seconds_left if doing is not None and staged else run.seconds_left
    left = format_time_left(seconds)
    when = (
        Markup("<b>{}</b> <span class='wb-unit'>{}</span>").format(
            left.removesuffix(" left"), "left in this stage" if staged else "left"
        )
        if left
        else ""
    )
    step = f"step {run.step:,}" + (f" of {run.steps:,}" if run.steps else "") if run.step else "starting"
    share = run_share(run)
    if doing is not None:
        step, share = doing.words, doing.share
    spoken = f"{run.label} seed {run.spec.seed}: {step}"
    drawn = (
        stage_bar(doing.parts, family, spoken)
        if doing is not None and staged
        else progress_bar(share, family, label=spoken)
    )
    pace = f"{_rows_per_second(run):.0f} samples/s" if _rows_per_second(run) else ""
    loss = f"loss {run.loss:.2f}" if run.loss is not None else ""
    stop = button("Cancelling", "none", run.id, disabled=True)
    if not run.cancel_requested:
        stop = button(
            Markup('Cancel<span class="wb-hidden"> {} seed {}</span>').format(run.label, run.spec.seed),
            "cancel",
            run.id,
        )
    return Markup(
        '<div class="wb-run" data-run="{id}"><div class="wb-row">{mark}<span class="wb-strong wb-cut">{label}</span>'
        '<span class="wb-muted wb-small">seed {seed}</span><span class="wb-space"></span>'
        '<span class="wb-small">{when}</span>{stop}</div>{bar}'
        '<div class="wb-row wb-small wb-muted"><span>{step}</span><span class="wb-space"></span><span>{figures}</span></div></div>'
    ).format(
        id=run.id,
        mark=marker(family, 13),
        label=run.label,
        seed=run.spec.seed,
        when=when,
        stop=stop,
        bar=drawn,
        step=step,
        figures=", ".join(part for part in (loss, pace) if part),
    )


def _rows_per_second(run: Run) -> float | None:
    """Rows trained on per second so far, from steps and batch size."""
    if not run.step or not run.seconds:
        return None
    setting = run.spec.setting
    return run.step * setting.batch_size * setting.gradient_accumulation / run.seconds


def queue_table(runs: Sequence[Run]) -> Markup:
    """Methods down, seeds across, the mean test score of the finished ones behind. Below it what the marks mean."""
    seeds, rows = matrix(runs)
    score = judged_by(runs[0].spec.setting) if any(run.result for run in runs) else ""
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(seed) for seed in seeds)
    body = Markup("").join(_matrix_row(row, score) for row in rows)
    present = {run.state for run in runs}
    legend = Markup("").join(
        Markup("<span>{}{}</span>").format(_mark(state, None), STATE_WORDS[state])
        for state in _LEGEND
        if state in present or (state == "running" and "starting" in present)
    )
    count = f"{len(rows)} method{'s' * (len(rows) != 1)}, {_seed_words(seeds)}"
    if score:
        head += Markup('<th scope="col" class="wb-num">{}</th>').format(head_of(score))
    return Markup(
        '<section class="wb-card"><div class="wb-head"><h3>Queue</h3><span class="wb-note">{}</span></div>'
        '<div class="wb-scroll"><table class="wb-matrix"><thead><tr><th scope="col"><span class="wb-hidden">Method</span></th>{}'
        '<th scope="col"><span class="wb-hidden">Finished</span></th></tr></thead><tbody>{}</tbody></table></div>'
        '<div class="wb-legend" aria-hidden="true">{}</div></section>'
    ).format(count, head, body, legend)


def _seed_words(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"{len(seeds)} seeds"


def _matrix_row(row: MatrixRow, score: str) -> Markup:
    family = family_of(row.method)
    queued = sum(run is not None for run in row.cells)
    failed = row.count("failed", "lost")
    count = (
        Markup('<span class="wb-bad">{} failed</span>').format(failed)
        if failed
        else f"{row.count('finished')} of {queued}"
    )
    cells = Markup("").join(
        Markup("<td>{}</td>").format(
            _mark(run.state, run) if run else Markup('<span class="wb-hidden">not queued</span>')
        )
        for run in row.cells
    )
    if score:
        reached = [value for run in row.cells if run and (value := score_of(run)) is not None]
        mean = plain_figure(fmean(reached), score) if reached else ""
        words = f"mean of {len(reached)} finished seed{'s' * (len(reached) != 1)}, test part"
        cells += Markup('<td class="wb-num"{}>{}</td>').format(
            Markup(' title="{}"').format(words) if reached else "", mean
        )
    return Markup(
        '<tr class="{}"><th scope="row"><span class="wb-row">{}<span class="wb-cut" title="{}">{}</span></span></th>{}'
        '<td class="wb-num wb-muted">{}</td></tr>'
    ).format(find_family(family).css_class, marker(family, 11), row.label, row.label, cells, count)


def _mark(state: str, run: Run | None) -> Markup:
    """One cell: the icon, and the words for those who do not see it."""
    share = (run_share(run) if run else 0.62) or 0.0
    words = STATE_WORDS[state]
    if state in ("running", "starting") and run and run_share(run) is not None:
        words += f", {share * 100:.0f} %"
    if run and (reached := score_of(run)) is not None:
        name = judged_by(run.spec.setting)
        words += f", {in_sentence(name)} {in_words(reached, name)}"
    inside = {
        "finished": icon("ok", 11),
        "failed": icon("fail", 11),
        "lost": icon("fail", 11),
        "cancelled": icon("no", 12),
        "running": _ring(share),
        "starting": _ring(share),
    }.get(state, Markup(""))
    spoken = Markup(' role="img" aria-label="{0}" title="{0}"').format(words) if run else ""
    return Markup('<span class="wb-cell wb-cell-{}"{}>{}</span>').format(
        "running" if state == "starting" else state, spoken, inside
    )


def _ring(share: float) -> Markup:
    around = 45.2
    return Markup(
        '<svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true" fill="none" stroke-width="3">'
        '<circle cx="10" cy="10" r="7.2" stroke="var(--surface-3)"/><circle cx="10" cy="10" r="7.2" stroke="var(--c, var(--ink-2))"'
        ' stroke-dasharray="{:.1f} {}" transform="rotate(-90 10 10)"/></svg>'
    ).format(max(share, 0.04) * around, around)
