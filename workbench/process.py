"""Knows other processes by (pid, start time, boot id), lists and signals groups of them, and never a stranger's.

A bare pid may have been given to another process; zombies count as gone, since pid 1 of a container may never reap.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

Identity = tuple[int, str, str]

PROC = Path("/proc")
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Process:
    """One line of the process table. `start` is in the kernel's own units, fixed for the life of the process."""

    pid: int
    parent: int
    group: int
    session: int
    start: str
    zombie: bool


def identity(pid: int) -> Identity | None:
    """Who has that pid now; None when nobody, or only a zombie."""
    found = look(pid)
    return (pid, found.start, boot_id()) if found and not found.zombie else None


def is_alive(who: Identity) -> bool:
    """Is exactly that process still running?"""
    return identity(who[0]) == tuple(who)


@functools.cache
def boot_id() -> str:
    """Differs after each restart of the machine."""
    with contextlib.suppress(OSError):
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    command = ["sysctl", "-n", "kern.bootsessionuuid"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def look(pid: int) -> Process | None:
    """The process with that pid, zombie or not."""
    if not _has_proc():
        return _look_portably(pid)
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The second field is a name in brackets that may itself hold blanks and brackets.
    fields = text[text.rindex(")") + 2 :].split()
    return Process(
        pid, int(fields[1]), int(fields[2]), int(fields[3]), fields[19], fields[0] in ("Z", "X", "x")
    )


def everyone() -> list[Process]:
    """The whole process table."""
    if _has_proc():
        pids: Iterable[int] = (int(name) for name in os.listdir(PROC) if name.isdigit())
    else:
        import psutil

        pids = psutil.pids()
    return [found for pid in pids if (found := look(pid))]


def group_members(group: int) -> list[Process]:
    """Living processes of a group."""
    return [p for p in everyone() if p.group == group and not p.zombie]


def group_is_empty(group: int) -> bool:
    return not group_members(group)


def descendants(pid: int) -> list[Process]:
    """Living children of a process, their children, and so on."""
    children: dict[int, list[Process]] = {}
    for found in everyone():
        children.setdefault(found.parent, []).append(found)
    reached: list[Process] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        reached += below
        waiting += [p.pid for p in below]
    return [p for p in reached if not p.zombie]


def signal_group(leader: Identity, number: signal.Signals, *, session: int | None = None) -> bool:
    """Signal the group that `leader` leads or led. False, and nothing sent, when it is gone or is not the same one.

    Once the leader has died, only members of `session` count: a pid is not given out again while its group lives,
    but the group could have emptied and been made anew by somebody else.
    """
    pid, start, boot = leader
    if boot != boot_id() or pid <= 1:
        return False
    found = look(pid)
    if found is not None:
        if found.start != start or found.group != pid:
            return False
    elif session is None or any(p.session != session for p in group_members(pid)):
        return False
    if group_is_empty(pid):
        return False
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def become_subreaper() -> bool:
    """Adopt orphaned descendants, even those that left the group by setsid. Linux only; False elsewhere."""
    if sys.platform != "linux":
        return False
    import ctypes

    return ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def _has_proc() -> bool:
    return sys.platform == "linux"


def _look_portably(pid: int) -> Process | None:
    import psutil

    try:
        found = psutil.Process(pid)
        zombie = found.status() == psutil.STATUS_ZOMBIE
        return Process(pid, found.ppid(), os.getpgid(pid), os.getsid(pid), repr(found.create_time()), zombie)
    except (psutil.Error, OSError):
        return None
