"""How a run ended: the files that its worker and supervisor leave in its folder, and the verdict read from them.

result.json (all measured), failure.json (the worker's own reason), exit.json (how its process ended). Any process
may settle a run; the store's compare-and-set lets the first one win.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.result import FINAL_STATES, Reason, Result
from workbench.store import Store

RESULT, FAILURE, EXIT = "result.json", "failure.json", "exit.json"

# Exit codes that speak when not even failure.json could be written (sysexits.h: IOERR, TEMPFAIL, UNAVAILABLE).
EXIT_CODES = {74: "disk", 75: "out_of_memory", 69: "environment"}
SENTENCES = {
    "disk": "The disk is full: make room, then resume the run.",
    "out_of_memory": "The machine ran out of memory: use a smaller batch or a shorter length.",
    "environment": "A library could not be loaded: `workbench doctor` shows which one.",
}


@dataclass(frozen=True)
class Ending:
    """How a worker's process ended: an exit code or a signal; `cause` when its supervisor stopped it."""

    code: int | None = None
    signal: int | None = None
    cause: Reason | None = None


@dataclass(frozen=True)
class Verdict:
    state: str
    reason: Reason | None = None
    result: Result | None = None


def clear(folder: Path) -> None:
    """Forget an earlier attempt's outcome; its checkpoints and log stay."""
    for name in (RESULT, FAILURE, EXIT):
        (folder / name).unlink(missing_ok=True)


def write_result(folder: Path, result: Result) -> None:
    write_json(folder / RESULT, result.to_dict())


def write_failure(folder: Path, reason: Reason) -> None:
    write_json(folder / FAILURE, asdict(reason))


def write_ending(folder: Path, ending: Ending) -> None:
    write_json(folder / EXIT, asdict(ending))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """All of it or nothing, and on the disk before this returns."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(part, "w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_ending(folder: Path) -> Ending | None:
    values = read_json(folder / EXIT)
    if values is None:
        return None
    cause = values.get("cause")
    return Ending(values.get("code"), values.get("signal"), Reason(**cause) if cause else None)


def verdict(folder: Path, ending: Ending | None, *, cancel_requested: bool, step: int = 0) -> Verdict:
    """A complete result wins over everything; then the worker's own reason, then what was done to it."""
    if (result := read_json(folder / RESULT)) is not None:
        return Verdict("finished", result=Result.from_dict(result))
    if ending and ending.cause:
        return Verdict("failed", ending.cause)
    if (failure := read_json(folder / FAILURE)) is not None:
        return Verdict("failed", Reason(**failure))
    if cancel_requested:
        return Verdict("cancelled", Reason("cancelled", f"Cancelled at step {step}."))
    if ending is None:
        return Verdict(
            "lost", Reason("lost", "The worker is gone and left no word. Resume or retry the run.")
        )
    return _from_exit(ending)


def _from_exit(ending: Ending) -> Verdict:
    if ending.signal == signal.SIGKILL:
        return Verdict(
            "failed",
            Reason(
                "out_of_memory", "Killed by the system (signal 9): most likely the machine ran out of memory."
            ),
        )
    if ending.signal in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        text = f"Stopped from outside the workbench (signal {ending.signal}). Resume or retry the run."
        return Verdict("lost", Reason("lost", text))
    if ending.signal is not None:
        text = f"The worker crashed ({_signal_name(ending.signal)}). The log has the details."
        return Verdict("failed", Reason("error", text))
    if code := EXIT_CODES.get(ending.code or 0):
        return Verdict("failed", Reason(code, SENTENCES[code]))
    text = f"The worker ended without a result (exit code {ending.code}). The log has the details."
    return Verdict("failed", Reason("error", text))


def settle(store: Store, run_id: str, attempt: int, ending: Ending | None = None) -> str | None:
    """Give a run whose processes are gone its final state. None when it has one, or has gone on without us."""
    pulse = store.pulse(run_id)
    if pulse is None or pulse.attempt != attempt or pulse.state in (*FINAL_STATES, "queued"):
        return None
    folder = store.run_folder(run_id)
    found = verdict(
        folder,
        ending or read_ending(folder),
        cancel_requested=pulse.cancel_requested,
        step=store.run(run_id).step,
    )
    if store.change_state(run_id, found.state, reason=found.reason, result=found.result, attempt=attempt):
        return found.state
    return None


def read_json(path: Path) -> dict[str, Any] | None:
    """The file's values; None when it is absent or torn."""
    with contextlib.suppress(OSError, ValueError):
        values = json.loads(path.read_text(encoding="utf-8"))
        return values if isinstance(values, dict) else None
    return None


def _signal_name(number: int) -> str:
    try:
        return f"signal {number}, {signal.Signals(number).name}"
    except ValueError:
        return f"signal {number}"
