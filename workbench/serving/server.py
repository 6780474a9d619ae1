"""Starts a server for some runs and ends it gracefully: `workbench serve RUN[,RUN]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.result import Run
from workbench.serving.app import create_app
from workbench.serving.backend import Backend, EngineBackend
from workbench.serving.limits import Limits
from workbench.store import Store


def checked(runs: Sequence[Run]) -> list[Run]:
    """Each once; ValueError where one can't be served."""
    if not runs:
        raise ValueError("no run is named: give one or more finished runs, with commas between them")
    for run in runs:
        if run.state != "finished":
            raise ValueError(f"run {run.id} is {run.state}: only finished runs can be served")
    return list({run.id: run for run in runs}.values())


def server(backend: Backend, limits: Limits) -> Any:
    """A uvicorn server, not started yet. SIGTERM and SIGINT end it: it takes nothing more and finishes what it took."""
    import uvicorn

    config = uvicorn.Config(
        create_app(backend, limits),
        host=limits.host,
        port=limits.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=int(limits.shutdown_seconds) + 5,
        server_header=False,
    )
    return uvicorn.Server(config)


def serve(store: Store, runs: Sequence[Run], limits: Limits, precision: str | None = None) -> None:
    """Load the runs and answer until a signal comes. `precision` None: each computes as it was trained."""
    server(EngineBackend(store, checked(runs), precision), limits).run()
