"""What a reader sees: the setting on show and its chooser, its comparison (read once per change), and figures in words."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from workbench import deployed_forms, registry, votes
from workbench.compare import Comparison, Row, comparison
from workbench.metric import Metric, metric
from workbench.result import ACTIVE_STATES, Run
from workbench.spec import RunSpec, Setting, canonical_json
from workbench.store import Store
from workbench.ui.context import QUIET, PageContext, setting_of
from workbench.ui.frame import budget_words, data_title, model_title
from workbench.ui.owner import STRANGER
from workbench.ui.parts import format_score, format_value

NO_RUNS = "No runs yet. Queue the plan on Methods, or run the quickstart."
SHORT_ID = 6
YARDSTICKS = {"tfidf": "TF-IDF", "nearest": "nearest example", "ngram": "n-gram model"}
"""The references that methods are compared with, by the short names that plots have room for."""


def setting_chooser() -> gr.Dropdown:
    """The earlier settings; shown only where there are several."""
    return gr.Dropdown(
        [],
        label="Setting",
        show_label=False,
        container=False,
        filterable=False,
        visible=False,
        elem_classes=["wb-setting-chooser"],
    )


def show_choices(context: PageContext, owner: str | None, setting_id: str | None) -> dict[str, Any]:
    """The update of a setting chooser."""
    known = context.store.settings(owner)
    choices = [(setting_title(setting), setting.id) for setting, _ in known]
    return gr.update(choices=choices, value=setting_id, visible=len(choices) > 1)


def wire_chooser(context: PageContext, chooser: gr.Dropdown) -> Any:
    """Choosing a setting here changes it for every tab; the page redraws those that show it."""

    def show_setting(setting_id: str | None) -> str | None:
        return setting_id

    return chooser.input(show_setting, chooser, context.setting_id, **QUIET)


def setting_title(setting: Setting) -> str:
    words = (
        data_title(setting.data.source),
        model_title(setting.model),
        f"{budget_words(setting.budget)}, batch {setting.batch_size}",
        setting.id[:SHORT_ID],
    )
    return " / ".join(words)


def compared(store: Store, setting_id: str | None, owner: str | None) -> Comparison | None:
    """The comparison on show, computed once per change of the store and shared by all who look at it."""
    if setting_id is None:
        return None
    return _compared(store, setting_id, owner, _fingerprint(store, setting_id, owner))


@functools.lru_cache(maxsize=32)
def _compared(store: Store, setting_id: str, owner: str | None, fingerprint: tuple[Any, ...]) -> Comparison:
    del fingerprint  # part of the cache key
    return comparison(store, setting_id, owner=owner)


def _fingerprint(store: Store, setting_id: str, owner: str | None) -> tuple[Any, ...]:
    """Changes when a run of the setting comes, goes or changes its state, when one of its forms was scored, and with every
    vote; steps don't count."""
    runs = store.runs(setting_id=setting_id, owner=owner)
    done = [run.id for run in runs if run.state == "finished"]
    told = (deployed_forms.stamp(store, done), votes.stamp(store, setting_id))
    return (*((run.id, run.state, run.attempt) for run in runs), told)


def fingerprint(store: Store, setting_id: str | None, owner: str | None) -> str:
    """The same as text, for a page to remember what it drew last."""
    return "" if setting_id is None else str(hash(_fingerprint(store, setting_id, owner)))


def setting_and_runs(
    context: PageContext, setting_id: str | None, owner: str | None
) -> tuple[str | None, list[Run]]:
    """The setting on show and its runs that this visitor may see."""
    chosen = setting_of(context, setting_id, owner)
    return chosen, context.store.runs(setting_id=chosen, owner=owner) if chosen else []


def queue_more(context: PageContext, specs: Sequence[RunSpec], owner: str | None, key: str) -> list[str]:
    """Queue further runs of a setting for this visitor, within the limits of a hosted page."""
    if owner == STRANGER:
        raise ValueError("This page knows its visitors by a cookie: allow cookies for it and reload.")
    if not specs:
        raise ValueError("These runs are queued already: nothing was added.")
    check_limits(context, specs, owner)
    return context.store.add(specs, owner=owner or "", key=key)


def check_limits(context: PageContext, specs: Sequence[RunSpec], owner: str | None) -> None:
    """ValueError where a visitor of a hosted page would have too many runs at a time."""
    if context.limits is None:
        return
    active = len(context.store.runs(states=ACTIVE_STATES, owner=owner))
    if active + len(specs) > context.limits.runs:
        already = f", and {active} of yours are not done yet" if active else ""
        raise ValueError(
            f"This shared page takes {context.limits.runs} runs of a visitor at a time; this would be"
            f" {len(specs)}{already}: wait for those, or run the workbench on your own machine."
        )


def in_words(value: float | None, column: str | Metric) -> str:
    """A figure of a column with its unit, as the page writes it; empty where nothing was measured."""
    column = metric(column) if isinstance(column, str) else column
    if value is None:
        return ""
    if column.format == "share" and column.group == "how good":
        return f"{format_score(value)}\u00a0%"
    unit = f"\u00a0{column.unit}" if column.format in ("number", "ratio") and column.unit else ""
    return format_value(value, column.format) + unit


def plain_figure(value: float | None, column: str) -> str:
    """The same without its unit, for tables whose head says it: scores in percent with one decimal."""
    return format_score(value) if is_share(column) else format_value(value, metric(column).format)


def is_share(column: str) -> bool:
    """Whether a score goes from 0 to 1 and is written in percent."""
    return metric(column).format == "share"


def head_of(column: str) -> str:
    """A score's title with its unit, for the head of a column: "chrF, %"."""
    return metric(column).title + (", %" if is_share(column) else "")


def in_sentence(column: str) -> str:
    """A metric's title within a sentence: "accuracy", but "chrF" and "ROUGE-L" as they are written."""
    words = metric(column).title.split()
    return " ".join(word.lower() if word[1:].islower() else word for word in words)


def judged_by(setting: Setting) -> str:
    """What the runs of a setting are ranked by."""
    return _names(setting.task, canonical_json(dict(setting.task_options)))[0]


def chosen_by(setting: Setting) -> str:
    """What is measured on the validation part on the way, and picks the checkpoint."""
    return _names(setting.task, canonical_json(dict(setting.task_options)))[1]


@functools.lru_cache(maxsize=256)
def _names(task: str, options_json: str) -> tuple[str, str]:
    known = registry.task(task)
    options = known.options.from_dict(json.loads(options_json))
    return known.judged_by(options), known.chosen_by(options)


def writes_text(setting: Setting) -> bool:
    """Whether an answer is a text of the model's own, not a label."""
    return "text" in registry.task(setting.task).silence


def times(column: str) -> float:
    """What a score is multiplied by to be drawn: shares stand in percent, everything else as it is."""
    return 100.0 if is_share(column) else 1.0


def yardstick_words(row: Row) -> str:
    return YARDSTICKS.get(row.key, row.label)


def yardstick_of(found: Comparison) -> Row | None:
    """The reference row that methods are compared with."""
    return next((row for row in found.references if row.key == found.yardstick), None)


def score_of(run: Run) -> float | None:
    """A finished run's test score on what its setting is judged by."""
    return None if run.result is None else run.result.metrics.get(judged_by(run.spec.setting))


def place_of(run: Run) -> float:
    """What runs are sorted by, the best first and those without a score last."""
    score = score_of(run)
    if score is None:
        return float("inf")
    return score if metric(judged_by(run.spec.setting)).better == "lower" else -score
