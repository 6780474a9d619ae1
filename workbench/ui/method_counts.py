"""What the Methods tab shows of a plan in cards, drawer and footer: at once what is known, then what had to be asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import gradio as gr

from workbench import registry
from workbench.ui import asking, method_cards, parts, well_known
from workbench.ui.asking import Choice
from workbench.ui.cards import redraw
from workbench.ui.context import PageContext, sentence_of
from workbench.ui.live_plan import MOST_PAGES, current_plan
from workbench.ui.method_cards import Counts, Reasons
from workbench.ui.owner import owner_of
from workbench.ui.plan import Plan, method_of, ticked_keys, to_yaml
from workbench.ui.plan_footer import plan_footer, queue_label

Updates = dict[Any, Any]
COUNTED_AT_ONCE = 8
_turns: dict[str, int] = {}
_turning = threading.Lock()
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
        "finding",
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
    """Cards, drawer and footer of the newest plan: at once with what is known, then with what had to be asked, as it comes.

    Asking takes seconds in which the reader ticks on: what is drawn afterwards is the plan as it stands then, and only by
    the newest event of the page. Without `ticks` the boxes are left as the reader has them.
    """
    words = (words or "").strip()
    plan, owner = current_plan(plan, request), owner_of(request)
    store, model, task = context.store, plan["model"], plan["task"]
    labels = (plan["data"] or {}).get("labels") or LABELS
    turn = _next_turn(request)

    def known(newest: Plan) -> tuple[dict[str, Choice], Counts]:
        asked = _all_choices(newest)
        return asked, {
            key: asking.known_count(store, model, owner, choice, task, labels)
            for key, choice in asked.items()
        }

    reasons = asking.known_fit(store, model, owner, task) or {}
    asked, counts = known(plan)
    yield _plan_updates(at, plan, opened, reasons, counts, words, ticks)
    if all(counts[key] is not None or reasons.get(asked[key][0]) for key in asked):
        return
    first = [method_of(opened), *(entry["method"] for entry in plan["choices"]), *well_known.HANDFUL]
    try:
        for reasons in asking.fit_as_found(
            store, model, owner, task, [*first, *sorted(registry.methods(), key=well_known.order)]
        ):
            while True:
                newest = current_plan(plan, request)
                if (newest["model"], newest["task"]) != (model, task) or _turns.get(_page(request)) != turn:
                    return  # whoever changed it draws it
                asked, counts = known(newest)
                yield _card_updates(at, newest, opened, reasons, counts, words)
                missing = [
                    choice
                    for key, choice in asked.items()
                    if counts[key] is None and choice[0] in reasons and not reasons[choice[0]]
                ]
                if not missing:
                    break
                asking.count_choices(store, model, owner, missing[:COUNTED_AT_ONCE], task, labels)
    except Exception as error:
        yield {at["finding"]: ""}
        gr.Warning(f"What the methods train can’t be counted: {parts.join(sentence_of(error))}", duration=10)
        return
    yield _plan_updates(at, newest, opened, reasons, counts, words, ticks)


def _page(request: gr.Request | None) -> str:
    return str(getattr(request, "session_hash", None))


def _next_turn(request: gr.Request | None) -> int:
    """Which event of its page this is: an older one that is still under way stops drawing."""
    with _turning:
        page = _page(request)
        _turns[page] = turn = _turns.pop(page, 0) + 1
        while len(_turns) > MOST_PAGES:
            del _turns[next(iter(_turns))]
    return turn


def _all_choices(plan: Plan) -> dict[str, Choice]:
    """Every card's key with its method and all its options."""
    keys = dict.fromkeys([*registry.methods(), *ticked_keys(plan), *plan["drafts"]])
    found: dict[str, Choice] = {}
    for key in keys:
        method, options = method_cards.options_of(plan, key)
        if plan["task"] in method.tasks:
            found[key] = (method.name, options.to_dict())
    return found


def _plan_updates(
    at: dict[str, Any],
    plan: Plan,
    opened: str,
    reasons: Reasons,
    counts: Counts,
    words: str,
    ticks: bool,
) -> Updates:
    method = registry.method(method_of(opened))
    reason = reasons.get(method.name)
    count = {"reason": reason} if reason else counts.get(opened)
    return {
        **_card_updates(at, plan, opened, reasons, counts, words, ticks),
        at["queue"]: gr.Button(queue_label(plan), interactive=bool(plan["choices"])),
        at["count"]: str(method_cards.count_box(count)),
        at["drawer_head"]: str(method_cards.drawer_head(opened)),
        at["card_panel"]: str(method_cards.drawer_card(method)),
        at["code"]: _code(plan, opened),
        at["command"]: _COMMAND,
        at["again"]: gr.Button(f"Add {method.title} again, other options", interactive=not reason),
        at["take_out"]: gr.Button(visible=opened != method.name),
    }


def _card_updates(
    at: dict[str, Any],
    plan: Plan,
    opened: str,
    reasons: Reasons,
    counts: Counts,
    words: str,
    ticks: bool = False,
) -> Updates:
    """What changes while reasons and counts arrive."""
    groups = method_cards.card_groups(plan, reasons, counts, words)
    found = len({method_of(card.key) for group in groups for card in (*group.cards, *group.more)})
    names = registry.methods()
    usable = [name for name in reasons if not reasons[name] and plan["task"] in names[name].tasks]
    ready = len(reasons) - sum(1 for name in usable if counts.get(name) is None)
    return {
        at["grid"]: redraw(groups, ticked=ticked_keys(plan) if ticks else None, opened=opened),
        at["title"]: str(method_cards.title_line(plan, reasons, words, found)),
        at["finding"]: str(method_cards.finding_out(ready)),
        at["footer"]: str(plan_footer(plan, counts, reasons)),
    }


def _code(plan: Plan, key: str) -> str:
    try:
        return to_yaml(plan, only=key)
    except ValueError as error:
        return f"# {error}"
