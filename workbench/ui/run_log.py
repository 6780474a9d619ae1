"""What runs say: the newest events of a setting, and one run's steps or its process's own output."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from typing import Any, Literal

from markupsafe import Markup

from workbench.result import FINAL_STATES, Event, Run
from workbench.store import Store
from workbench.supervisor import read_log
from workbench.ui.parts import format_seconds, icon
from workbench.ui.shown import chosen_by, in_sentence, in_words, judged_by, score_of

EVENTS_SHOWN = 8
LINES = 200
KINDS = ("evaluated", "warning", "started")
_ICONS = {"finished": "ok", "failed": "fail", "lost": "fail", "warning": "warn", "cancelled": "no"}

Source = Literal["steps", "output"]


def events_card(store: Store, runs: Sequence[Run]) -> Markup:
    """The newest events, newest first. Only what ends a run is announced, politely."""
    told = [(event, run) for run in runs for event in store.events(run.id, kinds=KINDS) if _is_news(event)]
    told += [(end, run) for run in runs if (end := _end_of(run)) is not None]
    told.sort(key=lambda pair: (pair[0].at, pair[0].seq), reverse=True)
    rows = Markup("").join(_event_row(event, run) for event, run in told[:EVENTS_SHOWN])
    last = next(((event, run) for event, run in told if event.kind in FINAL_STATES), None)
    note = f"newest of {len(told):,}" if len(told) > EVENTS_SHOWN else ""
    return Markup(
        '<section class="wb-card"><div class="wb-head"><h3>Events</h3><span class="wb-space"></span>'
        '<span class="wb-note">{}</span></div><div>{}</div><div class="wb-hidden" role="status" aria-live="polite">{}</div></section>'
    ).format(
        note,
        rows or Markup('<p class="wb-two">Nothing has happened yet.</p>'),
        event_words(*last) if last else "",
    )


def _is_news(event: Event) -> bool:
    """Of starts only those of stages: that a run has begun is plain to see."""
    return event.kind != "started" or int(event.values.get("stages") or 1) > 1


def _end_of(run: Run) -> Event | None:
    """The end of a run as an event, told from its record: a worker that died wrote none."""
    if not run.is_final or run.ended_at is None:
        return None
    return Event(sys.maxsize, run.ended_at, run.state, "train", {})


def _event_row(event: Event, run: Run) -> Markup:
    kind = {"finished": "ok", "failed": "fail", "lost": "fail", "warning": "warn"}.get(event.kind, "plain")
    clock = time.strftime("%H:%M:%S", time.localtime(event.at))
    return Markup(
        '<div class="wb-event"><time class="wb-mono wb-muted">{}</time><span class="wb-event-{}">{}</span><span>{}</span></div>'
    ).format(clock, kind, icon(_ICONS.get(event.kind, "busy"), 14), event_words(event, run))


def event_words(event: Event, run: Run) -> str:
    """One event as a sentence."""
    who = f"{run.label} seed {run.spec.seed}"
    if event.kind == "evaluated":
        score = chosen_by(run.spec.setting)
        if score not in event.values and "reward_accuracy" in event.values:
            score = "reward_accuracy"  # of the reward model, which answers nothing
        value = event.values.get(score)
        told = in_words(value, score) if isinstance(value, int | float) else "done"
        return f"{who}: validation {in_sentence(score)} {told} at step {event.values.get('step')}"
    if event.kind == "started":
        values = event.values
        return f"{who}: stage {values['stage_number']} of {values['stages']} begins, {values['stage_title']}"
    if event.kind == "finished":
        score = judged_by(run.spec.setting)
        reached = in_words(score_of(run), score)
        took = format_seconds(run.result.train_seconds) if run.result else ""
        return f"{who} finished" + (f": {in_sentence(score)} {reached}, {took}" if reached and took else "")
    if event.kind in FINAL_STATES:
        told = f": {run.reason.message}" if run.reason and event.kind != "cancelled" else ""
        return f"{who} {event.kind}{told}"
    return f"{who}: {event.values.get('message') or event.kind}"


def log_lines(store: Store, run: Run, source: Source) -> list[str]:
    """The last lines of a run: its steps in figures, or what its process wrote."""
    if source == "output":
        return read_log(store.run_folder(run.id)).splitlines()[-LINES:]
    return [_step_line(event) for event in store.events(run.id)[-LINES:]]


def log_html(lines: Sequence[str], *, follow: bool) -> Markup:
    if not lines:
        return Markup('<p class="wb-two">Nothing was written yet.</p>')
    return Markup(
        '<div class="wb-log{}" tabindex="0" role="region" aria-label="Log"><pre>{}</pre></div>'
    ).format(" wb-follow" if follow else "", "\n".join(lines))


def _step_line(event: Event) -> str:
    values = event.values
    if event.kind == "sample":
        told = (
            f"{name.replace('_', ' ')} {_figure(value, '.6g')}"
            for name, value in values.items()
            if name != "stage"
        )
        return "  ".join(["sample", *told])
    if event.kind == "started" and values.get("stage_title"):
        return f"stage {values['stage_number']} of {values['stages']}  {values['stage_title']}"
    if event.kind == "step":
        parts = [f"step {values.get('step'):>5}", f"loss {_figure(values.get('loss'), '.4f')}"]
        parts += [f"{name} {_figure(values[name], '.4f')}" for name in ("reward", "kl") if name in values]
        if values.get("learning_rate") is not None:
            parts.append(f"lr {_figure(values['learning_rate'], '.1e')}")
        if values.get("gradient_norm") is not None:
            parts.append(f"norm {_figure(values['gradient_norm'], '.2f')}")
        return "  ".join(parts)
    if event.kind == "evaluated":
        scores = (
            f"{name} {_figure(value, '.4f')}"
            for name, value in values.items()
            if name not in ("step", "seconds", "tokens") and isinstance(value, int | float)
        )
        return "  ".join([f"eval {values.get('step'):>5}", *scores])
    message = values.get("message")
    return f"{event.kind}" + (f"  {message}" if message else "")


def _figure(value: Any, form: str) -> str:
    if not isinstance(value, int | float):
        return "-"
    return format(value, form) if math.isfinite(value) else str(value)
