"""From a preset to queued runs, for the buttons of Data and Methods: prepared away from the page, checked, queued once."""

from __future__ import annotations

from workbench import hosted, session
from workbench.data import load_prepared
from workbench.presets import Preset
from workbench.result import ACTIVE_STATES
from workbench.spec import Setting
from workbench.ui import asking
from workbench.ui.context import PageContext, run_of
from workbench.ui.owner import STRANGER


def queue(context: PageContext, preset: Preset, owner: str | None, key: str) -> session.Submitted:
    """Queue every run of the preset. The same key again returns the runs of the first call. ValueError says why not."""
    if owner == STRANGER:
        raise ValueError("This page knows its visitors by a cookie: allow cookies for it and reload.")
    if context.limits is not None:
        hosted.check_model(preset.model, context.limits)
    if preset.model.startswith("run:"):
        run_of(context, preset.model.removeprefix("run:"), owner)
    if preset.chain:
        return _queue_chain(context, preset, owner, key)
    max_length = preset.setting.get("max_length", Setting.max_length)
    look = asking.look_at_data(context.store, preset.data, preset.model, max_length, owner)
    if look["spec"] is None:
        raise ValueError(blocking_sentence(look["report"]))
    prepared = [load_prepared(context.store.data_folder(one)) for one in look["fingerprints"]]
    if context.limits is not None:
        active = len(context.store.runs(states=ACTIVE_STATES, owner=owner))
        hosted.check_plan(preset, prepared[-1], context.limits, active=active, settings=len(prepared))
    return session.submit(
        context.store, preset, prepared=prepared, owner=owner or "", key=f"{owner or ''}:{key}"
    )


def _queue_chain(context: PageContext, preset: Preset, owner: str | None, key: str) -> session.Submitted:
    """Every hop's data prepared away from the page, then all runs at once."""
    prepared = []
    for hop in preset.chain:
        one = hop.preset
        data = {**one.data, "task": one.task} if one.task != "classification" else one.data
        max_length = one.setting.get("max_length", Setting.max_length)
        look = asking.look_at_data(context.store, data, preset.model, max_length, owner)
        if look["spec"] is None:
            raise ValueError(f"{one.title}: {blocking_sentence(look['report'])}")
        prepared.append(load_prepared(context.store.data_folder(look["fingerprints"][-1])))
    if context.limits is not None:
        active = len(context.store.runs(states=ACTIVE_STATES, owner=owner))
        for hop, rows in zip(preset.chain, prepared):
            hosted.check_plan(hop.preset, rows, context.limits, active=active)
            active += hop.preset.runs
    return session.submit(
        context.store, preset, prepared=prepared, owner=owner or "", key=f"{owner or ''}:{key}"
    )


def blocking_sentence(report: dict[str, object]) -> str:
    """Why data can't be trained on, in one sentence."""
    faults = report["faults"]
    assert isinstance(faults, list)
    fault = next(fault for fault in faults if fault["blocks"])
    return f"{fault['title']}: {fault['detail']}" if fault["detail"] else str(fault["title"])
