"""Starts child processes from a warm parent that has imported the heavy libraries (a forkserver; spawn off Linux).

The page itself never imports them. The warm parent has never computed anything nor touched CUDA, so forking is safe.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
import types
from collections.abc import Callable, Iterator
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

METHOD = "forkserver" if sys.platform == "linux" else "spawn"

# For the warm parent: no thread pools before a child says how many it wants, and counting GPUs must not start CUDA.
# Threads that wait must sleep: spinning, 4 threads on 4 cores that others use too took 2.6 s a step instead of 0.16.
ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}

_lock = threading.RLock()


def process(function: Callable[..., Any], *arguments: Any, daemon: bool = True) -> BaseProcess:
    """Start `function(*arguments)` in a child. A daemon is ended when this process exits, and may have no children
    through multiprocessing itself."""
    context = _context()
    with _lock, _bare_main():
        _warm_up()
        child: BaseProcess = context.Process(target=function, args=arguments, daemon=daemon)  # type: ignore[attr-defined]
        child.start()
    return child


def run(function: Callable[..., Any], *arguments: Any) -> int:
    """Start a child, wait for it, return its exit code. A warm parent that has died is replaced once."""
    for last in (False, True):
        try:
            child = process(function, *arguments, daemon=False)
        except (EOFError, ConnectionError):
            if last:
                raise
            continue
        child.join()
        code = child.exitcode
        child.close()
        return -1 if code is None else code
    raise AssertionError("unreachable")


def ready() -> None:
    """Return when the warm parent has loaded everything; a child started from now on is there in milliseconds."""
    run(_nothing)


def detach() -> None:
    """In a child that is to outlive this program: let go of the warm parent, which waits for all who know it."""
    multiprocessing.set_start_method(None, force=True)  # its own children start in the usual way
    if METHOD != "forkserver":
        return
    from multiprocessing import forkserver

    server: Any = forkserver._forkserver  # type: ignore[attr-defined]
    if server._forkserver_alive_fd is not None:
        os.close(server._forkserver_alive_fd)
    server._forkserver_alive_fd = server._forkserver_address = server._forkserver_pid = None


def _nothing() -> None:
    """Proof that the warm parent answers."""


def _context() -> BaseContext:
    context = multiprocessing.get_context(METHOD)
    if METHOD == "forkserver":
        context.set_forkserver_preload(["workbench.preloaded"])
    return context


def _warm_up() -> None:
    """Start the warm parent with an environment of its own; it reads its variables only when it starts."""
    if METHOD != "forkserver":
        return
    from multiprocessing import forkserver

    # It looks for our package on its own path, which knows nothing of the folder that `python app.py` was given.
    package = str(Path(__file__).parent.parent)
    path = os.pathsep.join(p for p in (package, os.environ.get("PYTHONPATH")) if p)
    with _environment({**ENVIRONMENT, "PYTHONPATH": path}):
        forkserver.ensure_running()


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _bare_main() -> Iterator[None]:
    """Hide where `__main__` came from: multiprocessing would run app.py, and so import the page, in every child."""
    main = sys.modules["__main__"]
    bare = types.ModuleType("__main__")
    bare.__dict__.update({k: v for k, v in vars(main).items() if k not in ("__file__", "__spec__")})
    bare.__spec__ = None
    sys.modules["__main__"] = bare
    try:
        yield
    finally:
        sys.modules["__main__"] = main
