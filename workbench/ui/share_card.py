"""Shares a comparison of a hosted page by a link: what others will read, the links that there are, and the way to end them."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.hosted import Limits, load_limits, shared
from workbench.hosted.shared import Shared
from workbench.shared_report import INSIDE, OUTSIDE, shared_html
from workbench.ui import shown
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors, setting_of
from workbench.ui.controls import html_block
from workbench.ui.parts import button
from workbench.ui.shared_page import PLACE

_ORIGIN = re.compile(r"https?://[^/\s<>\"']+")


def is_offered(context: PageContext) -> bool:
    """On a hosted page whose settings allow it; elsewhere the report's download serves."""
    return context.hosted and load_limits().shared_reports > 0


def draw_button(p: dict[str, Any]) -> None:
    p["share"] = gr.Button("Share", size="sm")


def draw(p: dict[str, Any]) -> None:
    """Shown when the button is pressed."""
    p["share_open"] = gr.State(False)
    with gr.Column(visible=False, elem_classes="wb-card wb-share") as p["share_box"]:
        p["share_about"] = html_block("")
        p["share_now"] = gr.Button(
            "Share this comparison", size="sm", variant="primary", elem_classes="wb-share-now"
        )
        p["share_links"] = html_block("")


def wire(context: PageContext, p: dict[str, Any]) -> None:
    if "share" not in p:
        return

    @say_errors
    def open_sharing(open_now: bool, request: gr.Request) -> tuple[Any, bool, str, str]:
        about = str(explanation(load_limits()))
        return gr.update(visible=not open_now), not open_now, about, links(request)

    @say_errors
    def share_comparison(setting_id: str | None, request: gr.Request) -> str:
        """Write the report of the comparison on show, and show its link."""
        owner = owner_of(request)
        found = shown.compared(context.store, setting_of(context, setting_id, owner), owner)
        if found is None or owner is None:
            raise ValueError(shown.NO_RUNS)
        title, html = shared_html(context.store, found, owner)
        shared.share(context.store, owner, html, title, load_limits())
        return links(request)

    @say_errors
    def act_on_shared(event: gr.EventData, request: gr.Request) -> str:
        """Stop sharing one of the visitor's own."""
        if event.action == "unshare" and not shared.stop(
            context.store, str(event.key), owner_of(request) or ""
        ):
            raise ValueError("This comparison is not shared any more.")
        return links(request)

    def links(request: gr.Request) -> str:
        limits, owner = load_limits(), owner_of(request)
        mine = shared.shared(context.store, limits, owner or "")
        return str(links_list(mine, limits, page_address(request)))

    opened = [p["share_box"], p["share_open"], p["share_about"], p["share_links"]]
    p["share"].click(open_sharing, p["share_open"], opened, **QUIET)
    p["share_now"].click(share_comparison, context.setting_id, p["share_links"], trigger_mode="once", **QUIET)
    p["share_links"].action(act_on_shared, None, p["share_links"], trigger_mode="once", **QUIET)


def page_address(request: gr.Request) -> str:
    """The page as its reader's browser calls it, for a proxy may stand before us; empty where that is not said."""
    origin = str(request.headers.get("origin", ""))
    return origin if _ORIGIN.fullmatch(origin) else ""


def explanation(limits: Limits) -> Markup:
    """Exactly what others will read, and for how long."""
    return Markup(
        '<div class="wb-head"><h3>{}</h3><span class="wb-note">{}</span></div>'
        "<p>{}</p><dl><dt>{}</dt><dd>{}</dd><dt>{}</dt><dd>{}</dd></dl>"
    ).format(
        "Share this comparison",
        "a page that others can read",
        f"Anyone with its link can read it, without signing in. It stays as it is now, for {_days(limits.shared_days)} or"
        " until you stop sharing it.",
        "In it",
        _listed(INSIDE),
        "Not in it",
        _listed(OUTSIDE),
    )  # fmt: skip


def links_list(mine: Sequence[Shared], limits: Limits, address: str) -> Markup:
    """The visitor's own links, the newest first."""
    if not mine:
        return Markup('<p class="wb-note">{}</p>').format("You share no comparison yet.")
    items = Markup("").join(_link(one, limits, address) for one in mine)
    count = Markup('<p class="wb-note">{}</p>').format(
        f"{len(mine)} of at most {limits.shared_reports} shared comparisons."
    )
    return Markup('<ul class="wb-shared">{}</ul>{}').format(items, count)


def _link(one: Shared, limits: Limits, address: str) -> Markup:
    link = f"{address}{PLACE}{one.token}"
    return Markup(
        '<li><div class="wb-strong">{title}</div><div class="wb-note">{when}</div><div class="wb-shared-link">'
        '<input type="text" readonly value="{link}" aria-label="Link to the shared comparison">'
        '<button type="button" class="wb-button wb-button-secondary wb-small" data-copy data-copied="Copied">Copy link</button>'
        '<a class="wb-button wb-button-secondary wb-small" href="{link}" target="_blank" rel="noopener">Open</a>{stop}</div></li>'
    ).format(
        title=one.title,
        when=f"Shared {_moment(one.made_at)}, ends {_moment(one.ends_at(limits))}",
        link=link,
        stop=button("Stop sharing", "unshare", one.token),
    )


def _listed(words: Sequence[str]) -> str:
    return f"{'; '.join(words)}."


def _moment(at: float) -> str:
    return time.strftime("%d %b %Y, %H:%M UTC", time.gmtime(at))


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number:,} days"
