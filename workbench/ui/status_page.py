"""The routes `/health` (JSON, for monitors and open tabs) and `/status` (the same for people), which name nobody."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from workbench.home import is_hosted
from workbench.hosted.limits import load_limits
from workbench.hosted.state import State, page_state
from workbench.ui.shared_notice import limits_list, own_page

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse

    from workbench.store import Store

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.05rem; margin-top: 2rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem } dd { margin: 0 }
.ok::before { content: "\\25CF  "; color: #2a8a4a } .trouble::before { content: "\\25B2  "; color: #c4432b }
code { overflow-wrap: anywhere }
"""


def watch(store: Store, *troubles: Callable[[], str | None]) -> Callable[[], State]:
    """A function that says how the page is doing, from now on."""
    started, since = secrets.token_hex(4), time.monotonic()
    return lambda: page_state(store, started, since, *(ask() for ask in troubles))


def add_routes(app: FastAPI, look: Callable[[], State]) -> None:
    from fastapi.responses import HTMLResponse

    @app.get("/health")
    def health() -> dict[str, Any]:
        return look().document()

    @app.get("/status", response_class=HTMLResponse)
    def status() -> HTMLResponse:
        return HTMLResponse(str(page(look())), headers={"cache-control": "no-store"})


def page(state: State) -> Markup:
    """For people: is it well, how long is the queue, what may I ask for."""
    word = "All is well." if state.status == "ok" else "There is trouble."
    said = Markup("").join(Markup("<p>{}</p>").format(sentence) for sentence in state.trouble)
    facts = Markup("").join(
        Markup("<dt>{}</dt><dd>{}</dd>").format(name, value)
        for name, value in (
            ("Training now", f"{state.running} runs"),
            ("Waiting", f"{state.waiting} runs of {state.visitors} visitors, who take turns"),
            ("Up since", _duration(state.up_seconds)),
            ("Disk left", f"{state.disk_free_bytes / 1e9:,.1f} GB"),
            ("Version", state.version),
        )
    )
    limits = (
        Markup("<h2>What a visitor may ask for</h2>{}<h2>A page of your own</h2>{}").format(
            limits_list(load_limits()), own_page()
        )
        if is_hosted()
        else Markup("")
    )
    return Markup(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport"'
        ' content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="30">'
        "<title>Status of the workbench</title><style>{}</style></head><body>"
        '<h1 class="{}" role="status">{}</h1>{}<dl>{}</dl>{}<p><a href="/">To the workbench</a></p></body></html>'
    ).format(Markup(_STYLE), state.status, word, said, facts, limits)


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, 86400)
    hours, minutes = divmod(rest // 60, 60)
    return f"{days} days {hours} h" if days else f"{hours} h {minutes} min"
