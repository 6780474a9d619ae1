"""The projector view of a workshop: a page of its own in large type that follows what the teacher chooses to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from workbench import lessons, workshop
from workbench.store import Store
from workbench.ui import theme
from workbench.ui.language import asked_language
from workbench.ui.owner import owner_of
from workbench.ui.workshop_panes import pane_html

if TYPE_CHECKING:
    from fastapi import FastAPI

_SCRIPT = """
const pane = document.querySelector("main");
async function look() {
  try {
    const answer = await fetch("projector/pane", { cache: "no-store" });
    if (answer.ok) { const html = await answer.text(); if (html !== pane.innerHTML) pane.innerHTML = html; }
  } finally { setTimeout(look, 2000); }
}
look();
"""


def add_routes(app: FastAPI, store: Store) -> None:
    """`/projector` and the pane that it asks for; there is neither where the page is open for no workshop."""
    if workshop.code() is None:
        return
    # FastAPI reads the annotations of its handlers from the module's names.
    from fastapi import Request
    from fastapi.responses import HTMLResponse, PlainTextResponse

    async def projector(request: Request) -> Any:
        refusal = _refusal(store, request)
        return (
            PlainTextResponse(refusal, 403) if refusal else HTMLResponse(str(page(asked_language(request))))
        )

    def pane(request: Request) -> Any:
        refusal = _refusal(store, request)
        if refusal:
            return PlainTextResponse(refusal, 403)
        return HTMLResponse(str(pane_html(store, asked_language(request), str(request.base_url))))

    for path, handler in (("/projector", projector), ("/projector/pane", pane)):
        handler.__annotations__["request"] = Request
        app.get(path, response_class=HTMLResponse)(handler)


def _refusal(store: Store, request: Any) -> str:
    """Names are for those who joined."""
    if workshop.participant(store, owner_of(request)) is None:
        return "Join the workshop first."
    return ""


def page(language: str) -> Markup:
    title = lessons.words(language)["workshop"].format(code=workshop.code())
    return Markup(
        '<!doctype html><html lang="{}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>{}</title><style>{}</style></head>"
        '<body><div class="gradio-container wb-projector"><p class="wb-projector-title">{}</p><main aria-live="polite"></main></div>'
        "<script>{}</script></body></html>"
    ).format(language, title, Markup(theme.css()), title, Markup(_SCRIPT))
