"""What every tab gets: store, runner, the reader's plan, the setting on show; and the edge where errors become notices."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

import gradio as gr

from workbench.hosted import Limits
from workbench.result import ACTIVE_STATES, Run
from workbench.store import Store, StoreError
from workbench.ui.owner import owner_of as owner_of

if TYPE_CHECKING:
    from workbench.runner import Runner

TAB_IDS = ("data", "methods", "train", "inference", "compare", "learn")
QUIET: dict[str, Any] = {
    "concurrency_limit": None, "show_progress": "hidden", "show_progress_on": [], "api_visibility": "private"
}  # fmt: skip
"""How handlers are wired: never one after another, without Gradio's own progress, and not in its public list of calls.

Without the empty `show_progress_on`, Gradio's page searches all it holds, once for every part that was ever drawn anew,
whenever an event begins, moves or ends: on this page that kept a core of the reader's machine busy for good."""
log = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class PageContext:
    """`limits` is None on one's own machine. `plan` outlives a reload, `setting_id` (None: the newest) does not.

    `timer` ticks every 2 s while runs are active; a handler that starts or revives a run may give it as an output and
    return `gr.Timer(active=True)`.
    """

    store: Store
    runner: Runner
    hosted: bool
    plan: gr.BrowserState
    setting_id: gr.State
    timer: gr.Timer
    tabs: gr.Tabs
    limits: Limits | None = None


@dataclass
class Tab:
    """What a tab's `build` returns. `refresh(*inputs)` redraws `outputs` from the store; `wire` runs once after all tabs
    are built, with every tab by id, for buttons that reach into another one through its `parts`.
    """

    refresh: Callable[..., Any]
    inputs: Sequence[Any] = ()
    outputs: Sequence[Any] = ()
    wire: Callable[[Mapping[str, Tab]], None] | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)


def say_errors(handler: F) -> F:
    """Bad input becomes a notice with its one sentence, and everything on the page stays as it is.

    What nobody foresaw is logged with its trace; the page says only that it happened.
    """
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stepwise(*arguments: Any, **named: Any) -> Any:
            try:
                yield from handler(*arguments, **named)
            except gr.Error:
                raise
            except Exception as error:
                _say(error)
                yield gr.skip()

        return cast(F, stepwise)

    @functools.wraps(handler)
    def at_once(*arguments: Any, **named: Any) -> Any:
        try:
            return handler(*arguments, **named)
        except gr.Error:
            raise
        except Exception as error:
            _say(error)
            return gr.skip()

    return cast(F, at_once)


def sentence_of(error: Exception) -> str:
    """What a person reads of an error: its own sentence where it was raised for people, else that it was unforeseen."""
    if isinstance(error, ValueError | StoreError) and str(error):
        return str(error)
    log.error("unforeseen error on the page", exc_info=error)
    return f"That went wrong in a way nobody foresaw ({type(error).__name__}); the page's own log has the details."


def _say(error: Exception) -> None:
    gr.Warning(as_text(sentence_of(error)), duration=12)


def as_text(message: str) -> str:
    """Gradio shows a notice as HTML: names given by people must stay text."""
    return message.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def run_of(context: PageContext, run_id: str, owner: str | None) -> Run:
    """A run that this visitor may see; somebody else's is as good as none."""
    try:
        run = context.store.run(run_id)
    except KeyError:
        run = None
    if run is None or (owner is not None and run.owner != owner):
        raise ValueError(f"There is no run {run_id!r:.40} here; it may have been deleted.")
    return run


def setting_of(context: PageContext, setting_id: str | None, owner: str | None) -> str | None:
    """The setting on show: that one if this visitor has runs in it, else the newest; None before the first run."""
    mine = [setting.id for setting, _ in context.store.settings(owner)]
    if setting_id in mine:
        return setting_id
    return mine[0] if mine else None


def is_active(context: PageContext, owner: str | None) -> bool:
    """Whether any of this visitor's runs waits or trains: only then does the page poll."""
    return bool(context.store.runs(states=ACTIVE_STATES, owner=owner, limit=1))
