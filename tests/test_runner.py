"""The queue survives everybody: its owner, its workers, their supervisors, a restart, a second page, a slow machine."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests import real_workers
from tests.real_workers import QUICK, ROOT, alive, living_in, page, specs, until
from workbench import machine, outcome, warm
from workbench.process import boot_id, group_is_empty, identity
from workbench.result import Reason, Result
from workbench.runner import Runner
from workbench.store import Store
from workbench.supervisor import Limits

cold_parent, running = real_workers.cold_parent, real_workers.running


def began(running, run_id: str) -> None:
    until(lambda: (running.folder(run_id) / "began").exists())


# -- order and room ----------------------------------------------------------------------------------------------


def test_a_queue_is_worked_off_in_order_and_no_more_at_once_than_there_are_slots(running):
    runner = running.start("sleep", slots=2)
    ids = running.store.add(specs(4))
    for run_id in ids[:2]:
        began(running, run_id)
    time.sleep(0.5)
    assert [run.state for run in running.store.runs()] == ["running", "running", "queued", "queued"]
    runner.cancel(ids[0])
    began(running, ids[2])
    assert running.store.run(ids[3]).state == "queued"


def test_a_paused_queue_starts_nothing_until_it_goes_on(running):
    runner = running.start("finish")
    runner.pause()
    (run_id,) = running.store.add(specs())
    time.sleep(0.5)
    assert running.store.run(run_id).state == "queued"
    runner.unpause()
    assert runner.wait([run_id], timeout=20)[0].state == "finished"


def test_one_failed_run_does_not_hold_up_the_next(running):
    runner = running.start("crash", slots=1)
    first, second = running.store.add(specs(2))
    until(lambda: running.store.run(first).is_final)
    runner.work = "tests.worker_targets:finish"
    assert runner.wait([second], timeout=20)[0].is_final


def test_only_one_of_two_runners_owns_the_queue_and_the_other_takes_over(store):
    first, second = Runner(store), Runner(Store(store.folder))
    assert first._look_after()
    assert not second._look_after()
    assert second._lock_file is None
    first.stop()
    assert second._look_after()
    second.stop()


def test_two_pages_start_each_run_once(running):
    running.start("finish")
    other = Runner(Store(running.store.folder), work="tests.worker_targets:finish", limits=QUICK, poll=0.05)
    other.start()
    ids = running.store.add(specs(4))
    found = other.wait(ids, timeout=30)
    other.stop()
    assert [(run.state, run.attempt) for run in found] == [("finished", 1)] * 4


def test_waiting_tells_of_changes_and_ends_with_the_last_run(running):
    runner = running.start("finish")
    seen = []
    ids = running.store.add(specs(2))
    found = runner.wait(
        ids, on_change=lambda runs: seen.append([r.state for r in runs]), poll=0.02, timeout=20
    )
    assert [run.id for run in found] == ids
    assert seen[-1] == ["finished", "finished"]
    assert len(seen) > 1
    assert runner.wait(["0123456789abcdef"], timeout=1) == []


def test_waiting_does_not_wait_for_ever(store):
    with pytest.raises(TimeoutError, match="1 runs have not ended"):
        Runner(store).wait(store.add(specs()), timeout=0.3, poll=0.05)


@pytest.mark.parametrize("given", ["0", "two", "-1"])
def test_slots_are_checked(store, monkeypatch, given):
    monkeypatch.setenv("WORKBENCH_SLOTS", given)
    with pytest.raises(ValueError, match="whole number from 1 up"):
        Runner(store)
    monkeypatch.setenv("WORKBENCH_SLOTS", "3")
    assert Runner(store).slots == 3
    assert Runner(store, slots=2).slots == 2


def test_a_run_that_needs_more_room_on_the_disk_than_there_is_is_not_started(running, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    (run,) = running.run("finish")
    assert (run.state, run.reason.code) == ("failed", "disk")
    assert "The disk has 0.0 GB left" in run.reason.message


def test_a_worker_that_can_not_be_started_fails_its_run(running, monkeypatch):
    runner = running.start("finish")
    until(runner._warm.is_set)

    def no_processes_left(*arguments):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(warm, "run", no_processes_left)
    (run,) = runner.wait(running.store.add(specs()), timeout=20)
    assert (run.state, run.reason.code) == ("failed", "environment")


# -- cancelling --------------------------------------------------------------------------------------------------


def test_a_run_that_listens_is_cancelled_within_a_second(running):
    runner = running.start("sleep", limits=Limits())
    (run_id,) = running.store.add(specs())
    began(running, run_id)
    session = running.store.run(run_id).identity[0]
    asked = time.monotonic()
    assert runner.cancel(run_id)
    assert runner.cancel(run_id), "a second time changes nothing"
    (run,) = runner.wait([run_id], timeout=20)
    assert (run.state, run.reason.code) == ("cancelled", "cancelled")
    assert time.monotonic() - asked < 3
    assert group_is_empty(session)
    assert not runner.cancel(run_id)


@pytest.mark.parametrize(
    "limits", [QUICK, pytest.param(Limits(), marks=pytest.mark.slow)], ids=["quick", "real"]
)
def test_a_run_that_will_not_listen_is_gone_with_all_its_children(running, limits):
    """T4: SIGTERM ignored, a grandchild in the group and one that left it."""
    runner = running.start("stubborn_with_children", limits=limits)
    (run_id,) = running.store.add(specs())
    children = running.folder(run_id) / "children"
    until(lambda: children.exists() and len(children.read_text().split()) == 2)
    worker = running.store.run(run_id).identity[0]
    session = json.loads((running.folder(run_id) / "processes.json").read_text())["supervisor"][0]
    everybody = [worker, *map(int, children.read_text().split())]
    assert alive(everybody) == sorted(everybody)
    asked = time.monotonic()
    runner.cancel(run_id)
    while not running.store.run(run_id).is_final:
        assert (
            len(alive(everybody)) > 0 or running.store.run(run_id).is_final or time.monotonic() - asked < 45
        )
        time.sleep(0.05)
    assert alive(everybody) == []
    taken = time.monotonic() - asked
    print(f"cancelled after {taken:.1f} s")
    assert taken < 45
    assert running.store.run(run_id).state == "cancelled"
    until(lambda: living_in(session) == [], 5)


def test_cancelling_while_it_starts(running, monkeypatch):
    monkeypatch.setattr(warm, "run", lambda *a: time.sleep(0.3) or real_run(*a))
    runner = running.start("sleep")
    (run_id,) = running.store.add(specs())
    until(lambda: running.store.run(run_id).state == "starting")
    assert runner.cancel(run_id)
    (run,) = runner.wait([run_id], timeout=20)
    assert run.state == "cancelled"


real_run = warm.run


def test_a_complete_result_wins_over_a_late_cancel(store):
    """F24."""
    (run_id,) = store.add(specs())
    run = store.claim()
    store.run_folder(run_id).mkdir()
    outcome.write_result(store.run_folder(run_id), Result(steps=7))
    store.request_cancel(run_id)
    assert outcome.settle(store, run_id, run.attempt) == "finished"
    assert store.run(run_id).result.steps == 7
    assert not store.request_cancel(run_id)


def test_the_command_line_cancels_although_the_page_owns_the_queue(running):
    running.start("sleep")
    (run_id,) = running.store.add(specs())
    began(running, run_id)
    other = Runner(Store(running.store.folder))
    other.cancel(run_id)
    assert other.wait([run_id], timeout=20)[0].state == "cancelled"


# -- again -------------------------------------------------------------------------------------------------------


def test_a_retry_is_a_new_run_that_names_the_old_one(running):
    (old,) = running.run("crash")
    runner = running.runners[0]
    runner.work = "tests.worker_targets:finish"
    new = runner.retry(old.id)
    (run,) = runner.wait([new], timeout=20)
    assert (run.state, run.retry_of, run.spec) == ("finished", old.id, old.spec)
    assert running.store.run(old.id).state == "failed"


def test_only_a_run_that_has_ended_is_retried_and_only_one_that_broke_off_resumed(store):
    runner = Runner(store)
    (run_id,) = store.add(specs())
    with pytest.raises(ValueError, match="only a run that has ended"):
        runner.retry(run_id)
    with pytest.raises(ValueError, match="is queued: only a failed, cancelled, lost run can be resumed"):
        runner.resume(run_id)
    store.claim()
    store.change_state(run_id, "finished", result=Result())
    with pytest.raises(ValueError, match="is finished"):
        runner.resume(run_id)
    with pytest.raises(KeyError):
        runner.retry("0123456789abcdef")


def test_a_resumed_run_keeps_its_id_and_gives_what_an_unbroken_one_gives(running):
    runner = running.start("resume_counting")
    (run_id,) = running.store.add(specs())
    until(lambda: running.store.run(run_id).step >= 3)
    runner.cancel(run_id)
    (run,) = runner.wait([run_id], timeout=20)
    assert run.state == "cancelled"
    assert runner.resume(run_id) == run_id
    (run,) = runner.wait([run_id], timeout=20)
    assert (run.state, run.attempt, run.reason, run.cancel_requested) == ("finished", 2, None, False)
    assert run.result.metrics["total"] == sum(n**2 for n in range(1, 17))
    steps = [e.values["step"] for e in running.store.events(run_id, kinds=["step"])]
    assert steps == sorted(set(steps))


# -- who dies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_worker_killed_at_any_point_ends_in_a_final_state_and_can_be_resumed(running, times):
    """T2."""
    dice = random.Random(times)
    runner = running.start("resume_counting")
    killed = 0
    for delay in [0.3, *(dice.uniform(0, 2) for _ in range(times - 1))]:
        (run_id,) = running.store.add(specs())
        until(lambda run_id=run_id: running.store.run(run_id).identity is not None)
        who = running.store.run(run_id).identity
        time.sleep(delay)
        try:
            os.kill(who[0], signal.SIGKILL)
            killed += 1
        except ProcessLookupError:
            pass
        (run,) = runner.wait([run_id], timeout=20)
        assert run.is_final
        assert group_is_empty(who[0])
        if run.state != "finished":
            runner.resume(run_id)
            (run,) = runner.wait([run_id], timeout=20)
        assert run.state == "finished"
        assert run.result.metrics["total"] == 1496.0
    assert killed


def test_a_run_goes_on_when_its_page_is_killed_and_the_next_page_has_its_row_right(running):
    """T5, F22."""
    first = page(running.store, "resume_counting")
    ids = running.store.add(specs(2))
    for run_id in ids:
        until(lambda run_id=run_id: running.store.run(run_id).step >= 1, 30)
    before = [running.store.run(run_id).identity for run_id in ids]
    first.kill()
    first.wait()
    assert all(identity(who[0]) == who for who in before)
    step = running.store.run(ids[0]).step
    second = Runner(Store(running.store.folder), work="tests.worker_targets:crash", limits=QUICK)
    second.start()
    found = second.wait(ids, timeout=20)
    second.stop()
    assert [(run.state, run.attempt, run.result.metrics["total"]) for run in found] == [
        ("finished", 1, 1496.0)
    ] * 2
    assert step < 16


def test_nothing_of_a_killed_page_stays_behind(running):
    """Its warm parent and its helpers end with it, while the run goes on."""
    first = page(running.store, "sleep")
    (run_id,) = running.store.add(specs())
    until(lambda: (running.folder(run_id) / "began").exists(), 30)
    worker = running.store.run(run_id).identity
    first.kill()
    first.wait()
    until(lambda: len(living_in(first.pid)) <= 1, 5)  # the resource tracker may wait for the worker
    assert identity(worker[0]) == worker
    Runner(running.store).cancel(run_id)
    until(lambda: running.store.run(run_id).state == "cancelled", 10)


def test_a_page_may_end_at_once_while_its_runs_go_on(running):
    code = (
        "from tests.real_workers import specs\n"
        "from workbench.runner import Runner\n"
        "from workbench.store import Store\n"
        f"store = Store({str(running.store.folder)!r})\n"
        "runner = Runner(store, work='tests.worker_targets:sleep', slots=1)\n"
        "runner.start()\n"
        "ids = store.add(specs())\n"
        "import time\n"
        "while not (store.run_folder(ids[0]) / 'began').exists(): time.sleep(0.02)\n"
    )
    environment = {**os.environ, "WORKBENCH_PRELOAD": "none"}
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, timeout=30)
    (run,) = running.store.runs()
    print(f"ended after {time.monotonic() - start:.1f} s")
    assert run.state == "running"
    assert identity(run.identity[0]) == run.identity
    Runner(running.store).cancel(run.id)
    until(lambda: running.store.run(run.id).state == "cancelled", 10)


def test_the_work_of_a_killed_supervisor_is_done_by_the_queues_owner(running):
    runner = running.start("stubborn_with_children", limits=Limits(0.2, 0.2))
    (run_id,) = running.store.add(specs())
    children = running.folder(run_id) / "children"
    until(lambda: children.exists() and len(children.read_text().split()) == 2)
    supervisor = json.loads((running.folder(run_id) / "processes.json").read_text())["supervisor"]
    same, other = map(int, children.read_text().split())
    worker = running.store.run(run_id).identity[0]
    os.kill(supervisor[0], signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    (run,) = runner.wait([run_id], timeout=20)
    assert (run.state, run.reason.code) == ("lost", "lost")
    assert alive([worker, same]) == []
    os.kill(other, signal.SIGKILL)  # it left the group, and nobody was there to adopt it


def test_cancelling_works_without_a_supervisor(running, monkeypatch):
    monkeypatch.setattr("workbench.caretaker.GRACE_SECONDS", 0.2)
    runner = running.start("stubborn_with_children", limits=Limits(0.2, 0.2))
    (run_id,) = running.store.add(specs())
    children = running.folder(run_id) / "children"
    until(lambda: children.exists() and len(children.read_text().split()) == 2)
    os.kill(
        json.loads((running.folder(run_id) / "processes.json").read_text())["supervisor"][0], signal.SIGKILL
    )
    runner.cancel(run_id)
    (run,) = runner.wait([run_id], timeout=20)
    same, other = map(int, children.read_text().split())
    os.kill(other, signal.SIGKILL)
    assert run.state == "cancelled"
    until(lambda: alive([same]) == [], 2)


# -- what an earlier page left -----------------------------------------------------------------------------------


def left(store, who, *, result=None, state="running") -> str:
    (run_id,) = store.add(specs())
    run = store.claim()
    store.run_folder(run_id).mkdir()
    if who is not None:
        assert store.adopt(run_id, run.attempt, who, 1, "cpu")
    if state == "running":
        store.change_state(run_id, "running")
    if result is not None:
        outcome.write_result(store.run_folder(run_id), result)
    return run_id


GONE = (2**22 - 1, "1")


def test_what_a_dead_worker_left_is_read(store):
    with_result = left(store, (*GONE, boot_id()), result=Result(steps=3))
    without = left(store, (*GONE, boot_id()))
    failed = left(store, (*GONE, boot_id()))
    outcome.write_failure(store.run_folder(failed), Reason("diverged", "NaN at step 2."))
    torn = left(store, (*GONE, boot_id()))
    (store.run_folder(torn) / "result.json").write_text('{"metrics": {"accu')
    Runner(store)._look_after()
    assert store.run(with_result).state == "finished"
    assert store.run(with_result).result.steps == 3
    assert (store.run(without).state, store.run(without).reason.code) == ("lost", "lost")
    assert store.run(failed).reason == Reason("diverged", "NaN at step 2.")
    assert store.run(torn).state == "lost"


def test_after_a_restart_of_the_machine_a_run_is_lost_and_nobody_is_signalled(store, monkeypatch):
    """F23."""
    sent = []
    monkeypatch.setattr(os, "killpg", lambda *a: sent.append(a))
    run_id = left(store, (os.getpid(), identity(os.getpid())[1], "an-earlier-boot"))
    store.request_cancel(run_id)
    Runner(store)._look_after()
    assert store.run(run_id).state == "lost"
    assert "restarted" in store.run(run_id).reason.message
    assert sent == []


def test_a_stranger_with_the_same_pid_is_not_signalled(store, monkeypatch):
    """T6: the pid lives, but it started at another time."""
    sent = []
    monkeypatch.setattr(os, "killpg", lambda *a: sent.append(a))
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        pid, start, boot = identity(stranger.pid)
        run_id = left(store, (pid, str(int(start) - 100), boot))
        store.request_cancel(run_id)
        runner = Runner(store, limits=Limits(0, 0))
        for _ in range(3):
            runner._look_after()
        assert sent == []
        assert stranger.poll() is None
        assert store.run(run_id).state == "cancelled"
    finally:
        stranger.kill()
        stranger.wait()


def test_a_run_that_never_got_a_worker_is_queued_again_and_given_up_at_last(store, monkeypatch):
    monkeypatch.setattr("workbench.caretaker.START_SECONDS", -1)
    run_id = left(store, None, state="starting")
    runner = Runner(store)
    for attempt in (1, 2):
        assert store.run(run_id).attempt == attempt
        runner._look_after()
        assert store.run(run_id).state == "queued"
        store.claim()
    runner._look_after()
    assert (store.run(run_id).state, store.run(run_id).reason.code) == ("failed", "environment")


def test_a_clock_that_jumps_makes_nobody_late(store, monkeypatch):
    """F27, T13."""
    run_id = left(store, None, state="starting")
    runner = Runner(store)
    for jump in (86_400, -86_400):
        now = time.time()
        monkeypatch.setattr(time, "time", lambda now=now, jump=jump: now + jump)
        runner._look_after()
        assert store.run(run_id).state == "starting"


def test_a_store_in_trouble_is_told_and_the_queue_lives_on(store, monkeypatch):
    from workbench.store import StoreError

    runner = Runner(store)
    runs = store.runs
    monkeypatch.setattr(
        store, "runs", lambda **k: (_ for _ in ()).throw(StoreError("the disk is full", "disk"))
    )
    runner._guarded(runner._tick)
    assert runner.trouble == "the disk is full"
    monkeypatch.setattr(store, "runs", runs)
    runner._guarded(runner._tick)
    assert runner.trouble is None


# -- shares ------------------------------------------------------------------------------------------------------


def test_threads_come_from_the_machine_and_the_model_alone():
    assert [machine.share(size, 4).threads for size in (8_000_000, 110_000_000, 3_000_000_000, None)] == [
        1,
        2,
        4,
        2,
    ]
    assert [machine.share(size, 1).threads for size in (8_000_000, 110_000_000, 3_000_000_000)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("config", "low", "high"),
    [
        ({"dim": 768, "n_layers": 6, "hidden_dim": 3072, "n_heads": 12, "vocab_size": 30522}, 60e6, 72e6),
        ({"n_embd": 768, "n_layer": 12, "n_head": 12, "n_inner": None, "vocab_size": 50257}, 115e6, 130e6),
        (
            {
                "hidden_size": 896,
                "num_hidden_layers": 24,
                "intermediate_size": 4864,
                "num_attention_heads": 14,
                "num_key_value_heads": 2,
                "vocab_size": 151936,
                "hidden_act": "silu",
            },
            450e6,
            520e6,
        ),
    ],
    ids=["distilbert", "gpt2", "qwen2-0.5b"],
)
def test_a_models_size_is_read_from_its_config(tmp_path, config, low, high):
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert low < machine.parameters(str(tmp_path)) < high


def test_a_size_that_can_not_be_read_is_unknown(tmp_path, store):
    (tmp_path / "config.json").write_text("{")
    assert machine.parameters(str(tmp_path)) is None
    assert machine.parameters("embedded:none-such") is None
    assert machine.parameters("run:0123456789abcdef", store) is None
    assert machine.parameters("nobody/none-such-model") is None


def test_a_run_as_a_model_has_the_size_of_its_own_model(store, tmp_path):
    import dataclasses

    from tests.store_writer import SETTING
    from workbench.spec import Choice, RunSpec

    (tmp_path / "config.json").write_text('{"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 100}')
    setting = dataclasses.replace(SETTING, model=str(tmp_path))
    (run_id,) = store.add([RunSpec(setting, Choice("full", {}, 1e-3), 0)])
    assert machine.parameters(f"run:{run_id}", store) == machine.parameters(str(tmp_path)) > 6400


def test_gpus_are_those_that_the_user_leaves_visible(monkeypatch):
    for visible, found in (("2,3", ("2", "3")), ("", ()), ("-1", ())):
        machine.gpus.cache_clear()
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert machine.gpus() == found
    machine.gpus.cache_clear()


def test_each_gpu_takes_one_run(store, monkeypatch):
    monkeypatch.setattr(machine, "gpus", lambda: ("0", "GPU-aa"))
    runner = Runner(store)
    store.add(specs(3))
    devices = []
    while chosen := runner._next():
        run, wanted, device = chosen
        store.claim(run.id)
        store.adopt(run.id, 1, (*GONE, boot_id()), wanted.threads, device)
        devices.append(device)
    assert devices == ["cuda:0", "cuda:GPU-aa"]


def test_large_models_wait_for_memory_and_small_ones_for_cores(store, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(machine, "memory_bytes", lambda: 16_000_000_000)

    def started(size: int) -> int:
        monkeypatch.setattr(machine, "parameters", lambda model, store: size)
        runner, count = Runner(store), 0
        ids = store.add(specs(8))
        while chosen := runner._next():
            store.claim(chosen[0].id)
            count += 1
        for run_id in ids:
            store.change_state(run_id, "cancelled")
        return count

    assert [started(size) for size in (8_000_000, 110_000_000, 2_000_000_000)] == [4, 2, 1]


# -- the real warm parent ----------------------------------------------------------------------------------------

WARM = """
import sys, time
from tests.real_workers import specs
from workbench.runner import Runner
from workbench.store import Store
store = Store(sys.argv[1])
runner = Runner(store, work="tests.worker_targets:tell")
began = time.time()
runner.start()
assert runner._warm.wait(300)
warm = time.time() - began
times = []
for _ in range(3):
    began = time.time()
    (run,) = runner.wait(store.add(specs()), poll=0.02, timeout=60)
    log = (store.run_folder(run.id) / "worker.log")
    times.append(run.result.environment["at"] - began)
assert not {"torch", "transformers"} & set(sys.modules)
print(f"warm parent ready after {warm:.1f} s; first line in the worker after", *(f"{t:.2f}" for t in times), "s")
assert max(times) < 3
assert run.result.environment["product"] == 27_000_000.0
assert run.result.environment["torch_threads"] == run.threads
runner.stop()
"""


@pytest.mark.slow
def test_a_run_starts_within_three_seconds_once_the_parent_is_warm(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "WORKBENCH_PRELOAD"}
    done = subprocess.run(
        [sys.executable, "-c", WARM, str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr
