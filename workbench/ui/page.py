"""The page: header, six tabs and what joins them; and the server. `python app.py` or `workbench page`."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr

from workbench import background, hosted
from workbench.data.limits import Limits as FileLimits
from workbench.home import is_hosted
from workbench.hosted.housekeeping import Housekeeper
from workbench.hosted.limits import MEGABYTE
from workbench.hosted.owners import Keys
from workbench.hosted.state import State
from workbench.store import Store
from workbench.ui import (
    accounts,
    compare_tab,
    data_tab,
    inference_tab,
    language,
    learn_tab,
    methods_tab,
    owner,
    shared_page,
    status_page,
    streaming,
    theme,
    thrift,
    train_tab,
    workshop_bar,
    workshop_projector,
)
from workbench.ui.context import QUIET, TAB_IDS, PageContext, Tab, is_active, owner_of, setting_of
from workbench.ui.controls import html_block
from workbench.ui.frame import header_html, lost_strip
from workbench.ui.guard import Guard, Visitors
from workbench.ui.plan import Plan, checked_plan, empty_plan
from workbench.ui.shared_notice import banner

if TYPE_CHECKING:
    from fastapi import FastAPI

    from workbench.runner import Runner

TITLE = "Fine-tuning workbench"
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 7860
_TABS = {
    "data": data_tab,
    "methods": methods_tab,
    "train": train_tab,
    "inference": inference_tab,
    "compare": compare_tab,
    "learn": learn_tab,
}
_LIVE = ("train", "compare", "learn")
"""Tabs that are redrawn while runs are active, as long as they are on show."""
_FORMS = ("data", "methods", "inference")
"""Tabs drawn before they are first shown: a part that is not drawn yet misses what it is told, say which form to show.
The others hold plots, which take their width from a tab on show."""


def build(store: Store, runner: Runner, look: Callable[[], State] | None = None) -> gr.Blocks:
    """Draw the page and wire it. `look` says how the page is doing."""
    look = look or status_page.watch(store, lambda: getattr(runner, "trouble", None))
    streaming.send_whole_values()
    thrift.keep_no_copies()
    with gr.Blocks(fill_width=True, title=TITLE, delete_cache=(3600, 86400)) as demo:
        context, parts = _frame(store, runner)
        workshop_bar.build(context, demo)
        tabs: dict[str, Tab] = {}
        with context.tabs.render():
            for tab_id in TAB_IDS:
                with (
                    gr.Tab(tab_id.capitalize(), id=tab_id, render_children=tab_id in _FORMS) as parts[tab_id],
                    gr.Column(elem_classes="wb-tab"),
                ):
                    tabs[tab_id] = _TABS[tab_id].build(context)
        for tab in tabs.values():
            if tab.wire:
                tab.wire(tabs)
        _wire(demo, context, tabs, parts, look)
    demo.queue(max_size=200, default_concurrency_limit=8, api_open=False)
    thrift.keep_no_statistics(demo)
    return demo


def _frame(store: Store, runner: Runner) -> tuple[PageContext, dict[str, Any]]:
    parts: dict[str, Any] = {}
    parts["header"] = html_block(header_html(store, empty_plan(), None, "data", None), elem_id="wb-header")
    gr.HTML(str(lost_strip()), apply_default_css=False, js_on_load=None, elem_classes="wb-html")
    parts["banner"] = html_block("", visible=False)
    if is_hosted() and accounts.offers_huggingface_login():
        accounts.draw_login()
    parts["shown"] = gr.State("data")
    # Seen version of the store by live tab: a tick that finds the same one draws nothing.
    parts |= {f"seen_{name}": gr.State(None) for name in (*_LIVE, "header")}
    parts["wake"] = gr.Button("Look again", elem_id="wb-wake", visible="hidden")
    context = PageContext(
        store=store,
        runner=runner,
        hosted=is_hosted(),
        # A fixed secret, so that a plan outlives a restart of the page; it hides nothing from its own reader.
        plan=gr.BrowserState(empty_plan(), storage_key="workbench-plan", secret="workbench-plan"),
        setting_id=gr.State(None),
        timer=gr.Timer(2, active=False),
        tabs=gr.Tabs(selected="data", elem_id="wb-tabs", render=False),
        limits=hosted.load_limits() if is_hosted() else None,
    )
    return context, parts


def _wire(
    demo: gr.Blocks,
    context: PageContext,
    tabs: dict[str, Tab],
    parts: dict[str, Any],
    look: Callable[[], State],
) -> None:
    """When what is redrawn: a tab when it is opened, the live ones and the header while runs are active."""

    def show_header(
        plan: Plan, setting_id: str | None, shown: str, request: gr.Request
    ) -> tuple[str, gr.Timer, Any]:
        visitor = owner_of(request)
        plan = checked_plan(plan)
        setting_id = setting_of(context, setting_id, visitor)
        html = header_html(context.store, plan, setting_id, shown, visitor, language.asked_language(request))
        said = str(banner(look()))
        return html, gr.Timer(active=is_active(context, visitor)), gr.update(value=said, visible=bool(said))

    def look_for_news(shown: str, *seen: Any) -> list[Any]:
        # As text: what a State holds is compared with what it held.
        version = f"{context.store.version()} {getattr(context.runner, 'trouble', None) or ''}"
        news = dict(zip((*_LIVE, "header"), seen))
        return [
            version if news[name] != version and name in (shown, "header") else gr.skip() for name in news
        ]

    header = {
        "fn": show_header,
        "inputs": [context.plan, context.setting_id, parts["shown"]],
        "outputs": [parts["header"], context.timer, parts["banner"]],
        **QUIET,
    }
    demo.load(**header)
    context.plan.change(**header)
    context.setting_id.change(**header)
    parts["seen_header"].change(**header)
    news = [parts[f"seen_{name}"] for name in (*_LIVE, "header")]
    for event in (context.timer.tick, parts["wake"].click):
        event(look_for_news, [parts["shown"], *news], news, **QUIET)
    for name, tab in tabs.items():
        inputs, outputs = list(tab.inputs), list(tab.outputs)
        redraw = {"fn": tab.refresh, "inputs": inputs, "outputs": outputs, **QUIET}
        demo.load(**redraw)
        opened = parts[name].select(_note_tab(name), None, parts["shown"], **QUIET)
        opened.then(**redraw).then(**header)
        if name in _LIVE:
            parts[f"seen_{name}"].change(**redraw)
            context.setting_id.change(**redraw)


def _note_tab(name: str) -> Callable[[], str]:
    def note_tab() -> str:
        return name

    return note_tab


def serve(store: Store, *, host: str | None = None, port: int | None = None) -> int:
    """Answer until stopped by SIGINT or SIGTERM; runs that have started go on. ValueError when the port is taken."""
    import uvicorn

    from workbench.runner import Runner

    host = host or os.environ.get("GRADIO_SERVER_NAME") or DEFAULT_HOST
    port = _port(port)
    _check_free(host, port)
    runner, housekeeper = Runner(store), Housekeeper(store) if is_hosted() else None
    app = application(store, runner, housekeeper)
    runner.start()  # after the page is built: its warm parent loads the deep-learning libraries meanwhile
    if housekeeper is not None:
        housekeeper.start()
    signal.signal(signal.SIGTERM, _leave)
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    print(f"The workbench answers at http://{shown}:{port}", flush=True)
    try:
        uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=2)
    finally:
        runner.stop()
        background.close(for_good=True)
        if housekeeper is not None:
            housekeeper.stop()
    return 0


def _leave(number: int, frame: Any) -> None:
    """uvicorn hands SIGTERM on once it has stopped answering: leave in order, with the queue given up."""
    raise SystemExit(0)


def application(store: Store, runner: Runner, housekeeper: Housekeeper | None = None) -> FastAPI:
    """The page as an ASGI app, with its health route and, on a hosted page, the visitors' cookies."""
    from fastapi import FastAPI
    from starlette.routing import Mount

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    look = status_page.watch(
        store, lambda: getattr(runner, "trouble", None), lambda: getattr(housekeeper, "trouble", None)
    )
    status_page.add_routes(app, look)
    language.add_routes(app)
    limits, logins = hosted.load_limits() if is_hosted() else None, accounts.Logins()
    app.add_middleware(
        Guard, visitors=_visitors(store, limits, logins), origins=limits.origins if limits else ()
    )
    workshop_projector.add_routes(app, store)
    shared_page.add_routes(app, store)
    gr.mount_gradio_app(
        app,
        build(store, runner, look),
        path="/",
        theme=theme.theme(),
        head=_head(),
        allowed_paths=[],
        blocked_paths=[str(Path(store.folder).resolve())],
        show_error=True,
        max_file_size=FileLimits().bytes,
        ssr_mode=False,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
        auth=accounts.password_check(store),
    )
    logins.page = next(cast(FastAPI, route.app) for route in reversed(app.routes) if isinstance(route, Mount))
    return app


def _visitors(store: Store, limits: hosted.Limits | None, logins: accounts.Logins) -> Visitors | None:
    """How the page knows its visitors; None on one's own machine, where everything belongs to one person."""
    if limits is None:
        return None
    keys = Keys(store.folder)
    owner.know(keys)
    return Visitors(
        keys,
        framed=bool(os.environ.get("SPACE_ID")),
        account=logins,
        most_bytes=(limits.upload_megabytes + 1) * MEGABYTE,
    )


def _head() -> str:
    """The theme's style sheet and script, the language's and the frame's."""
    names = ("phrases.js", "translate.js", "language.js", "frame.js")
    scripts = [theme.page_file(name).read_text(encoding="utf-8") for name in names]
    return "\n".join([theme.head(), language.head(), *(f"<script>{script}</script>" for script in scripts)])


def _port(given: int | None) -> int:
    named = os.environ.get("GRADIO_SERVER_PORT", "").strip()
    if given is None and named:
        if not named.isdecimal():
            raise ValueError(f"GRADIO_SERVER_PORT is a port from 1 to 65535, not {named!r}")
        given = int(named)
    port = DEFAULT_PORT if given is None else given
    if not 1 <= port <= 65535:
        raise ValueError(f"a port is a whole number from 1 to 65535, not {port}")
    return port


def _check_free(host: str, port: int) -> None:
    """Say so before anything is started when the address can't be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise ValueError(f"{host!r} is no address of this machine: try --host 127.0.0.1") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except PermissionError:
            raise ValueError(
                f"port {port} may not be used by this account: try --port {DEFAULT_PORT}"
            ) from None
        except OSError as error:
            raise ValueError(
                f"port {port} on {host} can't be used ({error.strerror}): try --port {port % 65535 + 1}"
            ) from None
