"""A visitor who speaks the page's own protocol: a cookie, a session, /gradio_api/queue/join and the event stream after it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

API = "/gradio_api"
COOKIE = "workbench_owner"


@dataclass
class Answer:
    """What came of one call: every event in order."""

    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def said(self) -> list[str]:
        """The notices that popped up."""
        return [event["log"] for event in self.events if event["msg"] == "log"]

    @property
    def success(self) -> bool:
        return any(event["msg"] == "process_completed" and event["success"] for event in self.events)

    @property
    def outputs(self) -> list[Any]:
        done = [event for event in self.events if event["msg"] == "process_completed"]
        return list(done[-1]["output"].get("data", [])) if done else []

    @property
    def text(self) -> str:
        return json.dumps(self.events, ensure_ascii=False)


@dataclass
class Page:
    """Handlers by name, and what their inputs hold when the page has just been opened."""

    handlers: dict[str, int]
    inputs: dict[str, list[Any]]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Page:
        values = {
            one["id"]: one["props"].get("value") for one in config["components"] if one["type"] != "state"
        }
        handlers = {one["api_name"]: one for one in config["dependencies"]}
        return cls(
            {name: one["id"] for name, one in handlers.items()},
            {name: [values.get(number) for number in one["inputs"]] for name, one in handlers.items()},
        )


class Visitor:
    """One browser's tab. `pages` remembers what a server's page is made of, since all visitors get the same one.

    `entrance` is what it asks for first, which brings its cookie: the page, or a route that draws less.
    """

    pages: dict[str, Page] = {}

    def __init__(self, url: str, entrance: str = "/", **client: Any) -> None:
        # Certificates take 40 ms to load: only where they are looked at.
        self.http = httpx.Client(base_url=url, timeout=60, verify=url.startswith("https:"), **client)
        self.session = secrets.token_hex(6)
        self.http.get(entrance).raise_for_status()
        if url not in self.pages:
            self.pages[url] = Page.of(self.http.get("/config").json())
        self.page = self.pages[url]

    def join(
        self, handler: str, *data: Any, event: Mapping[str, Any] | None = None, **changes: Any
    ) -> httpx.Response:
        body = {
            "data": list(data),
            "fn_index": self.page.handlers[handler],
            "session_hash": self.session,
            "event_data": event,
            "trigger_id": None,
            **changes,
        }
        return self.http.post(f"{API}/queue/join", json=body)

    def call(
        self, handler: str, *data: Any, event: Mapping[str, Any] | None = None, **changes: Any
    ) -> Answer:
        """Call a handler by its name and read its events to their end."""
        joined = self.join(handler, *data, event=event, **changes)
        joined.raise_for_status()
        answer = Answer()
        with self.http.stream("GET", f"{API}/queue/data", params={"session_hash": self.session}) as stream:
            stream.raise_for_status()
            for line in stream.iter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line.removeprefix("data:"))
                answer.events.append(message)
                if message["msg"] == "close_stream":
                    break
        return answer

    def redraw(self, tab: str) -> Answer:
        """What opening a tab does."""
        return self.call(f"refresh_{tab}", *self.page.inputs[f"refresh_{tab}"])

    def upload(self, name: str, content: bytes) -> str:
        """Send a file; its path in the page's temporary folder."""
        sent = self.http.post(f"{API}/upload", files={"files": (name, content)})
        sent.raise_for_status()
        return str(sent.json()[0])

    def file(self, path: str) -> httpx.Response:
        return self.http.get(f"{API}/file={path}")

    @property
    def token(self) -> str:
        return self.http.cookies[COOKIE]

    @property
    def owner(self) -> str:
        return self.token.partition(".")[0]


def file_data(path: str) -> dict[str, Any]:
    """A file as a component sends it."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}
