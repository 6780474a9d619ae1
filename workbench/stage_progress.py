"""Where a run with stages is, told from its events: each stage, how far it has come, and what is made before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workbench import registry, stages
from workbench.method import Context, Method
from workbench.result import Event, Run
from workbench.spec import RunSpec
from workbench.store import Store

KINDS = ("started", "step", "sample")
SAMPLING, TRAINING = "sample", "train"
MADE = (
    (SAMPLING, "Sampling", "The base model answers the prompts itself."),
    (TRAINING, "Training", "What was kept of these answers is learnt."),
)


@dataclass(frozen=True)
class Part:
    """One stage of a run under way. `share` is its part of the bar, `done` how much of it is done, from 0 to 1."""

    name: str
    title: str
    sentence: str
    share: float
    done: float = 0.0


@dataclass(frozen=True)
class Doing:
    """What a run is at, in words. `parts` are its stages, none where it has only one; `share` is how much of what it does
    now is done where that is known. `stage_seconds_left` goes by the pace of this stage: others have another one."""

    words: str
    share: float | None = None
    parts: tuple[Part, ...] = ()
    stage_seconds_left: float | None = None


def planned(spec: RunSpec) -> tuple[Part, ...]:
    """The stages that a run will have, in order; () where its method has none or is no longer known."""
    method, setting = registry.methods().get(spec.choice.method), spec.setting
    if method is None:
        return ()
    context = Context(task=setting.task, labels=len(setting.data.labels), seed=spec.seed)
    try:
        return outline(method, method.options.from_dict(spec.choice.options), context)
    except ValueError:  # options of another version
        return ()


def outline(method: Method, options: Any, context: Context) -> tuple[Part, ...]:
    """The stages of a method with these options; () where it trains one thing once."""
    if method.make_rows is not None:
        return tuple(Part(*facts, share=1 / len(MADE)) for facts in MADE)
    if method.stages is None:
        return ()
    order = method.stages(options, context)
    return tuple(
        Part(one.name, one.title, one.sentence, share)
        for one, share in zip(order, stages.fractions(order), strict=True)
    )


def titles(spec: RunSpec) -> dict[str, str]:
    """Stage -> its title."""
    return {part.name: part.title for part in planned(spec)}


def doing(store: Store, run: Run) -> Doing | None:
    """What a run under way is at; None where its steps say it all, or nothing was told yet."""
    parts = planned(run.spec)
    if not parts and (run.step or run.spec.setting.search_trials is None):
        return None
    events = store.events(run.id, kinds=KINDS)
    found = told(parts, events[-1], run.step) if events else None
    return replace(found, stage_seconds_left=_stage_seconds_left(events)) if found and parts else found


def _stage_seconds_left(events: Sequence[Event]) -> float | None:
    """None until the newest stage has made two steps, and where it is not known how many there will be."""
    steps = [e.values for e in events if e.kind == "step" and e.stage == events[-1].stage]
    if len(steps) < 2 or events[-1].kind != "step":
        return None
    first, last = steps[0], steps[-1]
    made = last["step"] - first["step"]
    at, total = last.get("stage_step", last["step"]), last.get("stage_steps", last.get("steps"))
    if made <= 0 or not total or "seconds" not in first or "seconds" not in last:
        return None
    return max(0.0, (last["seconds"] - first["seconds"]) / made * (total - at))


def told(parts: Sequence[Part], newest: Event, step: int = 0) -> Doing | None:
    """The same from the newest event. `step` is the run's own count, which runs ahead of the steps that are kept."""
    values = newest.values
    if newest.kind == "sample" and "trials" in values:
        tried = min(int(values["trial"]), int(values["trials"]))
        share = values.get("share", tried / values["trials"])
        return Doing(f"searching the learning rate, trial {tried} of {values['trials']}", share)
    place = next((n for n, part in enumerate(parts) if part.name == _stage_of(newest)), None)
    if place is None:
        return None
    share, words = _within(newest, step)
    shown = tuple(
        Part(
            one.name,
            one.title,
            one.sentence,
            one.share,
            1.0 if n < place else share or 0.0 if n == place else 0.0,
        )
        for n, one in enumerate(parts)
    )
    here = parts[place].title
    where = f"{here}, stage {place + 1} of {len(parts)}" if len(parts) > 1 else here
    whole = sum(part.share * part.done for part in shown)
    return Doing(f"{where}: {words}" if words else where, whole, shown if len(parts) > 1 else ())


def _stage_of(event: Event) -> str:
    return SAMPLING if event.kind == "sample" else event.stage


def _within(event: Event, step: int) -> tuple[float | None, str]:
    """How far the stage has come, as a share and in words."""
    values = event.values
    if event.kind == "sample":
        done, of = int(values.get("done", 0)), int(values.get("of", 0))
        tokens = f", {values['sampled_tokens']:,} tokens" if values.get("sampled_tokens") else ""
        return (done / of if of else None), f"{done:,} of {of:,} prompts answered{tokens}"
    if event.kind == "started":
        return 0.0, ""
    at, total = values.get("stage_step", values.get("step")), values.get("stage_steps", values.get("steps"))
    if at is None:
        return None, ""
    # Between the steps that are kept the run itself counts on.
    at = int(at) + max(0, step - int(values["step"]))
    if not total:
        return None, f"step {at:,}"
    at = min(at, int(total))
    return at / int(total), f"step {at:,} of {int(total):,}"


def where_stages_begin(
    events: Sequence[Event], names: Mapping[str, str], axis: str
) -> list[tuple[str, float]]:
    """(title, place on the axis) of each stage that has a figure, in order; fewer than two are none."""
    found: dict[str, float] = {}
    for event in events:
        at: Any = event.values.get(axis)
        if event.stage in names and isinstance(at, int | float):
            found.setdefault(event.stage, float(at))
    return [(names[name], at) for name, at in found.items()] if len(found) > 1 else []
