"""What the page asks of runs' insides: which are known, which belong side by side, and a look under way elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from workbench import background, inside_record
from workbench.curves import family_of
from workbench.inside_words import Document
from workbench.result import Run
from workbench.store import Store

POLL_SECONDS = 0.4
MOST_BESIDE = 5
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


def document_of(store: Store, run: Run) -> Document | None:
    """What was found in a run, if somebody looked with these versions."""
    return inside_record.read(store.run_folder(run.id))


def changes_weights(run: Run) -> bool:
    """Whether a run may have matrices that changed: prompts and added modules have none."""
    return family_of(run.spec.choice.method) not in ("prompt", "added")


def companions(done: Sequence[Run], run: Run) -> list[str]:
    """Full fine-tuning and the low-rank runs of the same comparison: one of each choice, of the same seed if there is one."""
    found: dict[str, Run] = {}
    for one in done:
        choice = one.spec.choice
        if choice.id != run.spec.choice.id and family_of(choice.method) in ("whole", "low_rank"):
            better = choice.id not in found or one.spec.seed == run.spec.seed
            found[choice.id] = one if better else found[choice.id]
    ordered = sorted(found.values(), key=lambda one: family_of(one.spec.choice.method) != "whole")
    return [one.id for one in ordered][:MOST_BESIDE]
