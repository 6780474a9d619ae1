"""A question to all panes under way in the background process: what is told meanwhile, a stop that is heeded, the answers."""

from __future__ import annotations

import json
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench import background, registry
from workbench.result import Run
from workbench.side_by_side import BASE, REFERENCES
from workbench.store import Store
from workbench.ui.context import sentence_of
from workbench.ui.panes import Pane

NOT_ASKED = "You stopped before its turn."
POLL_SECONDS = 0.12
Turns = Mapping[str, Sequence[Mapping[str, str]]]
threads = ThreadPoolExecutor(16, thread_name_prefix="asking")


@dataclass
class Asking:
    """One question under way. `stop` makes a file at which every answer ends where it is."""

    stopped: threading.Event = field(default_factory=threading.Event)
    name: str = field(default_factory=lambda: f"workbench-{uuid.uuid4().hex}")

    @property
    def stop_file(self) -> Path:
        return Path(tempfile.gettempdir()) / f"{self.name}.stop"

    @property
    def told_file(self) -> Path:
        return Path(tempfile.gettempdir()) / f"{self.name}.told"

    def stop(self) -> None:
        self.stopped.set()
        self.stop_file.touch()

    def end(self) -> None:
        self.stop_file.unlink(missing_ok=True)
        self.told_file.unlink(missing_ok=True)


@dataclass
class Heard:
    """What is known so far: answers, whole or as far as they are written, who is being loaded, and what is loaded."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    loading: str = ""
    contents: Mapping[str, Any] | None = None
    news: bool = False

    @property
    def done(self) -> int:
        return sum(not answer.get("writing") for answer in self.answers.values())


def questions_to(
    panes: Sequence[Pane], first: Run, text: str, turns: Turns | None = None
) -> list[dict[str, Any]]:
    """One for each pane; in a chat with all that it said before, and none to references, which know no chat."""
    found: list[dict[str, Any]] = []
    for pane in panes:
        if turns is not None and pane.key in REFERENCES:
            continue
        question = {
            "key": pane.key,
            "run_id": first.id if pane.key in (BASE, *REFERENCES) else pane.key,
            "base": pane.key == BASE,
            "text": text,
        }
        if turns is not None:
            question["messages"] = [*turns.get(pane.key, ()), {"role": "user", "content": text}]
        found.append(question)
    return found


def ask(
    store: Store,
    first: Run,
    questions: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any],
    asking: Asking,
) -> Iterator[Heard]:
    """What is known, again and again while there is more, and at last all answers."""
    heard, place = Heard(), 0
    future: Future[dict[str, Any]] = threads.submit(
        background.call,
        "workbench.side_by_side:ask_all",
        str(store.folder),
        list(questions),
        dict(options) or None,
        str(asking.stop_file),
        str(asking.told_file),
        pool="inference",
    )
    try:
        yield heard
        while not future.done():
            place = _read(asking.told_file, place, heard)
            if heard.news:
                heard.news = False
                yield heard
            time.sleep(POLL_SECONDS)
    finally:
        if not future.done():  # the reader has gone
            asking.stop()
    setting = first.spec.setting
    silence = dict(registry.task(setting.task).silence)
    try:
        told = future.result()
        heard.answers, heard.contents = dict(told["answers"]), told["contents"]
    except Exception as error:
        reason = sentence_of(error)
        heard.answers = {q["key"]: {**silence, "live": None, "reason": reason} for q in questions}
    for question in questions:
        answer = heard.answers.get(question["key"])
        if not answer:
            answer = {**silence, "live": None, "reason": NOT_ASKED, "stopped": True}
        elif answer.get("finish") == "stopped" or (asking.stopped.is_set() and answer.get("ended") is False):
            answer = {**answer, "stopped": True}
        heard.answers[question["key"]] = answer
    heard.loading = ""
    yield heard


def _read(path: Path, place: int, heard: Heard) -> int:
    """Take in the whole lines that are new; gives where they end."""
    try:
        with path.open("rb") as file:
            file.seek(place)
            new = file.read()
    except OSError:
        return place
    whole = new[: new.rfind(b"\n") + 1]
    for line in whole.splitlines():
        values = json.loads(line)
        heard.news = True
        if "loading" in values:
            heard.loading = values["loading"]
            continue
        heard.loading = ""
        answer = values.get("answer") or {"text": values["text"], "tokens": values["tokens"], "writing": True}
        heard.answers[values["key"]] = answer
    return place + len(whole)
