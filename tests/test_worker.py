"""A worker leaves a true outcome whatever happens in it, and is a good neighbour while it works."""

import json
import os
import signal
import time

import pytest

from tests import real_workers
from tests.real_workers import alive, specs, until
from workbench.failure import reason_for
from workbench.result import Reason
from workbench.store import StoreError
from workbench.supervisor import Limits, cap_log, read_log
from workbench.worker import STEP_EVENTS, Recorder, StopSign

cold_parent, running = real_workers.cold_parent, real_workers.running


def test_a_run_that_works_is_finished_with_its_result_and_its_steps(running):
    (run,) = running.run("finish")
    assert (run.state, run.reason, run.result.metrics) == ("finished", None, {"accuracy": 0.5})
    assert (run.step, run.steps, run.attempt, run.identity) == (5, 5, 1, None)
    assert [e.values["step"] for e in running.store.events(run.id, kinds=["step"])] == [1, 2, 3, 4, 5]
    assert json.loads((running.folder(run.id) / "result.json").read_text())["steps"] == 5
    assert "attempt 1" in read_log(running.folder(run.id))


def test_a_worker_keeps_to_itself(running):
    (run,) = running.run("tell")
    found = run.result.environment
    assert found["group"] == found["pid"]
    assert found["session"] not in (found["pid"], os.getsid(0))
    assert found["stdin"] == "/dev/null"
    assert found["stderr"] == str(running.folder(run.id) / "worker.log")
    assert (found["nice"], found["core"], found["oom"]) == (10, 0, "1000")
    assert found["omp"] == str(run.threads) == "1"
    assert (found["cuda"], run.device) == ("", "cpu")


def test_a_worker_does_not_load_the_program_that_started_it(running):
    (run,) = running.run("tell")
    found = run.result.environment
    assert (found["main"], found["pytest"], found["gradio"]) == (None, False, False)


@pytest.mark.parametrize(
    ("method", "code", "said"),
    [
        ("value", "error", "labels differ: test has 'x', train has 'a', 'b'"),
        ("memory", "out_of_memory", "The machine ran out of memory"),
        ("cuda", "out_of_memory", "The GPU ran out of memory"),
        ("import", "environment", "No module named 'torch'"),
        ("bug", "error", "KeyError: 'oops'. The log has the whole trace."),
    ],
)
def test_whatever_is_raised_becomes_a_reason_and_the_trace_stays_in_the_log(running, method, code, said):
    (run,) = running.run("fail", method=method)
    assert (run.state, run.reason.code) == ("failed", code)
    assert said in run.reason.message
    assert "\n" not in run.reason.message
    assert "Traceback" in read_log(running.folder(run.id))


def test_training_names_its_own_reasons(running):
    (run,) = running.run("diverge")
    assert run.reason == Reason("diverged", "The loss is not a number since step 3.")
    assert run.step == 3
    assert run.loss is None


def test_a_crash_names_its_signal_and_hurts_nobody_else(running):
    runner = running.start("sleep")
    (other,) = running.store.add(specs())
    until(lambda: (running.folder(other) / "began").exists())
    runner.work = "tests.worker_targets:crash"
    (run,) = runner.wait(running.store.add(specs()), timeout=20)
    assert (run.state, run.reason.code) == ("failed", "error")
    assert "SIGSEGV" in run.reason.message
    assert "Fatal Python error: Segmentation fault" in read_log(running.folder(run.id))
    assert running.store.run(other).state == "running"


def test_a_worker_killed_by_the_system_is_told_apart_and_leaves_nobody(running):
    """F13, F21: kill -9 of the worker alone."""
    running.start("stubborn_with_children")
    (run_id,) = running.store.add(specs())
    children = running.folder(run_id) / "children"
    until(lambda: children.exists() and len(children.read_text().split()) == 2)
    os.kill(running.store.run(run_id).identity[0], signal.SIGKILL)
    (run,) = running.runners[0].wait([run_id], timeout=20)
    assert (run.state, run.reason.code) == ("failed", "out_of_memory")
    assert "signal 9" in run.reason.message
    assert alive([int(pid) for pid in children.read_text().split()]) == []


def test_children_that_a_finished_run_left_are_gone_before_it_is_called_finished(running):
    (run,) = running.run("leave_a_child")
    assert run.state == "finished"
    assert alive([int((running.folder(run.id) / "children").read_text())]) == []


def test_a_worker_stopped_from_outside_is_lost_and_may_be_resumed(running):
    running.start("sleep")
    (run_id,) = running.store.add(specs())
    until(lambda: (running.folder(run_id) / "began").exists())
    os.kill(running.store.run(run_id).identity[0], signal.SIGTERM)
    (run,) = running.runners[0].wait([run_id], timeout=20)
    assert (run.state, run.reason.code) == ("lost", "lost")
    assert "signal 15" in run.reason.message


def test_a_full_disk_fails_the_run_and_not_the_rest(running):
    """F14, T9."""
    (run,) = running.run("fill_the_disk")
    assert run.reason == Reason("disk", "The disk is full: make room, then resume the run.")


def test_a_megabyte_on_standard_error_blocks_nobody(running):
    """T3: nobody reads it."""
    (run,) = running.run("flood")
    assert run.state == "finished"
    assert (running.folder(run.id) / "worker.log").stat().st_size > 1_000_000


def test_a_flood_of_output_is_cut_down_while_it_runs(running):
    """F33."""
    runner = running.start("flood", limits=Limits(log_bytes=200_000))
    (run_id,) = running.store.add(specs())
    log = running.folder(run_id) / "worker.log"
    (run,) = runner.wait([run_id], timeout=20)
    assert run.state == "finished"
    assert log.stat().st_size <= 200_000
    assert log.read_text().startswith("... older lines were removed ...\n")
    assert "   19999 xxx" in read_log(running.folder(run_id))


def test_a_cut_log_keeps_its_end_and_a_shown_one_no_token(tmp_path):
    path = tmp_path / "worker.log"
    path.write_text("".join(f"line {n}\n" for n in range(1000)) + "token hf_abcDEF0123456789\n")
    cap_log(path, 10_000_000)
    assert path.read_text().startswith("line 0\n")
    cap_log(path, 1000)
    assert path.stat().st_size < 400
    assert path.read_text().splitlines()[1].startswith("line 9")
    assert read_log(tmp_path).endswith("line 999\ntoken hf_...\n")
    assert read_log(tmp_path / "none") == ""


def test_a_hang_is_noticed_its_stack_is_logged_and_it_is_ended(running):
    """F32."""
    (run,) = running.run("hang", limits=Limits(no_progress_seconds=1.0))
    assert (run.state, run.reason.code) == ("failed", "no_progress")
    assert run.reason.message == "No progress for 1 seconds: stopped. The log shows where it stood."
    assert "in_the_depths" in read_log(running.folder(run.id))


def test_a_run_that_moves_is_not_taken_for_one_that_hangs(running):
    runner = running.start("sleep", limits=Limits(no_progress_seconds=1.0))
    (run_id,) = running.store.add(specs())
    until(lambda: (running.folder(run_id) / "began").exists())
    time.sleep(2.5)
    assert running.store.run(run_id).state == "running"
    runner.cancel(run_id)


def test_a_run_may_be_limited_in_time(running):
    (run,) = running.run("sleep", limits=Limits(wall_seconds=1.0))
    assert (run.state, run.reason.code) == ("failed", "error")
    assert "limit of 1 seconds" in run.reason.message


# -- what is recorded --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [10, 199, 5000])
def test_steps_are_thinned_out_and_the_last_one_is_kept(store, steps):
    (run_id,) = store.add(specs())
    recorder = Recorder(store, run_id)
    for step in range(1, steps + 1):
        recorder.emit("step", {"step": step, "steps": steps, "loss": 1.0})
    kept = [e.values["step"] for e in store.events(run_id)]
    assert kept[0] == 1
    assert kept[-1] == steps
    assert min(steps, STEP_EVENTS // 2) <= len(kept) <= STEP_EVENTS + 1


def test_steps_are_thinned_out_when_nobody_knows_how_many_there_will_be(store):
    (run_id,) = store.add(specs())
    recorder = Recorder(store, run_id)
    for step in range(1, 20_001):
        recorder.emit("step", {"step": step, "loss": 1.0})
    assert 200 <= len(store.events(run_id)) <= 600


def test_a_later_stage_begins_its_steps_anew(store):
    (run_id,) = store.add(specs())
    recorder = Recorder(store, run_id)
    for stage in ("first", "second"):
        for step in range(1, 1001):
            recorder.emit("step", {"step": step, "steps": 1000}, stage)
    stages = [e.stage for e in store.events(run_id)]
    assert abs(stages.count("first") - stages.count("second")) <= 1


def test_other_events_are_all_kept_and_a_busy_store_costs_a_step_only(store, monkeypatch):
    (run_id,) = store.add(specs())
    recorder = Recorder(store, run_id)
    for number in range(300):
        recorder.emit("warning", {"message": str(number)})
    assert len(store.events(run_id, kinds=["warning"])) == 300

    def busy(*args):
        raise StoreError("locked", "busy")

    monkeypatch.setattr(store, "add_event", busy)
    recorder.emit("step", {"step": 1, "steps": 5})
    with pytest.raises(StoreError):
        recorder.emit("evaluated", {"step": 1, "accuracy": 0.5})


def test_the_stop_sign_asks_the_store_seldom_and_remembers(store, monkeypatch):
    (run_id,) = store.add(specs())
    store.claim()
    store.change_state(run_id, "running")
    asked = []
    pulse = store.pulse
    monkeypatch.setattr(store, "pulse", lambda run_id: asked.append(run_id) or pulse(run_id))
    stop = StopSign(store, run_id)
    before = store.version()
    assert not any(stop() for _ in range(1000))
    assert len(asked) == 1
    assert store.version() != before, "that it was asked shows that training moves"
    store.request_cancel(run_id)
    until(stop, 2)
    assert stop()


# -- reasons -----------------------------------------------------------------------------------------------------


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(28, "No space left on device"), "disk"),
        (OSError(122, "Disk quota exceeded"), "disk"),
        (
            RuntimeError(
                "[enforce fail at inline_container.cc:664] . unexpected pos: No space left on device"
            ),
            "disk",
        ),
        (StoreError("the disk that holds x is full", "disk"), "disk"),
        (raised(RuntimeError("could not save"), OSError(28, "No space left on device")), "disk"),
        (MemoryError(), "out_of_memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
            "out_of_memory",
        ),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory."), "out_of_memory"),
        (ModuleNotFoundError("No module named 'peft'"), "environment"),
        (ValueError("rank is 1 to 256, not 0"), "error"),
        (SystemExit(3), "error"),
        (raised(RuntimeError("wrapped"), type("T", (Exception,), {})(Reason("diverged", "NaN"))), "diverged"),
    ],
)
def test_reasons_are_told_apart(error, code):
    reason = reason_for(error)
    assert reason.code == code
    assert reason.message
    assert "\n" not in reason.message


def test_a_long_story_becomes_one_line():
    message = reason_for(RuntimeError("first line\n" + "x" * 10_000)).message
    assert message == "RuntimeError: first line. The log has the whole trace."
    assert len(reason_for(RuntimeError("y" * 10_000)).message) < 500
