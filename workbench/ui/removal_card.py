"""Removes everything of a visitor of a hosted page: the offer beside the limits, what exactly would go, what went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.hosted import Limits, load_limits, removal
from workbench.hosted.limits import minutes
from workbench.hosted.removal import Holdings
from workbench.ui import parts, shared_notice
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors
from workbench.ui.controls import html_block
from workbench.ui.live_plan import change_plan
from workbench.ui.owner import STRANGER
from workbench.ui.plan import Plan, empty_plan

ASK, KEEP, REMOVE = "ask_removal", "keep", "remove_everything"


def draw(context: PageContext, at: dict[str, Any]) -> None:
    """The notice of a shared page with the offer in it; `removed` counts how often something went."""
    assert context.limits is not None
    at["shared_notice"] = html_block(shared_notice.notice(context.limits, offer()))
    at["removed"] = gr.State(0)


def wire(context: PageContext, at: dict[str, Any]) -> None:
    if "removed" not in at:
        return
    block = at["shared_notice"]

    @say_errors
    def act_on_removal(
        plan: Plan, times: int, event: gr.EventData, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        """Ask first; what is removed is the asking visitor's own, whatever the request names."""
        owner, limits = owner_of(request), load_limits()
        if owner is None or owner == STRANGER:
            raise ValueError("This page knows its visitors by a cookie: allow cookies for it and reload.")
        if event.action != REMOVE:
            found = removal.holdings(context.store, owner) if event.action == ASK else None
            yield {
                block: _notice(limits, offer() if found is None else question(found, limits)),
            }
            return
        yield {block: _notice(limits, parts.badge("busy", "Removing"))}
        try:
            found = removal.forget_owner(context.store, owner)
        except Exception:
            yield {block: _notice(limits, offer())}
            raise
        yield {
            block: _notice(limits, answer(found)),
            at["removed"]: times + 1,
            context.plan: change_plan(plan, request, lambda _: empty_plan()),
            context.setting_id: None,
            # Its next tick finds the store changed, and the header is drawn anew.
            context.timer: gr.Timer(active=True),
        }

    outputs = [block, at["removed"], context.plan, context.setting_id, context.timer]
    block.action(act_on_removal, [context.plan, at["removed"]], outputs, trigger_mode="once", **QUIET)


def _notice(limits: Limits, mine: Markup) -> str:
    return str(shared_notice.notice(limits, mine))


def offer() -> Markup:
    return Markup('<div class="wb-row">{}</div>').format(parts.button("Remove everything of mine", ASK))


def question(found: Holdings, limits: Limits) -> Markup:
    """What exactly goes, before it goes."""
    if not found:
        return Markup("<p>{}</p>{}").format("Nothing of yours is kept here.", offer())
    copies = (
        f"The server's copy of its store loses it with its next renewal, about every {minutes(60 * limits.snapshot_minutes)}."
        if limits.snapshot_file
        else ""
    )
    return Markup(
        '<h3 class="wb-strong">{}</h3>{}<p class="wb-note">{}</p>{}<div class="wb-row">{}{}</div>'
    ).format(
        "Remove all this for good?",
        _list(found),
        "Runs that wait or train are stopped first, and your plan on this page is emptied. Nobody else's things are touched."
        " Temporary copies of files that went up or down go within a day. Download what you want to keep first.",
        Markup('<p class="wb-note">{}</p>').format(copies) if copies else "",
        parts.button("Remove it all", REMOVE, kind="primary"),
        parts.button("Keep it", KEEP, kind="quiet"),
    )


def answer(found: Holdings) -> Markup:
    """What went, and what goes in a moment."""
    if not found:
        return Markup("<p>{}</p>").format("Nothing of yours is kept here.")
    waiting = (
        "One of these runs is stopping still and goes as soon as it has."
        if found.active == 1
        else f"{found.active:,} of these runs are stopping still and go as soon as they have."
    )
    return Markup('<h3 class="wb-strong">{}</h3>{}{}<div class="wb-row">{}</div>').format(
        "Removed, and nobody can bring it back:",
        _list(found),
        Markup('<p class="wb-note">{}</p>').format(waiting) if found.active else "",
        parts.button("Close", KEEP, kind="quiet"),
    )


def _list(found: Holdings) -> Markup:
    items = Markup("").join(Markup("<li>{}</li>").format(sentence) for sentence in found.words())
    return Markup('<ul class="wb-removal">{}</ul>').format(items)
