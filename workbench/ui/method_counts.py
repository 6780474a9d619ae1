"""What the Methods tab shows of a plan in cards, drawer and footer: at once what is known, then what had to be counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from workbench import registry
from workbench.ui import asking, method_cards, parts
from workbench.ui.cards import redraw
from workbench.ui.context import PageContext, sentence_of
from workbench.ui.live_plan import current_plan
from workbench.ui.owner import owner_of
from workbench.ui.plan import Plan, method_of, ticked_keys, to_yaml

Updates = dict[Any, Any]
LABELS = 2
"""Taken for counting while the data are not known: a head for two labels."""
_COMMAND = (
    '<p class="wb-note">Kept as my-comparison.yaml, it runs without the page:'
    ' <span class="wb-mono">workbench run my-comparison.yaml</span></p>'
)


def plan_outputs(context: PageContext, at: dict[str, Any]) -> list[Any]:
    names = (
        "grid",
        "title",
        "footer",
        "queue",
        "count",
        "drawer_head",
        "card_panel",
        "code",
        "command",
        "again",
        "take_out",
    )
    return [context.plan, *(at[name] for name in names)]


def counted(
    context: PageContext,
    at: dict[str, Any],
    plan: Plan,
    opened: str,
    words: str,
    request: gr.Request,
    *,
    ticks: bool = True,
) -> Iterator[Updates]:
    """Cards, drawer and footer of the newest plan: at once with what is known, then with what had to be asked.

    Asking takes seconds in which the reader ticks on: what is drawn afterwards is the plan as it stands then. Without
    `ticks` the boxes are left as the reader has them.
    """
    words = (words or "").strip()
    plan, owner = current_plan(plan, request), owner_of(request)
    store, model, task = context.store, plan["model"], plan["task"]
    labels = (plan["data"] or {}).get("labels") or LABELS
    reasons = asking.known_fit(store, model, owner, task)
    asked = _all_choices(plan)
    counts = {
        key: asking.known_count(store, model, owner, choice, task, labels) for key, choice in asked.items()
    }
    yield _plan_updates(at, plan, opened, reasons, counts, words, ticks)
    if reasons is not None and all(counts[key] is not None or reasons.get(asked[key][0]) for key in asked):
        return
    try:
        reasons = asking.methods_that_fit(store, model, owner, task)
        fitting = {key: choice for key, choice in asked.items() if not reasons.get(choice[0])}
        rows = asking.count_choices(store, model, owner, list(fitting.values()), task, labels)
    except Exception as error:
        gr.Warning(f"What the methods train can’t be counted: {parts.join(sentence_of(error))}", duration=10)
        return
    newest = current_plan(plan, request)
    if (newest["model"], newest["task"]) != (model, task):
        return  # whoever changed it draws it
    known = dict(zip(fitting, rows))
    counts = {
        key: known.get(key) or asking.known_count(store, model, owner, choice, task, labels)
        for key, choice in _all_choices(newest).items()
    }
    yield _plan_updates(at, newest, opened, reasons, counts, words, ticks)


def _all_choices(plan: Plan) -> dict[str, tuple[str, dict[str, Any]]]:
    """Every card's key with its method and all its options."""
    keys = dict.fromkeys([*registry.methods(), *ticked_keys(plan), *plan["drafts"]])
    found = {}
    for key in keys:
        method, options = method_cards.options_of(plan, key)
        if plan["task"] in method.tasks:
            found[key] = (method.name, options.to_dict())
    return found


def _plan_updates(
    at: dict[str, Any],
    plan: Plan,
    opened: str,
    reasons: Mapping[str, str | None] | None,
    counts: Mapping[str, Mapping[str, Any] | None],
    words: str,
    ticks: bool,
) -> Updates:
    groups = method_cards.card_groups(plan, reasons, counts, words)
    found = len({method_of(card.key) for group in groups for card in group.cards})
    method = registry.method(method_of(opened))
    reason = (reasons or {}).get(method.name)
    count = {"reason": reason} if reason else counts.get(opened)
    return {
        at["grid"]: redraw(groups, ticked=ticked_keys(plan) if ticks else None, opened=opened),
        at["title"]: str(method_cards.title_line(plan, reasons, words, found)),
        at["footer"]: str(method_cards.plan_footer(plan, counts)),
        at["queue"]: gr.Button(method_cards.queue_label(plan), interactive=bool(plan["choices"])),
        at["count"]: str(method_cards.count_box(count)),
        at["drawer_head"]: str(method_cards.drawer_head(opened)),
        at["card_panel"]: str(method_cards.drawer_card(method)),
        at["code"]: _code(plan, opened),
        at["command"]: _COMMAND,
        at["again"]: gr.Button(f"Add {method.title} again, other options", interactive=not reason),
        at["take_out"]: gr.Button(visible=opened != method.name),
    }


def _code(plan: Plan, key: str) -> str:
    try:
        return to_yaml(plan, only=key)
    except ValueError as error:
        return f"# {error}"
