"""What the Methods tab shows of a plan in cards, drawer and footer: at once what is known, then what had to be asked."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from workbench import registry
from workbench.ui import asking, clicks, method_cards, parts, well_known
from workbench.ui.asking import Choice
from workbench.ui.cards import redraw
from workbench.ui.context import QUIET, PageContext, say_errors, sentence_of
from workbench.ui.live_plan import MOST_PAGES, current_plan
from workbench.ui.method_cards import Counts, Reasons
from workbench.ui.owner import owner_of
from workbench.ui.plan import Plan, method_of, ticked_keys, to_yaml
from workbench.ui.plan_footer import plan_footer, queue_label

Updates = dict[Any, Any]
COUNTED_AT_ONCE = 8


@dataclass(frozen=True)
class _Turn:
    """The newest event of a page: which it was, and which method and words it shows."""

    number: int
    opened: str
    words: str

    @property
    def shows(self) -> tuple[str, str]:
        return self.opened, self.words


_turns: dict[str, _Turn] = {}
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
        "watch",
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
    """Cards, drawer and footer of the newest plan with what is known at once; `watch_counts` is then woken for the rest,
    so that no event of the reader's waits for it. Without `ticks` the boxes are left as the reader has them."""
    turn = _next_turn(request, opened, (words or "").strip())
    yield from _draw_newest(context, at, plan, turn, request, ticks)


def _draw_newest(
    context: PageContext,
    at: dict[str, Any],
    plan: Plan,
    turn: _Turn,
    request: gr.Request,
    ticks: bool,
) -> Iterator[Updates]:
    """Draw until what was sent last is the newest. Between reading the plan and sending it another event may have changed it
    and sent its own first; the older sending would then stand on the page."""
    while True:
        heard, plan = clicks.dealt_with(request), current_plan(plan, request)
        reasons, asked, counts = _known(context, plan, owner_of(request))
        updates = _plan_updates(at, plan, turn.opened, reasons, counts, turn.words, ticks, heard)
        if not all(counts[key] is not None or reasons.get(asked[key][0]) for key in asked):
            updates[at["watch"]] = secrets.token_hex(8)
        yield updates
        newest, last = current_plan(plan, request), _turns.get(_page(request), turn)
        if newest == plan and last.shows == turn.shows:
            return
        turn, ticks = last, True


def wire_counts(context: PageContext, at: dict[str, Any]) -> None:
    """Ask for what is not known yet, and draw it as it comes."""

    @say_errors
    def watch_counts(plan: Plan, opened: str | None, words: str, request: gr.Request) -> Iterator[Updates]:
        """Asking takes seconds in which the reader ticks on: what is drawn is the plan as it stands then, and only by the
        newest watch of the page."""
        words, opened = (words or "").strip(), opened or next(iter(registry.methods()))
        plan, owner = current_plan(plan, request), owner_of(request)
        store, model, task = context.store, plan["model"], plan["task"]
        turn = _next_turn(request, opened, words)
        drawn: Plan | None = None
        first = [method_of(opened), *(entry["method"] for entry in plan["choices"]), *well_known.HANDFUL]
        order = [*first, *sorted(registry.methods(), key=well_known.order)]
        try:
            for reasons in asking.fit_as_found(store, model, owner, task, order):
                while True:
                    newest, last = current_plan(plan, request), _turns.get(_page(request), turn)
                    if (newest["model"], newest["task"]) != (model, task) or last != turn:
                        if drawn is not None and (newest, last.shows) != (drawn, turn.shows):
                            yield from _draw_newest(context, at, newest, last, request, False)
                        return
                    _, asked, counts = _known(context, newest, owner)
                    drawn = newest
                    yield _card_updates(at, newest, opened, reasons, counts, words)
                    missing = [
                        choice
                        for key, choice in asked.items()
                        if counts[key] is None and choice[0] in reasons and not reasons[choice[0]]
                    ]
                    if not missing:
                        break
                    labels = _labels(newest)
                    asking.count_choices(store, model, owner, missing[:COUNTED_AT_ONCE], task, labels)
        except Exception as error:
            yield {at["finding"]: ""}
            gr.Warning(
                f"What the methods train can’t be counted: {parts.join(sentence_of(error))}", duration=10
            )
            return
        yield from counted(context, at, newest, opened, words, request, ticks=False)

    at["watch"].change(
        watch_counts,
        [context.plan, at["opened"], at["search"]],
        plan_outputs(context, at),
        trigger_mode="multiple",
        **QUIET,
    )


def _labels(plan: Plan) -> int:
    return int((plan["data"] or {}).get("labels") or LABELS)


def _known(context: PageContext, plan: Plan, owner: str | None) -> tuple[Reasons, dict[str, Choice], Counts]:
    """Reasons, every choice there is a card of, and what each trains, as far as anybody asked before."""
    store, model, task, labels = context.store, plan["model"], plan["task"], _labels(plan)
    asked = _all_choices(plan)
    counts = {
        key: asking.known_count(store, model, owner, choice, task, labels) for key, choice in asked.items()
    }
    return asking.known_fit(store, model, owner, task) or {}, asked, counts


def _page(request: gr.Request | None) -> str:
    return str(getattr(request, "session_hash", None))


def _next_turn(request: gr.Request | None, opened: str, words: str) -> _Turn:
    """The event that asks is its page's newest: an older one that is still under way stops drawing."""
    with _turning:
        page = _page(request)
        before = _turns.pop(page, None)
        _turns[page] = turn = _Turn(before.number + 1 if before else 1, opened, words)
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
    heard: int | None,
) -> Updates:
    method = registry.method(method_of(opened))
    reason = reasons.get(method.name)
    count = {"reason": reason} if reason else counts.get(opened)
    return {
        **_card_updates(at, plan, opened, reasons, counts, words, ticks, heard),
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
    heard: int | None = None,
) -> Updates:
    """What changes while reasons and counts arrive; with `ticks` also these, `heard` clicks in them."""
    groups = method_cards.card_groups(plan, reasons, counts, words)
    found = len({method_of(card.key) for group in groups for card in (*group.cards, *group.more)})
    names = registry.methods()
    usable = [name for name in reasons if not reasons[name] and plan["task"] in names[name].tasks]
    ready = len(reasons) - sum(1 for name in usable if counts.get(name) is None)
    return {
        at["grid"]: redraw(groups, ticked=ticked_keys(plan) if ticks else None, clicks=heard, opened=opened),
        at["title"]: str(method_cards.title_line(plan, reasons, words, found)),
        at["finding"]: str(method_cards.finding_out(ready)),
        at["footer"]: str(plan_footer(plan, counts, reasons)),
    }


def _code(plan: Plan, key: str) -> str:
    try:
        return to_yaml(plan, only=key)
    except ValueError as error:
        return f"# {error}"
