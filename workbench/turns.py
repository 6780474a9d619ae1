"""Whose turn it is in the queue: owners go round, so that one who queues twelve runs does not hold up the others."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.home import is_hosted
from workbench.hosted.limits import load_limits
from workbench.store_reading import Turn
from workbench.supervisor import Limits


def order(waiting: Iterable[Turn], most: int | None = None) -> list[str]:
    """Owners in the order in which they may start a run: who has fewest going, then who has waited longest for a start.

    `most` is how many of one owner may run at a time: that of the hosted page, else as many as the machine carries.
    """
    if most is None and is_hosted():
        most = load_limits().running
    free = [turn for turn in waiting if most is None or turn.running < most]
    return [turn.owner for turn in sorted(free, key=_place)]


def _place(turn: Turn) -> tuple[float, float, float]:
    return turn.running, turn.last_started, turn.first_place


def run_limits() -> Limits:
    """When a run is stopped from outside: on a hosted page also by its time on the wall."""
    return Limits(wall_seconds=float(load_limits().wall_seconds)) if is_hosted() else Limits()
