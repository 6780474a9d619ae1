"""What the buttons of the Compare tab do: queue more seeds, try failed rows again, cancel, repeat or delete single runs."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench import repeat
from workbench.compare import Comparison
from workbench.more_runs import more_seeds
from workbench.result import ACTIVE_STATES, FINAL_STATES
from workbench.ui import shown
from workbench.ui.context import PageContext, owner_of, run_of, say_errors, setting_of
from workbench.ui.failures import failures, has_checkpoint
from workbench.ui.run_list import run_list
from workbench.ui.verdicts import verdicts_card


class CompareActions:
    """The handlers, with the context that they need."""

    def __init__(self, context: PageContext) -> None:
        self.context = context

    def found(self, setting_id: str | None, request: gr.Request) -> Comparison:
        """The comparison on show; ValueError before the first run."""
        owner = owner_of(request)
        chosen = setting_of(self.context, setting_id, owner)
        found = shown.compared(self.context.store, chosen, owner)
        if found is None:
            raise ValueError(shown.NO_RUNS)
        return found

    def run_list(self, found: Comparison, asked: str) -> str:
        resumable = {run.id for run in found.runs if has_checkpoint(self.context.store, run)}
        return str(run_list(found.runs, found.metric, asked=asked, resumable=resumable))

    @say_errors
    def act_on_verdict(
        self, setting_id: str | None, event: gr.EventData, request: gr.Request
    ) -> tuple[Any, Any, Any]:
        """Queue exactly the seeds that a verdict lacks, or show more of the verdicts."""
        found = self.found(setting_id, request)
        if event.action == "every":
            return gr.skip(), bool(event.key), str(verdicts_card(found, every=bool(event.key)))
        rows = {row.key for row in found.rows}
        if event.action == "all_seeds":
            going = ("finished", *ACTIVE_STATES)
            keys = [row.key for row in found.rows if any(row.states.get(state) for state in going)]
            count = int(event.key)
        else:
            *pair, number = event.key.split(":")
            keys, count = [key for key in pair if key in rows], int(number)
        specs = more_seeds(found.runs, keys, count)
        key = f"seeds:{found.setting.id}:{event.key}:{len(found.runs)}:{owner_of(request)}"
        ids = shown.queue_more(self.context, specs, owner_of(request), key)
        gr.Info(f"{len(ids)} runs queued. Train shows how they go on.", duration=6)
        return gr.Timer(active=True), gr.skip(), gr.skip()

    @say_errors
    def act_on_row(self, setting_id: str | None, event: gr.EventData, request: gr.Request) -> Any:
        """Queue a failed row's runs again."""
        owner = owner_of(request)
        found = self.found(setting_id, request)
        runs = [
            run
            for one in failures(found.runs)
            for run in one.runs
            if event.action == "retry" and run.spec.choice.id == event.key
        ]
        cancelled = [r for r in found.runs if r.spec.choice.id == event.key and r.state == "cancelled"]
        runs = runs or cancelled
        if not runs:
            raise ValueError("These runs were queued again already.")
        shown.check_limits(self.context, [run.spec for run in runs], owner)
        for run in runs:
            self.context.runner.retry(run.id)
        return gr.Timer(active=True)

    @say_errors
    def act_on_list(
        self, setting_id: str | None, event: gr.EventData, request: gr.Request
    ) -> tuple[Any, Any, Any]:
        """Cancel an active run; try an ended one again, resume it, or delete it after a second click."""
        owner = owner_of(request)
        run = run_of(self.context, event.key, owner)
        asked = run.id if event.action == "delete" else ""
        if event.action == "cancel":
            self.context.runner.cancel(run.id)
        elif event.action == "delete_now":
            if run.state not in FINAL_STATES:
                raise ValueError(f"This run is {run.state}: cancel it first, then delete it.")
            self.context.store.delete(run.id)
        elif event.action in ("retry", "resume"):
            shown.check_limits(self.context, [run.spec], owner)
            {"retry": self.context.runner.retry, "resume": self.context.runner.resume}[event.action](run.id)
        found = shown.compared(self.context.store, setting_of(self.context, setting_id, owner), owner)
        return gr.Timer(active=True), asked, self.run_list(found, asked) if found else ""

    @say_errors
    def act_on_detail(self, event: gr.EventData, request: gr.Request) -> Any:
        """Train the run again from its record; its details then say whether every prediction came out the same."""
        owner = owner_of(request)
        run = run_of(self.context, event.key, owner)
        shown.check_limits(self.context, [run.spec], owner)
        repeat.queue_again(self.context.runner, run)
        gr.Info(
            "Queued once more. When it has finished, its details here say whether anything differs.",
            duration=8,
        )
        return gr.Timer(active=True)
