"""Serves the reports that visitors of a hosted page share, at /shared/TOKEN: to be read, without script, not to be indexed."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from workbench.home import is_hosted
from workbench.hosted import load_limits, shared
from workbench.store import Store

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.responses import Response

PLACE = "/shared/"
ADDRESS = rf"{PLACE}{shared.TOKEN.pattern}"
GONE = "There is no shared comparison at this address, or not any more."
_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_NOTHING = (
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
)


def add_routes(app: FastAPI, store: Store) -> None:
    """There is none on one's own machine, where the report's download serves."""
    if not is_hosted():
        return
    from fastapi.responses import HTMLResponse, PlainTextResponse

    @app.api_route(f"{PLACE}{{token}}", methods=["GET", "HEAD"], response_class=HTMLResponse)
    def read_shared(token: str) -> Response:
        content = shared.read(store, token, load_limits())
        if content is None:
            return PlainTextResponse(GONE, 404, headers=_headers(b""))
        return HTMLResponse(content, headers=_headers(content))


def _headers(content: bytes) -> dict[str, str]:
    """Nothing runs, nothing is fetched, and nobody keeps a copy in between: a link that is taken back is gone."""
    return {
        "content-security-policy": f"{_NOTHING}; style-src {_style_source(content)}",
        "x-robots-tag": "noindex, nofollow, noarchive",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }


def _style_source(content: bytes) -> str:
    """The report's one style sheet, by its hash."""
    found = _STYLE.search(content)
    if found is None:
        return "'none'"
    return f"'sha256-{base64.b64encode(hashlib.sha256(found[1]).digest()).decode()}'"
