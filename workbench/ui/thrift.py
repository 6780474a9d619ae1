"""What Gradio does beside every event, and nobody reads here, is left out: it took more time than the events themselves."""

from __future__ import annotations

import sys
from typing import Any

import gradio as gr
from gradio.blocks import BlocksConfig

_copy = BlocksConfig.__copy__


def _of_a_session(self: BlocksConfig) -> BlocksConfig:
    """What a new visitor's session is made of. Gradio describes every component for it, and again with each update, for
    links that bring back a page as somebody left it: this page makes no such links, and a session keeps no such copy."""
    new, describe = _copy(self), self.config_for_block

    def only_when_rendered(
        _id: int, rendered: list[int], block: Any, renderable: Any = None
    ) -> dict[str, Any]:
        return {} if renderable is None else describe(_id, rendered, block, renderable)

    new.config_for_block = only_when_rendered  # type: ignore[method-assign]
    return new


def keep_no_copies() -> None:
    """For every page of this process."""
    BlocksConfig.__copy__ = _of_a_session  # type: ignore[method-assign]


def keep_no_statistics(demo: gr.Blocks) -> None:
    """No figures of the page's events, which Gradio works out anew after each for a monitoring page that is switched off.
    Once the page has its queue."""
    demo._queue.ANALYTICS_MAX_EVENTS = 1
    demo._queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize
