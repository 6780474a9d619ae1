"""Who is asked on Inference: a chip for each finished run and the reference, and the panes of those that are ticked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from workbench import registry
from workbench.result import Run
from workbench.side_by_side import REFERENCES
from workbench.ui import shown
from workbench.ui.panes import Pane, panes_for, yardstick_pane

MOST_PANES = 16


def chosen_panes(runs: Sequence[Run], ticked: Sequence[str]) -> list[Pane]:
    runs = in_order(runs, [name for name in ticked if name not in REFERENCES])
    return panes_for(runs, yardstick=any(name in REFERENCES for name in ticked))


def run_chips(finished: Sequence[Run], kept: Sequence[str], every: bool) -> tuple[Any, list[str]]:
    """One chip per method, for its best seed, or one for every seed, and the reference. All are ticked unless the reader
    chose."""
    best: dict[str, Run] = {}
    for run in finished:
        other = best.get(run.spec.choice.id)
        if other is None or shown.place_of(run) < shown.place_of(other):
            best[run.spec.choice.id] = run
    yardstick = registry.task(finished[0].spec.setting.task).yardstick
    offered = [run.id for run in (finished if every else best.values())]
    value = list(kept) or [*[run.id for run in best.values()][: MOST_PANES - 2], yardstick]
    chips = [(f"{run.label}, seed {run.spec.seed}", run.id) for run in in_order(finished, [*offered, *value])]
    return gr.update(choices=[*chips, (yardstick_pane(yardstick).title, yardstick)], value=value), value


def in_order(runs: Sequence[Run], ids: Sequence[str]) -> list[Run]:
    """The named runs, methods together in the order in which they were queued."""
    first: dict[str, int] = {}
    for place, run in enumerate(runs):
        first.setdefault(run.spec.choice.id, place)
    kept = [run for run in runs if run.id in ids]
    return sorted(kept, key=lambda run: (first[run.spec.choice.id], run.spec.seed))


def run_words(ticked: Sequence[str]) -> str:
    if all(name in REFERENCES for name in ticked):
        return "Tick a run"
    return f"Run in {min(len(ticked), MOST_PANES) + 1} panes"
