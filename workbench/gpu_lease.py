"""Borrows a GPU for a moment where a Space lends one per call (the package `spaces`); everywhere else it does nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
SECONDS = 60


def is_offered() -> bool:
    """Whether this is a Space whose GPU is lent call by call."""
    return os.environ.get("SPACES_ZERO_GPU", "").strip().lower() in ("1", "true", "yes")


def on_leased_gpu(seconds: int = SECONDS) -> Callable[[F], F]:
    """Decorate a module's function that answers within so many seconds: inference, a short demonstration.

    The Space looks for such functions when it starts, so they stand at module level. What they start must end with them:
    a process that outlives the call loses the GPU. Real training is no such function.
    """

    def decorate(function: F) -> F:
        if not is_offered():
            return function
        import spaces

        return cast(F, spaces.GPU(duration=seconds)(function))

    return decorate
