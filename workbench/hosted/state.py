"""How a page is doing, in figures that name nobody: for the health route, the status page and the banner."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workbench import __version__
from workbench.home import is_hosted
from workbench.result import ACTIVE_STATES

if TYPE_CHECKING:
    from workbench.store import Store

LITTLE_DISK = 1_000_000_000


@dataclass(frozen=True)
class State:
    """`started` differs after each start of the page: an open tab then knows that its own state is gone. `trouble` is
    what readers should know, one sentence each."""

    status: str
    started: str
    version: str
    hosted: bool
    up_seconds: int
    waiting: int
    running: int
    visitors: int
    paused: bool
    disk_free_bytes: int
    trouble: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def page_state(store: Store, started: str, since: float, *troubles: str | None) -> State:
    """`since` is the monotonic time of the start, `troubles` what the queue's runner and the housekeeper complain of."""
    try:
        counts, waiting_owners = store.counts(), len(store.turns())
        paused, said = store.is_paused(), [one for one in troubles if one]
    except Exception as error:
        counts, waiting_owners, paused, said = {}, 0, False, [str(error)]
    free = shutil.disk_usage(store.folder).free
    is_bad = bool(said) or free < LITTLE_DISK
    if said and is_hosted():
        # What the sentences say of paths and errors is for the server's log, not for visitors.
        said = ["The queue has a problem: runs may wait longer than usual. What is finished is safe."]
    if free < LITTLE_DISK:
        said.append(f"The disk is nearly full ({free / 1e9:.1f} GB left): new runs may fail.")
    if paused:
        said.append("The queue is paused: runs that wait start when it goes on.")
    return State(
        status="trouble" if is_bad else "ok",
        started=started,
        version=__version__,
        hosted=is_hosted(),
        up_seconds=int(time.monotonic() - since),
        waiting=counts.get("queued", 0),
        running=sum(counts.get(state, 0) for state in ACTIVE_STATES[1:]),
        visitors=waiting_owners,
        paused=paused,
        disk_free_bytes=free,
        trouble=tuple(said),
    )
