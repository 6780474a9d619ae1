"""Stands before the whole page: who is asking, from which site, how much, and whether a session or a file is theirs.

Plain ASGI, so that event streams pass through unbuffered. Gradio itself knows no owners: whoever knows a session's name
may read its events, and whoever knows a file's path may fetch it. Here both belong to the visitor who got them first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.hosted.limits import MEGABYTE
from workbench.hosted.owners import Keys, is_fresh, new_owner, sign
from workbench.ui.belongings import Belongings, paths_in, shown_paths
from workbench.ui.owner import COOKIE, STATE, STRANGER, cookie_owner
from workbench.ui.shared_page import ADDRESS

YEAR = 365 * 24 * 3600
MOST_JSON = 4 * MEGABYTE
API = "/gradio_api/"
# What the page's own script asks for. Proxies, direct calls, recordings, monitoring and the like stay shut.
_OPEN = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt|health|status|login|logout|language/[a-z]{2}\.json)/?"
    r"|/(login|static|assets|svelte)/.*|/projector(/pane)?"
    r"|/gradio_api/(queue/(join|data|status)|upload|upload_progress|cancel|reset|info|app_id|startup-events|user"
    r"|theme\.css|login_check|dev/reload)/?"
    rf"|/gradio_api/heartbeat/[^/]+|/gradio_api/file=.+|{ADDRESS}",
    re.DOTALL,
)
_WITH_SESSION = ("/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/reset")
_ALONE = "'self'"
_FRAMES = "'self' https://huggingface.co https://*.huggingface.co https://*.hf.space"
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; media-src 'self' data: blob:;"
    " worker-src 'self' blob:; frame-src 'self' blob: data:; object-src 'none'; base-uri 'self'; form-action 'self';"
    " frame-ancestors "
)
"""The browser itself keeps the page from asking other machines for anything, whatever a component would like."""


@dataclass
class Visitors:
    """How a hosted page knows its visitors. `account` finds the owner of a login in the cookies; `framed` says that the
    page stands in another site's frame, as on Spaces."""

    keys: Keys
    framed: bool = False
    account: Callable[[Mapping[str, str]], str | None] = lambda cookies: None
    most_bytes: int = 51 * MEGABYTE
    belongings: Belongings = field(default_factory=Belongings)


class Guard:
    """With `visitors` a hosted page; without, one's own machine: then only other sites are kept out."""

    def __init__(self, app: ASGIApp, visitors: Visitors | None = None, origins: Iterable[str] = ()) -> None:
        self.app, self.visitors, self.origins = app, visitors, {one.rstrip("/") for one in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        if scope["method"] not in ("GET", "HEAD", "OPTIONS") and is_foreign(headers, self.origins):
            await _refuse(403, "requests from other sites are refused")(scope, receive, send)
            return
        framed = self.visitors is not None and self.visitors.framed
        begun: list[bool] = []
        send = _with_headers(send, f"{POLICY}{_FRAMES if framed else _ALONE}", begun)
        if self.visitors is None:
            await self.app(scope, receive, send)
            return
        try:
            await _Visit(self.app, self.visitors, scope, headers).answer(receive, send)
        except _Refused as refused:
            if not begun:  # else the page has answered itself that it got no whole request
                await refused.answer(scope, receive, send)


class _Refused(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.answer = _refuse(status, sentence)


class _Visit:
    """One request to a hosted page."""

    def __init__(self, app: ASGIApp, visitors: Visitors, scope: Scope, headers: Mapping[str, str]) -> None:
        self.app, self.visitors, self.scope, self.headers = app, visitors, scope, headers
        self.path: str = scope["path"]
        self.cookies = cookie_parser(headers.get("cookie", ""))
        self.known = cookie_owner(self.cookies.get(COOKIE))
        self.owner = visitors.account(self.cookies) or self.known or STRANGER

    async def answer(self, receive: Receive, send: Send) -> None:
        if not _OPEN.fullmatch(self.path):
            raise _Refused(404, "there is no such address on a shared page")
        self.scope.setdefault("state", {})[STATE] = self.owner
        self._check_session(self._session_in_address())
        self._check_file()
        size = self.headers.get("content-length", "")
        most = self.visitors.most_bytes if self.path.startswith(f"{API}upload") else MOST_JSON
        if size.isdecimal() and int(size) > most:
            raise _Refused(413, _too_large(most))
        if self.path.rstrip("/") in _WITH_SESSION and self.scope["method"] == "POST":
            receive = await self._read(receive, most)
        else:
            receive = _at_most(receive, most)
        await self.app(self.scope, receive, self._watched(send))

    def _session_in_address(self) -> str | None:
        if self.path.startswith(f"{API}heartbeat/"):
            return self.path.rpartition("/")[2]
        found = parse_qs(self.scope.get("query_string", b"").decode("latin-1")).get("session_hash")
        return found[0] if found else None

    def _check_session(self, session: Any) -> None:
        """A session belongs to who began it: nobody else may read its events, send to it, or end it."""
        if isinstance(session, str) and not self.visitors.belongings.takes(session, self.owner):
            raise _Refused(403, "this session belongs to another visitor")

    def _check_file(self) -> None:
        """A file of the page is for those who uploaded it or were shown it."""
        if not self.path.startswith(f"{API}file="):
            return
        path = self.path.removeprefix(f"{API}file=")
        if not self.visitors.belongings.has(path, self.owner):
            raise _Refused(404, "there is no such file here")

    async def _read(self, receive: Receive, most: int) -> Receive:
        """The whole body, looked through and handed on: whose session, whose files."""
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Refused(400, "the request ended early")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > most:
                raise _Refused(413, _too_large(most))
        try:
            value = json.loads(body or b"null")
        except (ValueError, RecursionError):
            raise _Refused(400, "the request is no JSON document") from None
        if isinstance(value, dict):
            self._check_session(value.get("session_hash"))
            if isinstance(number := value.get("fn_index"), int) and number < 0:
                raise _Refused(400, "there is no such handler")
        if any(not self.visitors.belongings.has(path, self.owner) for path in paths_in(value)):
            raise _Refused(403, "a file in this request is not one that this visitor uploaded or was shown")
        return _replayed(body, receive)

    def _watched(self, send: Send) -> Send:
        """The answer with a cookie where one is due; files that it names are the visitor's from now on."""
        kind = b""

        async def pass_on(message: Message) -> None:
            nonlocal kind
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                kind = dict(headers).get(b"content-type", b"")
                if cookie := self._cookie_due():
                    headers.append((b"set-cookie", cookie.encode("latin-1")))
                message = {**message, "headers": headers}
            elif message["type"] == "http.response.body":
                self._note_files(kind, message.get("body", b""))
            await send(message)

        return pass_on

    def _note_files(self, kind: bytes, body: bytes) -> None:
        own = self.visitors.belongings
        if kind.startswith(b"text/event-stream"):
            for path in shown_paths(body):
                own.give(path, self.owner)
        elif self.path.rstrip("/") == f"{API}upload" and kind.startswith(b"application/json"):
            try:
                found = json.loads(body)
            except ValueError:
                return
            for path in found if isinstance(found, list) else ():
                own.give(str(path), self.owner)

    def _cookie_due(self) -> str | None:
        """A new visitor's, or a known one's that an older key has signed."""
        if self.scope["method"] != "GET":
            return None
        keys = self.visitors.keys()
        if self.known is not None and is_fresh(self.cookies[COOKIE], keys):
            return None
        token = sign(self.known or new_owner(), keys)
        # Starlette's set_cookie writes Partitioned only from Python 3.14 on.
        site = "SameSite=None; Secure; Partitioned" if self.visitors.framed else "SameSite=Lax"
        return f"{COOKIE}={token}; Max-Age={YEAR}; Path=/; HttpOnly; {site}"


def is_foreign(headers: Mapping[str, str], origins: Iterable[str] = ()) -> bool:
    """Whether another site's page sent this. Browsers say so themselves; where one doesn't (plain http), by the origin."""
    origin = headers.get("origin", "")
    if origin and origin.rstrip("/") in origins:
        return False
    if site := headers.get("sec-fetch-site"):
        return site in ("cross-site", "same-site")
    if not origin:
        return False  # no browser's page: a program that could claim any origin
    host = urlsplit(origin).netloc
    return not host or host not in (headers.get("host"), headers.get("x-forwarded-host"))


def _refuse(status: int, sentence: str) -> PlainTextResponse:
    return PlainTextResponse(json.dumps({"detail": sentence}), status, media_type="application/json")


def _too_large(most: int) -> str:
    return f"the request is larger than {most / MEGABYTE:,.6g} MB, the most that this page takes"


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


def _at_most(receive: Receive, most: int) -> Receive:
    """Stops a body that grows beyond what it may be, whatever length it claimed."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise _Refused(413, _too_large(most))
        return message

    return counted


def _with_headers(send: Send, policy: str, begun: list[bool]) -> Send:
    """Adds what the browser should know to each answer, and notes that one has begun."""
    more = [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
    ]

    async def pass_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            begun.append(True)
            named = {name.lower() for name, _ in message.get("headers", [])}
            new = [one for one in more if one[0] not in named]
            message = {**message, "headers": [*message.get("headers", []), *new]}
        await send(message)

    return pass_on
