"""Augmentations that take minutes, made in a background process: started once for each question, watched by any page."""

from __future__ import annotations

import json
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import background
from workbench.spec import canonical_json
from workbench.store import Store
from workbench.ui import asking
from workbench.ui.context import sentence_of

MOST_JOBS = 50


@dataclass
class Job:
    """`error` is a sentence once it failed. It goes on when the page that started it is gone."""

    progress_file: Path
    running: bool = True
    error: str = ""

    def progress(self) -> tuple[int, int]:
        """Texts done and texts in all; (0, 0) until the first are done."""
        try:
            values = json.loads(self.progress_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return 0, 0
        return int(values["done"]), int(values["total"])


_jobs: OrderedDict[str, Job] = OrderedDict()
_lock = threading.Lock()


def start(store: Store, data: Mapping[str, Any], owner: str | None) -> Job:
    """Begin to prepare these data, or join the job that does it already."""
    arguments, upload = asking.data_question(store, data, owner)
    uploads = asking.uploads_of(store, data, owner)
    question = canonical_json([str(store.folder), arguments, upload, uploads])
    with _lock:
        job = _jobs.get(question)
        if job is not None and job.running:
            return job
        folder = store.folder / "cache" / "progress"
        folder.mkdir(parents=True, exist_ok=True)
        job = _jobs[question] = Job(folder / f"{secrets.token_hex(8)}.json")
        while len(_jobs) > MOST_JOBS:
            _jobs.popitem(last=False)
    call = (str(store.folder), arguments, upload, uploads, str(job.progress_file))
    threading.Thread(target=_work, args=(job, call), daemon=True).start()
    return job


def _work(job: Job, call: tuple[Any, ...]) -> None:
    try:
        background.call("workbench.preview:augment_slowly", *call, pool="augment")
    except Exception as error:
        job.error = sentence_of(error)
    finally:
        job.progress_file.unlink(missing_ok=True)
        job.running = False
