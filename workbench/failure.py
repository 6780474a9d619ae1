"""Turns whatever a run raised into a Reason: a code and one plain sentence. The whole trace goes to the log."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from workbench.outcome import SENTENCES
from workbench.result import Reason

# EFBIG is what a file-size limit gives where a full disk gives ENOSPC.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MEMORY_PHRASES = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")
DISK_PHRASES = ("no space left on device", "disk quota exceeded", "file too large", "disk is full")
LENGTH = 400


def reason_for(error: BaseException) -> Reason:
    """Training's own reasons stay as they are; the rest is told apart by type, number and phrase."""
    chain = list(_chain(error))
    for one in chain:
        for said in (getattr(one, "reason", None), *one.args):
            if isinstance(said, Reason):
                return said
    if any(_is_disk(one) for one in chain):
        return Reason("disk", SENTENCES["disk"])
    if any(_is_memory(one) for one in chain):
        return Reason("out_of_memory", _memory_sentence(chain))
    if isinstance(error, ImportError):
        return Reason("environment", f"A library could not be loaded: {one_line(error)}.".replace("..", "."))
    if isinstance(error, ValueError):
        return Reason("error", one_line(error))
    return Reason("error", f"{type(error).__name__}: {one_line(error)}. The log has the whole trace.")


def one_line(error: BaseException) -> str:
    """The first line of what it says, short enough for a table."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = (lines[0] if lines else "no message").rstrip(".")
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _is_disk(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    if getattr(error, "code", None) == "disk":
        return True
    # safetensors and torch report the same thing as their own error types, in words.
    return any(phrase in str(error).lower() for phrase in DISK_PHRASES)


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError) and any(p in str(error).lower() for p in MEMORY_PHRASES)


def _memory_sentence(chain: list[BaseException]) -> str:
    on_gpu = any("cuda" in str(e).lower() or type(e).__name__ == "OutOfMemoryError" for e in chain)
    where = "The GPU" if on_gpu else "The machine"
    return f"{where} ran out of memory: use a smaller batch or a shorter length."
