"""Runs that other runs go on from: `run:ID`, or `best:ID+ID` for the best of several; who waits, who can't start any more.

`best:` is decided once, when the first run asks, and kept in the store: a run never changes its base afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench import registry
from workbench.metric import metric
from workbench.result import ACTIVE_STATES, Reason, Run

if TYPE_CHECKING:
    from workbench.store import Store

RUN, BEST, AND = "run:", "best:", "+"


def reference(run_ids: Sequence[str]) -> str:
    """The model reference of one run, or of the best of several."""
    if not run_ids:
        raise ValueError("a run goes on from at least one other; none was given")
    return RUN + run_ids[0] if len(run_ids) == 1 else BEST + AND.join(run_ids)


def named(model: str) -> tuple[str, ...]:
    """The runs that a model reference names; () for a model that is no run."""
    for prefix in (RUN, BEST):
        if model.startswith(prefix):
            return tuple(model.removeprefix(prefix).split(AND))
    return ()


def base_of(store: Store, run: Run) -> Run | None:
    """The run that this one goes on from; None where it begins with a model, or where that is not decided yet."""
    model = run.spec.setting.model
    ids = named(model)
    chosen = store.decided(model) if model.startswith(BEST) else next(iter(ids), None)
    return next(iter(store.runs(ids=[chosen])), None) if chosen else None


def decide(store: Store, model: str) -> str:
    """The run that `best:` means. LookupError with a sentence where that can't be said yet, or not any more."""
    if kept := store.decided(model):
        return kept
    runs = _in_order(store, named(model))
    if open_ones := [run for run in runs if run.state in ACTIVE_STATES]:
        raise LookupError(
            f"{_who(open_ones[0])} is {open_ones[0].state}: the best of several is known when all have ended"
        )
    finished = [run for run in runs if run.state == "finished"]
    if not finished:
        raise LookupError("none of the runs that the best would be taken of has finished")
    return store.decide(model, best(finished).id)


def best(runs: Sequence[Run]) -> Run:
    """By the validation score that picks checkpoints; of equal ones the first."""
    task = registry.task(runs[0].spec.setting.task)
    name = task.chosen_by(task.options.from_dict(runs[0].spec.setting.task_options))
    sign = 1.0 if metric(name).better == "higher" else -1.0

    def score(run: Run) -> float:
        value = run.result.validation.get(name) if run.result else None
        return -float("inf") if value is None or value != value else sign * value

    return max(runs, key=score)


def waits(store: Store, run: Run) -> bool:
    """Whether this queued run's base is still in the making."""
    ids = named(run.spec.setting.model)
    return bool(ids) and any(one.state in ACTIVE_STATES for one in store.runs(ids=ids))


def why_never(store: Store, run: Run) -> Reason | None:
    """Why this queued run can't start any more; None while it can."""
    ids = named(run.spec.setting.model)
    found = _in_order(store, ids)
    if not ids or any(one.state in (*ACTIVE_STATES, "finished") for one in found):
        return None
    if not found:
        return Reason("base", f"The run that it goes on from ({ids[0]}) was deleted.")
    who, ended = _who(found[0]), {"lost": "was lost", "failed": "failed", "cancelled": "was cancelled"}
    if len(ids) > 1:
        return Reason(
            "base",
            f"None of the {len(ids)} runs that it could go on from has finished: {who} {ended[found[0].state]}."
            " Resume or retry one of them: this one is queued again with it.",
        )
    return Reason(
        "base",
        f"The run that it goes on from, {who}, {ended[found[0].state]}. Resume or retry that one: this one is queued"
        " again with it.",
    )


def queue_again(store: Store, run_id: str) -> list[str]:
    """Runs that failed for want of this one, and those that failed for want of them: queued again, as they are."""
    again = []
    for run in _wanting(store, run_id):
        if store.change_state(run.id, "queued", come_from=("failed",)):
            again += [run.id, *queue_again(store, run.id)]
    return again


def add_again(store: Store, old: str, new: str) -> list[str]:
    """The same where a new run stands for the old one: new runs that go on from the new one."""
    added = []
    for run in _wanting(store, old):
        ids = [new if one == old else one for one in named(run.spec.setting.model)]
        spec = replace(run.spec, setting=replace(run.spec.setting, model=reference(ids)))
        (again,) = store.add([spec], owner=run.owner, name=run.name, retry_of=run.id)
        added += [again, *add_again(store, run.id, again)]
    return added


def followers(store: Store, run_ids: Sequence[str]) -> list[str]:
    """The queued runs that go on from these, directly or not."""
    found: list[str] = []
    for run in store.runs(states=("queued",)):  # in order: a base comes before what goes on from it
        if set(named(run.spec.setting.model)) & {*run_ids, *found}:
            found.append(run.id)
    return [one for one in found if one not in run_ids]


def _wanting(store: Store, run_id: str) -> list[Run]:
    return [
        run
        for run in store.runs(states=("failed",))
        if run.reason is not None and run.reason.code == "base" and run_id in named(run.spec.setting.model)
    ]


def _in_order(store: Store, ids: Sequence[str]) -> list[Run]:
    known = {run.id: run for run in store.runs(ids=ids)} if ids else {}
    return [known[one] for one in ids if one in known]


def _who(run: Run) -> str:
    return f"{run.label}, seed {run.spec.seed} ({run.id[:6]})"
