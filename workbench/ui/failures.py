"""What went wrong and the way out: one card for each method and reason, with buttons that queue the next attempt."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from workbench.checkpoints import MARKER
from workbench.more_runs import calmer_choice
from workbench.queue_state import newest_runs
from workbench.result import Run
from workbench.store import RESUMABLE_STATES, Store
from workbench.ui.parts import button, icon

TITLES = {
    "diverged": "diverged",
    "out_of_memory": "ran out of memory",
    "disk": "ran out of disk",
    "environment": "could not start",
    "no_progress": "made no progress",
    "budget": "needs more than the budget allows",
    "base": "had nothing to go on from",
    "lost": "was lost",
    "error": "failed",
}


@dataclass(frozen=True)
class Failure:
    """Runs of one choice that ended for the same reason, and how many seeds that choice has."""

    key: str
    runs: tuple[Run, ...]
    seeds: int

    @property
    def code(self) -> str:
        reason = self.runs[0].reason
        return reason.code if reason else self.runs[0].state


def failures(runs: Sequence[Run]) -> list[Failure]:
    """The failed and lost runs that nothing newer stands for, grouped."""
    newest = newest_runs(runs)
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in newest:
        if run.state in ("failed", "lost"):
            code = run.reason.code if run.reason else run.state
            groups.setdefault((run.spec.choice.id, code), []).append(run)
    seeds: dict[str, int] = {}
    for run in newest:
        seeds[run.spec.choice.id] = seeds.get(run.spec.choice.id, 0) + 1
    return [
        Failure(f"{choice}:{code}", tuple(group), seeds[choice]) for (choice, code), group in groups.items()
    ]


def failure_cards(store: Store, runs: Sequence[Run], most: int = 4) -> Markup:
    found = failures(runs)
    cards = Markup("").join(_card(store, failure) for failure in found[:most])
    more = (
        Markup('<p class="wb-note">{} more failures: the list of runs on Compare has them all.</p>').format(
            len(found) - most
        )
        if len(found) > most
        else ""
    )
    return Markup('<div class="wb-stack">{}{}</div>').format(cards, more) if found else Markup("")


def has_checkpoint(store: Store, run: Run) -> bool:
    """Whether a run can be resumed: its folder holds a checkpoint that was written to the end."""
    if run.state not in RESUMABLE_STATES:
        return False
    return any(store.run_folder(run.id).glob(f"**/checkpoint-*/{MARKER}"))


def _card(store: Store, failure: Failure) -> Markup:
    first = failure.runs[0]
    title = f"{first.label} {TITLES.get(failure.code, 'failed')}{_which(failure)}"
    # Seeds fail at different steps for the same reason: said once.
    messages = list(
        {re.sub(r"\d+", "", r.reason.message): r.reason.message for r in failure.runs if r.reason}.values()
    )
    body = Markup("<br>").join(
        [*messages[:2], *_last_good(store, failure.runs), "The runs stay in the table, marked failed."]
    )
    return Markup(
        '<div class="wb-notice wb-fail wb-failure"><span class="wb-notice-icon">{}</span><div class="wb-grow">'
        '<div><span class="wb-strong">{}</span> <span class="wb-note">{}</span></div><div class="wb-two">{}</div>{}</div>'
        '<div class="wb-failure-buttons">{}</div></div>'
    ).format(icon("fail", 16), title, _where(failure.runs), body, _change(failure), _buttons(store, failure))


def _which(failure: Failure) -> str:
    if failure.seeds == 1:
        return ""
    if len(failure.runs) == failure.seeds:
        return f" in all {failure.seeds} seeds"
    seeds = ", ".join(str(run.spec.seed) for run in failure.runs)
    return f" with seed{'s' * (len(failure.runs) > 1)} {seeds}"


def _where(runs: Sequence[Run]) -> str:
    steps = sorted(run.step for run in runs if run.step)
    of = f" of {runs[0].steps:,}" if runs[0].steps else ""
    if not steps:
        return "before the first step"
    return f"step {steps[0]:,}{of}" if steps[0] == steps[-1] else f"step {steps[0]:,} to {steps[-1]:,}{of}"


def _last_good(store: Store, runs: Sequence[Run]) -> list[str]:
    """The last finite loss, and the gradient norm beside it."""
    for event in reversed(store.events(runs[-1].id, kinds=("step",))):
        loss, norm = event.values.get("loss"), event.values.get("gradient_norm")
        if isinstance(loss, int | float) and math.isfinite(loss):
            known = isinstance(norm, int | float) and math.isfinite(norm)
            return [f"Last finite loss {loss:.2f}" + (f", gradient norm {norm:,.3g}." if known else ".")]
    return []


def _change(failure: Failure) -> Markup:
    if failure.code != "diverged":
        return Markup("")
    choice = failure.runs[0].spec.choice
    return Markup(
        '<div class="wb-change"><span class="wb-strong wb-small">Smallest change</span>'
        '<span class="wb-mono">learning_rate <del>{:g}</del> {:g}</span></div>'
    ).format(choice.learning_rate, calmer_choice(choice).learning_rate)


def _buttons(store: Store, failure: Failure) -> Markup:
    count = len(failure.runs)
    buttons = []
    if failure.code == "diverged":
        buttons.append(button(f"Queue {count} with this change", "calmer", failure.key, kind="primary"))
    if any(has_checkpoint(store, run) for run in failure.runs):
        buttons.append(button("Resume" if count == 1 else f"Resume {count}", "resume", failure.key))
    buttons.append(button("Try again" if count == 1 else f"Try {count} again", "retry", failure.key))
    buttons.append(button("Open the log", "log", failure.runs[-1].id))
    return Markup("").join(buttons)
