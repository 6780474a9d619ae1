"""What a handler yields reaches the browser whole.

Gradio sends the second and later yields of a generator as edits of the one before. Its page applies them, as they arrive,
to the very objects of the earlier yield, which may still wait to be shown: where the next yield leaves a part alone
(`gr.skip()`), that part's new value is edited away before anybody saw it. A busy browser so loses ticks, plans and redraws.
"""

from __future__ import annotations

from typing import Any

import gradio.utils

Edit = list[Any]


def edits(old: Any, new: Any) -> list[Edit]:
    """Edits that make `new` of `old` without touching it: none, more text at the end, or the whole value."""
    if old == new:
        return []
    if isinstance(old, str) and isinstance(new, str) and new.startswith(old):
        return [["append", [], new[len(old) :]]]
    return [["replace", [], new]]


def send_whole_values() -> None:
    """Make Gradio send such edits alone; for every page of this process."""
    gradio.utils.diff = edits
