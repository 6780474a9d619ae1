"""Logins: names and passwords of a private server, and Hugging Face accounts where a Space offers them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import importlib.util
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import Markup

from workbench.hosted.accounts import has_accounts, is_password
from workbench.hosted.owners import account_owner

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from workbench.store import Store

WRONG_PASSWORD_SECONDS = 1.0
_FORTNIGHT = 14 * 24 * 3600


def password_check(store: Store) -> Callable[[str, str], Awaitable[bool]] | None:
    """What Gradio's login page asks; None where the server has no accounts."""
    if not has_accounts(store.folder):
        return None

    async def check(name: str, password: str) -> bool:
        # Slow on purpose, and so not on the thread that answers everybody.
        right = await asyncio.to_thread(is_password, store.folder, name, password)
        if not right:
            await asyncio.sleep(WRONG_PASSWORD_SECONDS)
        return right

    return check


def offers_huggingface_login() -> bool:
    """On a Space whose card says `hf_oauth: true`, where Gradio's login comes with its libraries."""
    wanted = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL", "SPACE_ID")
    libraries = all(importlib.util.find_spec(name) for name in ("authlib", "itsdangerous"))
    return libraries and all(os.environ.get(name) for name in wanted)


def draw_login() -> None:
    """The button, and a line that says what logging in is good for."""
    with gr.Row(elem_classes="wb-line"):
        gr.LoginButton(size="sm")
        line = gr.HTML(greeting(None), apply_default_css=False, js_on_load=None, elem_classes="wb-html")
    assert gr.context.Context.root_block is not None
    gr.context.Context.root_block.load(greeting, None, line, api_visibility="private", show_progress="hidden")


def greeting(profile: gr.OAuthProfile | None) -> str:
    """What the page says to a visitor who is logged in, and to one who is not."""
    if profile is None:
        return str(
            Markup('<span class="wb-two wb-small">{}</span>').format(
                "Without a login this browser's cookie keeps your runs; log in to find them again from anywhere."
            )
        )
    words = (
        "Logged in as {}. You see what this account has made; log out to see what this browser made before."
    )
    return str(Markup('<span class="wb-two wb-small">{}</span>').format(words.format(profile.username)))


class Logins:
    """Finds the owner of a request's login. `page` is Gradio's own application, which keeps the tokens."""

    def __init__(self) -> None:
        self.page: Starlette | None = None

    def __call__(self, cookies: Mapping[str, str]) -> str | None:
        if self.page is None:
            return None
        if name := self._by_password(cookies):
            return account_owner("password", name)
        if subject := self._by_huggingface(cookies):
            return account_owner("huggingface", subject)
        return None

    def _by_password(self, cookies: Mapping[str, str]) -> str | None:
        if getattr(self.page, "auth", None) is None:
            return None
        cookie, tokens = getattr(self.page, "cookie_id", ""), getattr(self.page, "tokens", {})
        for name in (f"access-token-{cookie}", f"access-token-unsecure-{cookie}"):
            if found := tokens.get(cookies.get(name)):
                return str(found)
        return None

    def _by_huggingface(self, cookies: Mapping[str, str]) -> str | None:
        """The account in the session that Gradio's login has signed."""
        for layer in getattr(self.page, "user_middleware", ()):
            if layer.cls.__name__ == "SessionMiddleware":
                secret = str(layer.kwargs["secret_key"])
                return subject_of(cookies.get(layer.kwargs.get("session_cookie", "session")), secret)
        return None


def subject_of(cookie: str | None, secret: str) -> str | None:
    """The unchanging id of the account in a session cookie; None where it is forged, too old or of nobody."""
    if not cookie:
        return None
    from itsdangerous import BadSignature, TimestampSigner

    try:
        signed = TimestampSigner(secret).unsign(cookie.encode(), max_age=_FORTNIGHT)
        session: Any = json.loads(base64.b64decode(signed))
        info = session.get("oauth_info") or {}
        if (info.get("expires_at") or time.time()) < time.time():
            return None
        return str(info["userinfo"]["sub"])
    except (BadSignature, binascii.Error, ValueError, AttributeError, KeyError, TypeError):
        return None
