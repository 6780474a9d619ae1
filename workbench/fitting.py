"""Asks which methods fit a model and a task, in several background processes at once: each tries a part of the methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from workbench import background, registry

# More would only wait for each other on the two cores of a small machine.
PROCESSES = 2
# Methods asked about at once where answers are shown as they come.
CHUNK = 6
Answer = tuple[dict[str, str | None], str]


def methods_that_fit(
    store_folder: Path | str, model: str, task: str, *, owner: str | None = None
) -> tuple[dict[str, str | None], str]:
    """Method -> None, or the sentence that says why it can't serve; and a note on what could not be tried, or nothing."""
    names = list(registry.methods())
    parts = [names[i::PROCESSES] for i in range(PROCESSES)]
    with ThreadPoolExecutor(PROCESSES) as threads:
        asked = [
            threads.submit(_ask, store_folder, model, task, owner, part, number)
            for number, part in enumerate(parts)
        ]
        answers = [one.result() for one in asked]
    reasons = {name: reason for found, _ in answers for name, reason in found.items()}
    return {name: reasons[name] for name in names}, answers[0][1]


def fit_as_found(
    store_folder: Path | str, model: str, task: str, names: Sequence[str], *, owner: str | None = None
) -> Iterator[dict[str, str | None]]:
    """The same for `names` in small parts, the first of them first, each as soon as it is known."""
    parts = [list(names[at : at + CHUNK]) for at in range(0, len(names), CHUNK)]
    threads = ThreadPoolExecutor(PROCESSES)
    try:
        asked = [
            threads.submit(_ask, store_folder, model, task, owner, part, number % PROCESSES)
            for number, part in enumerate(parts)
        ]
        for one in as_completed(asked):
            yield one.result()[0]
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _ask(
    store_folder: Path | str, model: str, task: str, owner: str | None, names: list[str], number: int
) -> Answer:
    answer: Answer = background.call(
        "workbench.preview:methods_that_fit",
        str(store_folder),
        owner,
        model,
        task,
        names,
        pool=f"probe-{number + 1}",
    )
    return answer
