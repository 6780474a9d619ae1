"""Works that tests give to the worker in place of training: sleepers, forkers, crashers, those who won't be told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from workbench.result import Reason, Result


def finish(run, store, folder, emit, should_stop):
    emit("started", {"steps": 5})
    for step in range(1, 6):
        emit("step", {"step": step, "steps": 5, "loss": 1 / step, "seconds": step / 10})
    return Result(metrics={"accuracy": 0.5}, steps=5)


def sleep(run, store, folder, emit, should_stop):
    """Goes on until told to stop, politely."""
    (folder / "began").write_text(str(time.time()))
    emit("started", {"steps": 1000})
    for step in range(1, 1000):
        time.sleep(0.05)
        emit("step", {"step": step, "steps": 1000, "loss": 1.0, "seconds": step * 0.05})
        if should_stop():
            raise InterruptedError("asked to stop")
    return Result()


def resume_counting(run, store, folder, emit, should_stop):
    """Sixteen steps of state that is checkpointed after each, as training does it: the sum is the same however often it
    is broken off."""
    checkpoint = folder / "checkpoint"
    step, total = map(int, checkpoint.read_text().split()) if checkpoint.exists() else (0, 0)
    while step < 16:
        time.sleep(0.1)
        step, total = step + 1, total + (step + 1) ** 2
        part = folder / "checkpoint.part"
        part.write_text(f"{step} {total}")
        os.replace(part, checkpoint)
        emit("step", {"step": step, "steps": 16, "loss": float(total), "seconds": 0.1 * step})
        if should_stop():
            raise InterruptedError("asked to stop")
    return Result(metrics={"total": float(total)}, steps=step)


def stubborn_with_children(run, store, folder, emit, should_stop):
    """Ignores SIGTERM and the stop sign; has a grandchild in its group and one that left it by setsid."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    same = subprocess.Popen([sys.executable, "-c", code])
    other = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    (folder / "children").write_text(f"{same.pid} {other.pid}")
    while True:
        time.sleep(0.05)


def leave_a_child(run, store, folder, emit, should_stop):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    (folder / "children").write_text(str(child.pid))
    return Result()


def hang(run, store, folder, emit, should_stop):
    def in_the_depths():
        while True:
            time.sleep(10)

    in_the_depths()


def flood(run, store, folder, emit, should_stop):
    """A megabyte and more to standard error, with nobody reading it."""
    for number in range(int(os.environ.get("WORK_FLOOD_LINES", "20000"))):
        print(f"{number:8d} " + "x" * 60, file=sys.stderr)
    time.sleep(float(os.environ.get("WORK_FLOOD_LINGER", "0")))
    return Result(metrics={"accuracy": 1.0})


def fail(run, store, folder, emit, should_stop):
    raise {
        "value": ValueError("labels differ: test has 'x', train has 'a', 'b'"),
        "memory": MemoryError(),
        "cuda": RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        "import": ImportError("No module named 'torch'"),
        "bug": KeyError("oops"),
    }[run.spec.choice.method]


class Diverged(Exception):
    def __init__(self, reason):
        super().__init__(reason.message)
        self.reason = reason


def diverge(run, store, folder, emit, should_stop):
    emit("step", {"step": 3, "steps": 10, "loss": float("nan"), "seconds": 0.1})
    raise Diverged(Reason("diverged", "The loss is not a number since step 3."))


def crash(run, store, folder, emit, should_stop):
    os.kill(os.getpid(), signal.SIGSEGV)


def fill_the_disk(run, store, folder, emit, should_stop):
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    with open(folder / "checkpoint", "wb") as file:
        for _ in range(100):
            file.write(bytes(100_000))
            file.flush()
    return Result()


def tell(run, store, folder, emit, should_stop):
    """What the worker finds around it."""
    import resource

    names = {name.partition(".")[0] for name in sys.modules}
    facts = {
        "at": time.time(),
        "pid": os.getpid(),
        "group": os.getpgid(0),
        "session": os.getsid(0),
        "nice": os.nice(0),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "stdin": os.readlink("/proc/self/fd/0"),
        "stderr": os.readlink("/proc/self/fd/2"),
        "omp": os.environ.get("OMP_NUM_THREADS"),
        "cuda": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "main": getattr(sys.modules["__main__"], "__file__", None),
        "gradio": "gradio" in names,
        "pytest": "pytest" in names,
        "oom": Path("/proc/self/oom_score_adj").read_text().strip(),
    }
    if "torch" in sys.modules:
        import torch

        facts["torch_threads"] = torch.get_num_threads()
        facts["product"] = float((torch.ones(300, 300) @ torch.ones(300, 300)).sum())
    return Result(environment=facts)
