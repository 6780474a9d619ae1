"""Who is asking: a signed cookie per visitor on a hosted page, nobody in particular on one's own machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from workbench import hosted
from workbench.home import is_hosted

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response
    from fastapi.responses import JSONResponse

COOKIE = "workbench_owner"
STRANGER = "stranger"
"""A visitor without a cookie: owns nothing and may queue nothing."""
_YEAR = 365 * 24 * 3600
_secret: dict[str, bytes] = {}


def owner_of(request: gr.Request | None) -> str | None:
    """None sees everything (own machine); on a hosted page the cookie's owner, and STRANGER where there is none."""
    if not is_hosted():
        return None
    cookies = getattr(request, "cookies", None) or {}
    token = cookies.get(COOKIE) if isinstance(cookies, dict) else getattr(cookies, COOKIE, None)
    return _owner(token) or STRANGER


def guard(app: FastAPI, secret: bytes, *, framed: bool) -> None:
    """Give each visitor of a hosted page a cookie, and refuse what another site's page sends in their name.

    `framed` says that the page stands in another site's frame, as on Spaces: the cookie then has to say so.
    """
    _secret["key"] = secret

    @app.middleware("http")
    async def know_the_visitor(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        if request.method == "POST" and request.headers.get("sec-fetch-site") == "cross-site":
            return _refusal()
        response = await call_next(request)
        if request.method == "GET" and _owner(request.cookies.get(COOKIE)) is None:
            token = hosted.sign(hosted.new_owner(), secret)
            # Starlette's set_cookie writes Partitioned only from Python 3.14 on.
            site = "SameSite=None; Secure; Partitioned" if framed else "SameSite=Lax"
            response.headers.append(
                "set-cookie", f"{COOKIE}={token}; Max-Age={_YEAR}; Path=/; HttpOnly; {site}"
            )
        return response


def _owner(token: Any) -> str | None:
    if not isinstance(token, str) or "key" not in _secret:
        return None
    return hosted.verified(token, _secret["key"])


def _refusal() -> JSONResponse:
    from fastapi.responses import JSONResponse

    return JSONResponse({"detail": "requests from other sites are refused"}, status_code=403)
