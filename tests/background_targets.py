"""Functions for the background child of the tests."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


class PageError(ValueError):
    """An exception that can't be rebuilt from its arguments."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")


class StoredError(ValueError):
    def __init__(self, message: str, code: str = "none") -> None:
        super().__init__(message)
        self.code = code


def where(value: object) -> tuple[int, object, bool]:
    return os.getpid(), value, "pytest" in sys.modules


def refuse(message: str) -> None:
    raise ValueError(message)


def refuse_with_code() -> None:
    raise StoredError("no rows", "no_rows")


def refuse_oddly() -> None:
    raise PageError("encoding", "not UTF-8")


def stumble() -> None:
    raise KeyError("bug")


def unanswerable() -> object:
    return lambda: None


def die_once(marker: str) -> str:
    if not Path(marker).exists():
        Path(marker).write_text("")
        os._exit(1)
    return "second time"


def die() -> None:
    os._exit(1)


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds
