"""Who is asked on Inference: a chip for each finished run and the reference, and the panes of those that are ticked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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


def best_seeds(finished: Sequence[Run]) -> list[Run]:
    """The best run of each method."""
    best: dict[str, Run] = {}
    for run in finished:
        other = best.get(run.spec.choice.id)
        if other is None or shown.place_of(run) < shown.place_of(other):
            best[run.spec.choice.id] = run
    return list(best.values())


def ticked_at_first(finished: Sequence[Run]) -> list[str]:
    """What is asked unless the reader chose: the best run of each method, and the reference."""
    yardstick = registry.task(finished[0].spec.setting.task).yardstick
    return [*[run.id for run in best_seeds(finished)][: MOST_PANES - 2], yardstick]


def with_later(finished: Sequence[Run], kept: Sequence[str], earlier: Collection[str]) -> list[str]:
    """Ticks, and those of methods of which no run was on offer `earlier`, unless the reader changed a tick."""
    offered = [run for run in finished if run.id in earlier]
    if not offered or set(kept) != set(ticked_at_first(offered)):
        return list(kept)
    asked = {run.spec.choice.id for run in offered}
    later = [run for run in finished if run.spec.choice.id not in asked]
    return [*kept, *(run.id for run in best_seeds(later))][: MOST_PANES - 1]


def run_chips(finished: Sequence[Run], kept: Sequence[str], every: bool) -> tuple[Any, list[str]]:
    """One chip per method, for its best seed, or one for every seed, and the reference; and what of them is ticked."""
    yardstick = registry.task(finished[0].spec.setting.task).yardstick
    offered = [run.id for run in (finished if every else best_seeds(finished))]
    value = list(kept) or ticked_at_first(finished)
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
