"""A look into a run as the page asks for it: answered by a background process, with the share that is done meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from workbench import background, inside_record
from workbench.result import Run
from workbench.store import Store

POLL_SECONDS = 0.4
# Looks wait for each other in the background process anyway; a page that is closed meanwhile leaves its look to finish.
_threads = ThreadPoolExecutor(8, thread_name_prefix="inside")


class Question:
    """One call of workbench.inside under way. `run` is the one in whose folder progress is told."""

    def __init__(self, store: Store, run: Run, function: str, *run_ids: str) -> None:
        self._folder = store.run_folder(run.id)
        self._future: Future[dict[str, Any]] = _threads.submit(
            background.call, f"workbench.inside:{function}", str(store.folder), *run_ids, pool="inference"
        )

    def shares(self) -> Iterator[float | None]:
        """How far it is, from 0 to 1, until it is answered; None before the first word."""
        while not self._future.done():
            yield inside_record.progress(self._folder)
            time.sleep(POLL_SECONDS)

    def answer(self) -> dict[str, Any]:
        """What was found, or what the background process raised."""
        return self._future.result()
