"""Asks which methods fit a model and a task, in several background processes at once: each tries a part of the methods."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workbench import background, registry

# More would only wait for each other on the two cores of a small machine.
PROCESSES = 2


def methods_that_fit(
    store_folder: Path | str, model: str, task: str, *, owner: str | None = None
) -> tuple[dict[str, str | None], str]:
    """Method -> None, or the sentence that says why it can't serve; and a note on what could not be tried, or nothing."""
    names = list(registry.methods())
    parts = [names[i::PROCESSES] for i in range(PROCESSES)]

    def ask(number: int) -> tuple[dict[str, str | None], str]:
        answer: tuple[dict[str, str | None], str] = background.call(
            "workbench.preview:methods_that_fit",
            str(store_folder),
            owner,
            model,
            task,
            parts[number],
            pool=f"probe-{number + 1}",
        )
        return answer

    with ThreadPoolExecutor(PROCESSES) as threads:
        answers = list(threads.map(ask, range(PROCESSES)))
    reasons = {name: reason for found, _ in answers for name, reason in found.items()}
    return {name: reasons[name] for name in names}, answers[0][1]
