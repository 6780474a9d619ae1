"""What stands before every request: whose it is, how large it may be, and how long it took."""

from __future__ import annotations

import json
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.serving.answering import error_body
from workbench.serving.limits import Limits
from workbench.serving.metrics import Metrics

OPEN = ("/health",)
ROUTES = ("/health", "/metrics", "/v1/models", "/v1/completions", "/v1/chat/completions", "/v1/classify")


class Gate:
    """Plain ASGI, so that answers stream through it untouched."""

    def __init__(self, app: ASGIApp, limits: Limits, metrics: Metrics) -> None:
        self.app, self.limits, self.metrics = app, limits, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500
        route = next((r for r in ROUTES if scope["path"] == r), "other")

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            headers = Headers(scope=scope)
            refusal = self._refusal(scope["path"], headers)
            if refusal:
                await _refuse(noted, *refusal)
                return
            body = await self._body(receive)
            if body is None:
                await _refuse(noted, *self._too_large())
                return
            await self.app(scope, _again(body, receive), noted)
        finally:
            self.metrics.add("requests_total", route=route, status=str(status))
            self.metrics.observe("request_seconds", time.perf_counter() - begun, route=route)

    def _refusal(self, path: str, headers: Headers) -> tuple[int, str, str] | None:
        if not self.limits.knows_host(headers.get("host")):
            return (
                421,
                f"this server answers to names of its own machine only, not {headers.get('host')!r:.80}",
                "host",
            )
        if path not in OPEN and not self.limits.admits(headers.get("authorization")):
            return 401, "a key is needed: send Authorization: Bearer KEY", "invalid_api_key"
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.limits.request_bytes:
            return self._too_large()
        return None

    def _too_large(self) -> tuple[int, str, str]:
        return 413, f"a request has at most {self.limits.request_bytes:,} bytes", "request_too_large"

    async def _body(self, receive: Receive) -> bytes | None:
        """All of it, in however many pieces it comes; None where it is too large."""
        found = b""
        while True:
            message = await receive()
            found += message.get("body", b"")
            if len(found) > self.limits.request_bytes:
                return None
            if message["type"] != "http.request" or not message.get("more_body"):
                return found


def _again(body: bytes, receive: Receive) -> Receive:
    """What was read, once more; then what comes after it, such as the client's leaving."""
    left = [body]

    async def again() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return again


async def _refuse(send: Send, status: int, sentence: str, code: str) -> None:
    body = json.dumps(error_body(sentence, code)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
