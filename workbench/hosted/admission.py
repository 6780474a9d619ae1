"""Says no, in one sentence, to what a visitor of a shared page may not ask for: models, sizes, lengths, numbers of runs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import bases, machine
from workbench.hosted.limits import Limits, load_limits
from workbench.hosted.owners import STRANGER
from workbench.options import unknown_names
from workbench.sources import embedded
from workbench.spec import Budget, RunSpec, Setting

if TYPE_CHECKING:
    from workbench.data import Prepared
    from workbench.presets import Preset
    from workbench.store import Store

PARTS = ("train", "validation", "test")


class Admission:
    """What the store asks before it queues runs on a hosted page, whoever sent them and on whatever way."""

    def __init__(self, store: Store, owner: str) -> None:
        self.store, self.owner, self.limits = store, owner, load_limits()

    def check(self, specs: Sequence[RunSpec], new_ids: Sequence[str] = ()) -> None:
        """Everything that does not depend on who else is queueing at this moment."""
        if self.owner == STRANGER:
            raise ValueError("This page knows its visitors by a cookie: allow cookies for it and reload.")
        from workbench.hosted import room

        room.check(self.store, self.owner, self.limits)
        for setting in {id(spec.setting): spec.setting for spec in specs}.values():
            self._check_model(setting.model, new_ids)
            folder = self.store.data_folder(setting.data.fingerprint)
            counts = [_rows(folder / f"{part}.jsonl") for part in PARTS]
            check_setting(setting, counts[0], sum(counts), self.limits)

    def check_count(self, wanted: int, active: int, waiting_in_all: int) -> None:
        """Within the transaction that queues them: two requests at once must not both find room."""
        check_count(self.limits, wanted, active)
        if waiting_in_all + wanted > self.limits.waiting_all:
            raise ValueError(
                f"{waiting_in_all:,} runs of all visitors wait already, and this shared page takes"
                f" {self.limits.waiting_all:,}: try again later, or run the workbench on your own machine."
            )

    def _check_model(self, model: str, new_ids: Sequence[str]) -> None:
        check_model(model, self.limits, self.store)
        earlier = [one for one in bases.named(model) if one not in new_ids]
        own = {run.id for run in self.store.runs(ids=earlier, owner=self.owner)} if earlier else set()
        if strange := [one for one in earlier if one not in own]:
            raise ValueError(f"There is no run {strange[0]!r:.40} here; it may have been deleted.")


def check_count(limits: Limits, wanted: int, active: int) -> None:
    """One comparison as a whole where nothing of the visitor's is under way, single runs otherwise."""
    most = limits.runs if not active else min(limits.running + limits.waiting, limits.runs)
    if active + wanted > most:
        already = f", and {active} of yours are not done yet" if active else ""
        way_out = "wait for those" if active else "tick fewer methods or seeds"
        raise ValueError(
            f"This shared page takes {most} runs of a visitor at a time; this would be {wanted}{already}: {way_out}, or"
            " run the workbench on your own machine."
        )


def check_plan(
    preset: Preset, prepared: Prepared, limits: Limits, *, seeds: int = 0, active: int = 0, settings: int = 1
) -> None:
    """ValueError with one sentence where a plan asks for more than a visitor may have.

    `active` is the number of runs that the visitor has waiting or training already, `settings` how many the plan has:
    one for each size of a learning curve.
    """
    setting = Setting(data=prepared.spec, model=preset.model, **preset.setting)
    check_model(preset.model, limits)
    check_count(limits, len(preset.methods) * (seeds or len(preset.seeds)) * settings, active)
    check_setting(
        setting, len(prepared.rows["train"]), sum(len(part) for part in prepared.rows.values()), limits
    )


def check_setting(setting: Setting, train_rows: int, rows: int, limits: Limits) -> None:
    """Whether one run of this setting is small enough."""
    _at_most("rows", rows, limits.rows, "draw fewer under Advanced on the Data tab")
    _at_most("tokens of longest input", setting.max_length, limits.max_length, "lower the longest input")
    per_step = setting.batch_size * setting.gradient_accumulation
    _at_most("rows per batch", per_step, limits.batch_size, "lower it")
    _at_most("evaluations", setting.evaluations, limits.evaluations, "lower their number")
    trials = setting.search_trials or 0
    if setting.budget.kind == "seconds":
        seconds = int(setting.budget.amount) * max(trials, 1)
        _at_most("seconds for each run", seconds, limits.seconds, "lower the budget or the trials")
    else:
        # After the trials the best rate is trained once more.
        steps = steps_of(setting, train_rows) * (trials + 1)
        way_out = "lower the budget or the trials" if trials else "lower the budget"
        _at_most("steps for each run", steps, limits.steps, way_out)


def check_model(model: str, limits: Limits, store: Store | None = None) -> None:
    """Embedded models, a visitor's own runs, and a few small models of the Hub; none above the largest size."""
    known = [card.ref for card in embedded()]
    listed = model in known or model in limits.models
    is_hub_id = ":" not in model and not model.startswith(("/", ".", "~"))
    if not listed and not bases.named(model) and not ("*" in limits.models and is_hub_id):
        raise ValueError(
            "This shared page trains small models only: "
            + unknown_names("model", [model[:120]], [*known, *limits.models])
        )
    size = machine.parameters(model, store)
    if size is None and not listed and not bases.named(model):
        raise ValueError(
            f"The size of {model!r:.120} can't be found out, and this shared page takes models of at most"
            f" {limits.model_parameters:,} weights: check its name, or take {known[0]}."
        )
    _at_most("weights in a model", size or 0, limits.model_parameters, "take a smaller one")


def check_text(text: str) -> None:
    """On a hosted page a text has a longest length; elsewhere none."""
    from workbench.home import is_hosted

    if is_hosted():
        _at_most("characters in a text", len(text), load_limits().text_characters, "shorten it")


def steps_of(setting: Setting, train_rows: int) -> int:
    """Optimiser steps of one run with a budget of steps or epochs."""
    budget: Budget = setting.budget
    if budget.kind == "steps":
        return int(budget.amount)
    per_epoch = -(-train_rows // (setting.batch_size * setting.gradient_accumulation))
    return int(-(-budget.amount * per_epoch // 1))


def _at_most(what: str, given: int, most: int, way_out: str) -> None:
    if given > most:
        raise ValueError(
            f"This shared page takes at most {most:,} {what}, not {given:,}: {way_out}, or run the workbench on your own"
            " machine."
        )


def _rows(path: Path) -> int:
    """Rows of a prepared part, one on each line. The page queues only what was prepared before."""
    try:
        return _lines(str(path), path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise ValueError(
            "The data of this run is no longer kept here: choose it again on the Data tab."
        ) from None


@functools.lru_cache(maxsize=512)
def _lines(path: str, stamp: int) -> int:
    del stamp  # part of the cache key
    with open(path, "rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
