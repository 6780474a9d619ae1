"""The newest plan of each open page. The browser sends the plan with every event, but two quick events carry the same
old one: each change is applied to the newest, so that neither is lost.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from workbench.spec import canonical_json
from workbench.ui.owner import owner_of
from workbench.ui.plan import Plan, checked_plan

MOST_PAGES = 500
MOST_ISSUED = 100


@dataclass
class _Page:
    """`issued` are texts of different plans that this page was given, the latest last: one of them coming back may be out of
    date. Each once: the same plan is asked for a hundred times while the methods are tried."""

    newest: Plan
    issued: OrderedDict[str, None]

    def issue(self, plan: Plan) -> None:
        self.newest = plan
        text = _text(plan)
        self.issued[text] = None
        self.issued.move_to_end(text)
        while len(self.issued) > MOST_ISSUED:
            self.issued.popitem(last=False)


_pages: OrderedDict[tuple[str | None, str], _Page] = OrderedDict()
_lock = threading.Lock()


def current_plan(sent: Any, request: gr.Request | None) -> Plan:
    """The plan as it stands, where the one that was sent may be older."""
    return change_plan(sent, request, lambda plan: plan)


def change_plan(sent: Any, request: gr.Request | None, change: Callable[[Plan], Plan]) -> Plan:
    """Apply a change to the newest plan of the page that asks; returns the new one. A ValueError changes nothing."""
    plan = checked_plan(sent)
    session = getattr(request, "session_hash", None)
    if not session:
        return change(plan)
    key = (owner_of(request), str(session))
    text = _text(plan)
    with _lock:
        page = _pages.get(key)
        if page is None or text not in page.issued:
            page = _Page(plan, OrderedDict({text: None}))
        new = change(page.newest)
        page.issue(new)
        _pages[key] = page
        _pages.move_to_end(key)
        while len(_pages) > MOST_PAGES:
            _pages.popitem(last=False)
    return new


def _text(plan: Plan) -> str:
    """Equal for a plan and what comes back of it: a browser makes no difference between 1.0 and 1."""
    return canonical_json(_as_sent(plan))


def _as_sent(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_sent(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_as_sent(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
