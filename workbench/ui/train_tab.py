"""The Train tab: the queue, runs at work, what failed, live curves, machine, events and log. All of it from the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import stage_progress
from workbench.curves import XAxis, runs_worth_drawing, sampled_lines, training_lines, validation_lines
from workbench.metric import metric
from workbench.more_runs import calmer_choice
from workbench.queue_state import queue_state
from workbench.result import ACTIVE_STATES, Event, Run
from workbench.spec import RunSpec
from workbench.store import Store
from workbench.ui import shown
from workbench.ui.context import QUIET, PageContext, Tab, as_text, owner_of, run_of, say_errors
from workbench.ui.curve_table import curve_table
from workbench.ui.failures import failure_cards, failures
from workbench.ui.machine_panel import look, machine_card
from workbench.ui.parts import page_title
from workbench.ui.plots import curve_figure
from workbench.ui.queue_matrix import progress_line, queue_table, running_cards
from workbench.ui.run_log import Source, events_card, log_html, log_lines
from workbench.ui.train_layout import draw, train_title

X_TITLES: dict[str, str] = {"step": "step", "time": "seconds of training"}
STAGE_SCORES = ("reward_accuracy", "preference_accuracy")
# What a policy says of the answers that it draws in training: its loss stays near nought and tells nothing.
SAMPLED = {
    "sampled_reward": ("reward", "Reward while sampling"),
    "sampled_kl": ("kl", "KL while sampling"),
}


def build(context: PageContext) -> Tab:
    """Draw the tab; everything in it comes from `refresh_train`."""
    parts = draw()
    wiring = _Wiring(context, parts)
    tab = Tab(wiring.refresh_train, wiring.inputs, wiring.outputs, parts=parts)
    _wire(context, parts, wiring)
    tab.wire = lambda tabs: _wire_empty(context, parts)
    return tab


class _Wiring:
    """The handlers, with the context that they share."""

    def __init__(self, context: PageContext, parts: dict[str, Any]) -> None:
        self.context, self.parts = context, parts
        names = ("drawn", "validation", "x", "smoothing", "log_run", "log_source", "follow")
        self.inputs = [context.setting_id, *(parts[name] for name in names)]
        self.names = (
            *("head", "chooser", "pause", "cancel_all", "empty", "body", "running", "queue", "failures"),
            *(
                "loss_plot",
                "score_plot",
                "validation",
                "curve_table",
                "machine",
                "events",
                "log_run",
                "log",
                "drawn",
                "confirm",
            ),
        )
        self.outputs = [parts[name] for name in self.names]

    def refresh_train(
        self,
        setting_id: str | None,
        drawn: str,
        validation: str | None,
        x: XAxis,
        smoothing: float,
        log_run: str | None,
        log_source: Source,
        follow: bool,
        request: gr.Request,
    ) -> list[Any]:
        """Redraw from the store; the curves only when they have changed."""
        store, owner = self.context.store, owner_of(request)
        chosen, runs = shown.setting_and_runs(self.context, setting_id, owner)
        new: dict[str, Any] = dict.fromkeys(self.names, gr.skip())
        new["empty"] = gr.update(visible=not runs)
        new["body"] = gr.update(visible=bool(runs))
        if not runs:
            new |= {
                "head": str(page_title("Train")),
                "chooser": gr.update(visible=False),
                "confirm": gr.update(visible=False),
            }
            new |= {"pause": gr.update(visible=False), "cancel_all": gr.update(visible=False)}
            return [new[name] for name in self.names]
        active = [run for run in runs if run.state in ACTIVE_STATES]
        at_work = [run for run in active if run.state != "queued"]
        slots = self.context.runner.slots or max(len(at_work), 1)
        paused = store.is_paused()
        new["head"] = str(train_title(progress_line(queue_state(runs, slots=slots), paused=paused)))
        new["chooser"] = shown.show_choices(self.context, owner, chosen)
        new["pause"] = gr.update(
            value="Go on" if paused else "Pause after these",
            visible=(paused or bool(active)) and not self.context.hosted,
        )
        new["cancel_all"] = gr.update(visible=bool(active))
        if not active:
            new["confirm"] = gr.update(visible=False)
        threads = next((run.threads for run in at_work if run.threads), None)
        doing = {run.id: found for run in at_work if (found := stage_progress.doing(store, run))}
        new["running"] = str(running_cards(runs, slots=slots, threads=threads, doing=doing))
        new["queue"] = str(queue_table(runs))
        cards = str(failure_cards(store, runs))
        new["failures"] = gr.update(value=cards, visible=bool(cards))
        new["events"] = str(events_card(store, runs))
        new["machine"] = str(machine_card(look(store.folder, at_work)))
        new["log_run"], log_run = log_choices(runs, log_run)
        new["log"] = self._log(log_run, log_source, follow, owner)
        signature = f"{chosen} {x} {smoothing} {_progress(runs)}"
        if signature != drawn:
            new["drawn"] = signature
            new["validation"], validation = validation_choices(store, runs, validation)
            new["loss_plot"], new["score_plot"], new["curve_table"] = self._curves(
                runs, validation, x, smoothing
            )
        return [new[name] for name in self.names]

    def _curves(
        self, runs: Sequence[Run], score: str | None, x: XAxis, smoothing: float
    ) -> tuple[Any, Any, str]:
        store, kept = self.context.store, runs_worth_drawing(runs)
        chosen_by = shown.chosen_by(runs[0].spec.setting)
        score = score or chosen_by
        losses = training_lines(store, kept, x=x, smoothing=smoothing)
        if score in SAMPLED:
            name, title = SAMPLED[score]
            drawn = sampled_lines(store, kept, name, x=x, smoothing=smoothing)
            share, score = False, chosen_by
            scores = validation_lines(store, kept, score, x=x)
        else:
            drawn = scores = validation_lines(store, kept, score, x=x)
            title, share = f"Validation {shown.in_sentence(score)}", shown.is_share(score)
        last = max((float(run.steps) for run in kept if run.steps), default=None) if x == "step" else None
        return (
            curve_figure(losses, title="Training loss", x_title=X_TITLES[x], share=False, last=last),
            curve_figure(drawn, title=title, x_title=X_TITLES[x], share=share, last=last, from_zero=False),
            str(curve_table(kept, losses, scores, score)),
        )

    def _log(self, run_id: str | None, source: Source, follow: bool, owner: str | None) -> str:
        if not run_id:
            return ""
        run = run_of(self.context, run_id, owner)
        return str(log_html(log_lines(self.context.store, run, source), follow=follow))

    @say_errors
    def show_log(self, run_id: str | None, source: Source, follow: bool, request: gr.Request) -> str:
        return self._log(run_id, source, follow, owner_of(request))

    @say_errors
    def redraw_curves(
        self, setting_id: str | None, validation: str | None, x: XAxis, smoothing: float, request: gr.Request
    ) -> tuple[Any, Any, str]:
        _, runs = shown.setting_and_runs(self.context, setting_id, owner_of(request))
        if not runs:
            return gr.skip(), gr.skip(), gr.skip()
        _, validation = validation_choices(self.context.store, runs, validation)
        return self._curves(runs, validation, x, smoothing)

    @say_errors
    def act_on_run(self, event: gr.EventData, request: gr.Request) -> Any:
        """Cancel one run."""
        if event.action == "cancel":
            run = run_of(self.context, event.key, owner_of(request))
            if self.context.runner.cancel(run.id):
                gr.Info(as_text(f"{run.label}, seed {run.spec.seed}: stopping."), duration=4)
        return gr.Timer(active=True)

    @say_errors
    def act_on_failure(
        self, setting_id: str | None, event: gr.EventData, request: gr.Request
    ) -> tuple[Any, Any, Any]:
        """Try again, resume, queue with the smallest change, or show the log."""
        owner = owner_of(request)
        if event.action == "log":
            run = run_of(self.context, event.key, owner)
            return gr.skip(), gr.update(value=run.id), gr.update(value="output")
        _, runs = shown.setting_and_runs(self.context, setting_id, owner)
        failure = next((one for one in failures(runs) if one.key == event.key), None)
        if failure is None:
            raise ValueError("These runs were queued again already.")
        self._again(event.action, failure.runs, owner)
        return gr.Timer(active=True), gr.skip(), gr.skip()

    def _again(self, action: str, runs: Sequence[Run], owner: str | None) -> None:
        if action == "calmer":
            specs = [RunSpec(run.spec.setting, calmer_choice(run.spec.choice), run.spec.seed) for run in runs]
            shown.queue_more(self.context, specs, owner, "calmer:" + ",".join(run.id for run in runs))
            return
        shown.check_limits(self.context, [run.spec for run in runs], owner)
        act = {"retry": self.context.runner.retry, "resume": self.context.runner.resume}[action]
        for run in runs:
            act(run.id)

    @say_errors
    def pause_queue(self) -> Any:
        """Start no further run, or go on."""
        if self.context.hosted:
            raise ValueError("A shared page's queue belongs to all its visitors and can't be paused.")
        paused = not self.context.store.is_paused()
        self.context.store.pause(paused)
        return gr.update(value="Go on" if paused else "Pause after these")

    @say_errors
    def ask_to_cancel(self, setting_id: str | None, request: gr.Request) -> tuple[Any, Any, Any]:
        active = self._active(setting_id, request)
        running = sum(run.state != "queued" for run in active)
        words = f"Cancel {len(active)} run{'s' * (len(active) != 1)}: {running} running, {len(active) - running} waiting?"
        note = "Finished runs stay. A cancelled run can be resumed from its last checkpoint."
        body = Markup('<span class="wb-strong">{}</span> <span class="wb-two">{}</span>').format(words, note)
        return gr.update(visible=bool(active)), str(body), gr.update(value=f"Cancel {len(active)}")

    @say_errors
    def cancel_all(self, setting_id: str | None, request: gr.Request) -> Any:
        for run in self._active(setting_id, request):
            self.context.runner.cancel(run.id)
        return gr.update(visible=False)

    def _active(self, setting_id: str | None, request: gr.Request) -> list[Run]:
        _, runs = shown.setting_and_runs(self.context, setting_id, owner_of(request))
        return [run for run in runs if run.state in ACTIVE_STATES]


def log_choices(runs: Sequence[Run], chosen: str | None) -> tuple[Any, str | None]:
    """The runs that have begun, those at work first; the chosen one stays chosen while it exists."""
    begun = [run for run in runs if run.state != "queued"]
    ordered = sorted(
        begun, key=lambda run: (run.state not in ("running", "starting"), -(run.started_at or 0))
    )
    choices = [(f"{run.label} seed {run.spec.seed}", run.id) for run in ordered]
    ids = [run_id for _, run_id in choices]
    value = chosen if chosen in ids else ids[0] if ids else None
    return gr.update(choices=choices, value=value), value


def validation_choices(store: Store, runs: Sequence[Run], chosen: str | None) -> tuple[Any, str | None]:
    """The scores that were measured on the way, the one that picks the checkpoint first, then those of stages; no choice
    where there is one."""
    setting = runs[0].spec.setting
    first, score = shown.chosen_by(setting), shown.judged_by(setting)
    known: set[str] = set()
    staged = {run.spec.choice.id for run in runs if stage_progress.planned(run.spec)}
    for run in runs:
        # Stages have scores of their own; runs without any all have the same.
        if (staged or not known) and (events := store.events(run.id, kinds=("evaluated",))):
            known |= {name for event in events for name in event.values}
    wanted = dict.fromkeys((first, score, "perplexity", *(STAGE_SCORES if staged else ())))
    names = [name for name in wanted if name == first or name in known]
    choices = [(metric(name).title, name) for name in names]
    if staged and any("reward" in event.values for run in runs for event in _last_step(store, run)):
        choices += [(title, name) for name, (_, title) in SAMPLED.items()]
    value = chosen if chosen in [name for _, name in choices] else first
    return gr.update(choices=choices, value=value, visible=len(choices) > 1), value


def _last_step(store: Store, run: Run) -> list[Event]:
    return store.events(run.id, kinds=("step",))[-1:]


def _progress(runs: Sequence[Run]) -> int:
    return hash(tuple((run.id, run.state, run.step) for run in runs))


def _wire(context: PageContext, p: dict[str, Any], w: _Wiring) -> None:
    shown.wire_chooser(context, p["chooser"])
    curves = {
        "fn": w.redraw_curves,
        "inputs": [context.setting_id, p["validation"], p["x"], p["smoothing"]],
    }
    plots = [p["loss_plot"], p["score_plot"], p["curve_table"]]
    p["validation"].input(**curves, outputs=plots, **QUIET)
    p["x"].input(**curves, outputs=plots, **QUIET)
    p["smoothing"].release(**curves, outputs=plots, **QUIET)
    log = [p["log_run"], p["log_source"], p["follow"]]
    for part in log:
        part.change(w.show_log, log, p["log"], **QUIET)
    redraw = {"fn": w.refresh_train, "inputs": w.inputs, "outputs": w.outputs, **QUIET}
    p["running"].action(w.act_on_run, None, context.timer, trigger_mode="once", **QUIET).then(**redraw)
    p["failures"].action(
        w.act_on_failure,
        context.setting_id,
        [context.timer, p["log_run"], p["log_source"]],
        trigger_mode="once",
        **QUIET,
    ).then(**redraw)
    p["pause"].click(w.pause_queue, None, p["pause"], trigger_mode="once", **QUIET).then(**redraw)
    p["cancel_all"].click(
        w.ask_to_cancel, context.setting_id, [p["confirm"], p["confirm_words"], p["confirm_yes"]], **QUIET
    )
    p["confirm_no"].click(_hide, None, p["confirm"], **QUIET)
    p["confirm_yes"].click(w.cancel_all, context.setting_id, p["confirm"], trigger_mode="once", **QUIET).then(
        **redraw
    )


def _wire_empty(context: PageContext, p: dict[str, Any]) -> None:
    p["empty"].action(go_to_methods, None, context.tabs, **QUIET)


def go_to_methods() -> Any:
    return gr.Tabs(selected="methods")


def _hide() -> Any:
    return gr.update(visible=False)
