"""Processes are known by more than their pid, and no stranger is ever signalled."""

import os
import signal
import subprocess
import sys
import time

import pytest

from workbench import process
from workbench.process import boot_id, descendants, group_is_empty, identity, is_alive, look, signal_group

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def sleeper():
    child = subprocess.Popen(SLEEP, start_new_session=True)
    yield child
    child.kill()
    child.wait()


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_a_process_is_alive_until_it_is_dead_and_a_zombie_is_dead(sleeper):
    who = identity(sleeper.pid)
    assert who == (sleeper.pid, look(sleeper.pid).start, boot_id())
    assert is_alive(who)
    assert not group_is_empty(sleeper.pid)
    sleeper.kill()
    until(lambda: look(sleeper.pid).zombie)
    assert not is_alive(who)
    assert identity(sleeper.pid) is None
    assert group_is_empty(sleeper.pid), "a group of zombies counts as empty"
    sleeper.wait()
    assert look(sleeper.pid) is None


def test_an_identity_read_back_from_json_is_the_same_one(sleeper):
    assert is_alive(list(identity(sleeper.pid)))


@pytest.mark.parametrize("wrong", ["start", "boot"])
def test_a_reused_pid_is_never_signalled(sleeper, wrong, monkeypatch):
    """T6."""
    sent = []
    monkeypatch.setattr(os, "killpg", lambda *a: sent.append(a))
    pid, start, boot = identity(sleeper.pid)
    other = (pid, start + "1", boot) if wrong == "start" else (pid, start, "another-boot")
    assert not is_alive(other)
    assert not signal_group(other, signal.SIGKILL)
    assert not signal_group(other, signal.SIGKILL, session=pid)
    assert sent == []
    assert signal_group((pid, start, boot), signal.SIGKILL)
    assert sent == [(pid, signal.SIGKILL)]


def test_a_process_that_does_not_lead_its_group_is_not_signalled_as_one(monkeypatch):
    sent = []
    monkeypatch.setattr(os, "killpg", lambda *a: sent.append(a))
    child = subprocess.Popen(SLEEP)
    try:
        assert not signal_group(identity(child.pid), signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    assert sent == []
    assert not signal_group((1, look(1).start, boot_id()), signal.SIGKILL)


LEADER_WITH_CHILD = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
"""


def test_a_group_whose_leader_died_is_signalled_in_its_own_session_only():
    leader = subprocess.Popen(
        [sys.executable, "-c", LEADER_WITH_CHILD], start_new_session=True, stdout=subprocess.PIPE
    )
    who = identity(leader.pid)
    child = int(leader.stdout.readline())
    leader.stdout.close()
    leader.wait()
    assert not group_is_empty(leader.pid)
    assert not signal_group(who, signal.SIGKILL)
    assert not signal_group(who, signal.SIGKILL, session=leader.pid + 1)
    assert identity(child)
    assert signal_group(who, signal.SIGKILL, session=leader.pid)
    until(lambda: group_is_empty(leader.pid))


def test_descendants_are_found_however_deep_and_in_whatever_session(sleeper):
    code = (
        "import subprocess, sys, time\n"
        "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        "print(c.pid, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    grandchild = int(child.stdout.readline())
    try:
        found = {p.pid for p in descendants(os.getpid())}
        assert {sleeper.pid, child.pid, grandchild} <= found
        assert {p.pid for p in descendants(child.pid)} == {grandchild}
    finally:
        child.stdout.close()
        for pid in (grandchild, child.pid):
            os.kill(pid, signal.SIGKILL)
        child.wait()


def test_odd_names_do_not_confuse_the_process_table(tmp_path):
    odd = tmp_path / "a) S 1 (b"
    odd.symlink_to("/bin/sleep")
    child = subprocess.Popen([str(odd), "60"])
    try:
        until(lambda: "a) S" in (process.PROC / str(child.pid) / "stat").read_text())
        assert look(child.pid).parent == os.getpid()
    finally:
        child.kill()
        child.wait()


def test_without_proc_the_same_is_told(sleeper):
    mine, other = look(sleeper.pid), process._look_portably(sleeper.pid)
    assert (mine.pid, mine.parent, mine.group, mine.session, mine.zombie) == (
        other.pid,
        other.parent,
        other.group,
        other.session,
        other.zombie,
    )
    assert process._look_portably(2**22 - 1) is None
