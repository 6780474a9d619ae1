"""What needs the heavy libraries runs in a child that can die, hang or be left behind without harm."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests import real_workers
from tests.real_workers import ROOT, living_in, until
from workbench import background
from workbench.background import BackgroundError, call

cold_parent = real_workers.cold_parent
HERE = "tests.background_targets:"


@pytest.fixture(autouse=True)
def closed(cold_parent):
    yield
    background.close()


def test_a_value_comes_back_from_another_process_that_is_kept():
    first, value, with_pytest = call(HERE + "where", {"a": (1, 2)})
    assert value == {"a": (1, 2)}
    assert first != os.getpid()
    assert not with_pytest
    assert call(HERE + "where", 1)[0] == first
    assert call(HERE + "where", 1, pool="inference")[0] != first


def test_a_refusal_is_raised_here_as_it_was_there():
    with pytest.raises(ValueError, match=r"^rank is 1 to 256, not 0$") as caught:
        call(HERE + "refuse", "rank is 1 to 256, not 0")
    assert type(caught.value) is ValueError
    with pytest.raises(ValueError, match="no rows") as caught:
        call(HERE + "refuse_with_code")
    assert caught.value.code == "no_rows"
    with pytest.raises(KeyError, match="bug"):
        call(HERE + "stumble")


def test_what_can_not_travel_becomes_a_sentence():
    with pytest.raises(ValueError, match="encoding: not UTF-8"):
        call(HERE + "refuse_oddly")
    with pytest.raises(Exception, match="pickle"):
        call(HERE + "unanswerable")
    with pytest.raises(AttributeError, match="none_such"):
        call(HERE + "none_such")
    assert call(HERE + "where", 5)[1] == 5


def test_a_child_that_died_is_started_again_once(tmp_path):
    assert call(HERE + "die_once", str(tmp_path / "marker")) == "second time"
    with pytest.raises(BackgroundError, match="die died twice"):
        call(HERE + "die")
    pid = call(HERE + "where", 1)[0]
    os.kill(pid, signal.SIGKILL)
    assert call(HERE + "where", 2)[1] == 2


def test_a_call_that_takes_too_long_is_given_up_and_its_answer_is_not_the_next_ones():
    with pytest.raises(BackgroundError, match=r"no answer within 0\.3 seconds"):
        call(HERE + "sleep", 1.0, timeout=0.3)
    assert call(HERE + "where", "next")[1] == "next"


def test_many_threads_get_each_their_own_answer():
    found: dict[int, object] = {}

    def ask(number: int) -> None:
        found[number] = call(HERE + "where", number)[1]

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: n for n in range(12)}


PROGRAM = """
import threading, time
from workbench.background import call
call("tests.background_targets:where", 1)
threading.Thread(target=call, args=("tests.background_targets:sleep", 60), daemon=True).start()
time.sleep(0.5)
print("up", flush=True)
{end}
"""


@pytest.mark.parametrize("how", ["exits", "killed"])
def test_a_busy_child_neither_holds_up_its_program_nor_outlives_it(how):
    code = PROGRAM.format(end="" if how == "exits" else "time.sleep(60)")
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "WORKBENCH_PRELOAD": "none"},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert program.stdout.readline() == b"up\n"
    began = time.monotonic()
    if how == "killed":
        program.kill()
    program.wait(timeout=20)
    program.stdout.close()
    assert time.monotonic() - began < 5
    until(lambda: living_in(program.pid) == [], 5)


ENDING = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
from workbench import background
threads = ThreadPoolExecutor(2)
asked = [threads.submit(background.call, "tests.background_targets:sleep", 60, pool=f"p{n % 2}") for n in range(6)]
background.call("tests.background_targets:where", 1, pool="p3")
print("up", flush=True)
background.close(for_good=True)
for one in asked:
    print(type(one.exception(20)).__name__, flush=True)
"""


def test_a_program_that_ends_for_good_does_not_wait_for_what_its_threads_have_asked():
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", ENDING],
        cwd=ROOT,
        env={**os.environ, "WORKBENCH_PRELOAD": "none"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["up", *["BackgroundError"] * 6], done.stderr
    assert time.monotonic() - began < 30


def test_after_a_close_that_is_not_for_good_a_call_starts_anew():
    assert call(HERE + "where", 1)[1] == 1
    background.close()
    assert call(HERE + "where", 2)[1] == 2
