"""The lease lets many work and one measure, starves nobody, and is freed when its process is killed."""

import multiprocessing
import os
import signal
import threading
import time

import pytest

from workbench.lease import Lease, LeaseTimeout


def test_many_share_it_and_nobody_waits(tmp_path):
    first, second = Lease(tmp_path), Lease(tmp_path)
    with first.shared(), second.shared():
        assert first.breathe() == 0.0
        assert second.breathe() == 0.0


def test_a_measurement_is_alone(tmp_path):
    reader, writer, other = Lease(tmp_path), Lease(tmp_path), Lease(tmp_path)
    with reader.shared(), pytest.raises(LeaseTimeout, match="did not pause"), writer.exclusive(0.05):
        pytest.fail("a worker was inside")
    with writer.exclusive(1), pytest.raises(LeaseTimeout), other.exclusive(0.05):
        pytest.fail("another measurement was inside")
    with writer.exclusive(0.05):  # nothing was left behind
        pass


def test_breathing_lets_a_waiting_measurement_in_and_waits_for_its_end(tmp_path):
    worker, measuring, order = Lease(tmp_path), Lease(tmp_path), []

    def measure():
        with measuring.exclusive(5):
            order.append("measured")
            time.sleep(0.1)
            order.append("done")

    with worker.shared():
        thread = threading.Thread(target=measure)
        thread.start()
        waited = 0.0
        deadline = time.monotonic() + 5
        while not waited and time.monotonic() < deadline:
            waited = worker.breathe()
        order.append("step")
        thread.join(5)
    assert order == ["measured", "done", "step"]
    assert waited >= 0.1


def test_new_workers_do_not_starve_a_measurement(tmp_path):
    """Workers that come and go without a gap would hold a plain reader/writer lock for ever."""
    stop, leases = threading.Event(), [Lease(tmp_path) for _ in range(4)]

    def work(lease):
        while not stop.is_set():
            with lease.shared():
                time.sleep(0.01)

    threads = [threading.Thread(target=work, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    try:
        with Lease(tmp_path).exclusive(3):
            pass
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_one_who_works_can_measure_and_goes_on_working(tmp_path):
    lease, other = Lease(tmp_path), Lease(tmp_path)
    with lease.shared():
        with lease.exclusive(0.5):
            pass
        with pytest.raises(LeaseTimeout), other.exclusive(0.05):
            pytest.fail("the worker holds it again")
    with other.exclusive(0.5):
        pass


def test_a_wish_to_stop_ends_the_wait(tmp_path):
    worker, writer = Lease(tmp_path), Lease(tmp_path)
    inside, leave = threading.Event(), threading.Event()

    def measure():
        with writer.exclusive(5):
            inside.set()
            leave.wait(5)

    with worker.shared():
        thread = threading.Thread(target=measure)
        thread.start()
        while not inside.is_set():
            worker.breathe(lambda: True)  # comes back although the measurement goes on
        assert thread.is_alive()
        leave.set()
        thread.join(5)


def _hold(folder, kind, ready):
    lease = Lease(folder)
    with lease.shared() if kind == "shared" else lease.exclusive(5):
        ready.set()
        time.sleep(60)


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
def test_the_kernel_frees_it_when_a_process_is_killed(tmp_path, kind):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_hold, args=(tmp_path, kind, ready), daemon=True)
    process.start()
    assert ready.wait(10)
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    with Lease(tmp_path).exclusive(2):
        pass
