"""How many ticks of each open page the server has dealt with.

A page numbers its clicks. What the server sends of ticks may be older than a click that is still on its way, and what two
events send at the same time Gradio's page may apply in another order: a page believes what it is sent about ticks once all
its clicks are in it (`cards.js`), and asks anew where that does not come.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import gradio as gr

from workbench.ui.live_plan import MOST_PAGES

_dealt_with: OrderedDict[str, int] = OrderedDict()
_lock = threading.Lock()


def dealt_with(request: gr.Request | None) -> int | None:
    """Before the plan is read: then what is drawn of it holds all these clicks. None where no page asks."""
    page = getattr(request, "session_hash", None)
    if not page:
        return None
    with _lock:
        return _dealt_with.get(str(page), 0)


def note(request: gr.Request | None, up_to: int = 0) -> None:
    """One click more, once it is in the plan; or all `up_to` a number, where a page says that it waits in vain: a server
    that was started anew knows of none of them, and one that was lost never comes."""
    page = getattr(request, "session_hash", None)
    if not page:
        return
    with _lock:
        known = _dealt_with.pop(str(page), 0)
        _dealt_with[str(page)] = max(known, up_to) if up_to else known + 1
        while len(_dealt_with) > MOST_PAGES:
            _dealt_with.popitem(last=False)
