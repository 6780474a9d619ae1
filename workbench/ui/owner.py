"""Who is asking: a signed cookie or an account on a hosted page, nobody in particular on one's own machine."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.home import is_hosted
from workbench.hosted.owners import STRANGER as STRANGER
from workbench.hosted.owners import Keys, verified

COOKIE = "workbench_owner"
STATE = "workbench_owner"
"""Where the guard leaves the visitor for those behind it."""
_keys: dict[str, Keys] = {}


def know(keys: Keys) -> None:
    """Check cookies with these keys from now on."""
    _keys["now"] = keys


def owner_of(request: gr.Request | None) -> str | None:
    """None sees everything (own machine); on a hosted page the visitor, and STRANGER where nothing says who."""
    if not is_hosted():
        return None
    found = getattr(getattr(request, "state", None), STATE, None)
    if isinstance(found, str):
        return found
    cookies = getattr(request, "cookies", None) or {}
    token = cookies.get(COOKIE) if isinstance(cookies, dict) else getattr(cookies, COOKIE, None)
    return cookie_owner(token) or STRANGER


def cookie_owner(token: Any) -> str | None:
    """The owner that a cookie was signed for."""
    if not isinstance(token, str) or "now" not in _keys:
        return None
    return verified(token, _keys["now"]())
