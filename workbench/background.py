"""Calls functions that need the heavy libraries, in a warm child process, so that the page never imports them."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from workbench import gpu_lease, warm


class BackgroundError(RuntimeError):
    """The child process died or took too long; the call did not finish."""


def call(function: str, *arguments: Any, pool: str = "estimate", timeout: float | None = None) -> Any:
    """`call("workbench.probe:usable", model, task)`: the function's value, or what it raised, raised here.

    Each pool is one child that takes one call at a time. A child that dies is started again, and asked again, once.
    Where a GPU is lent for the length of a call, inference runs under that lease instead.
    """
    if pool == "inference" and gpu_lease.is_offered():
        return _on_leased_gpu(function, arguments)
    with _lock:
        if _ended.is_set():
            raise BackgroundError(f"{function} is not asked any more: this program is ending")
        helper = _pools.setdefault(pool, _Helper())
    return helper.call(function, arguments, timeout)


def close(*, for_good: bool = False) -> None:
    """End the children now: calls under way end with a BackgroundError, and with `for_good` so does every later one.

    They end by themselves with this process, however it ends; but it waits for its threads, and these for their calls.
    """
    with _lock:
        if for_good:
            _ended.set()
        for helper in _pools.values():
            helper.end()
        _pools.clear()


@gpu_lease.on_leased_gpu()
def _on_leased_gpu(function: str, arguments: tuple[Any, ...]) -> Any:
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)(*arguments)


class _Helper:
    """One child process and the pipe to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._over = False

    def call(self, function: str, arguments: tuple[Any, ...], timeout: float | None) -> Any:
        with self._lock:
            for last in (False, True):
                try:
                    worked, value = self._ask(function, arguments, timeout)
                    break
                except (EOFError, OSError) as error:
                    self.close()
                    if last:
                        raise BackgroundError(f"the process that ran {function} died twice") from error
                except BaseException:
                    self.close()  # an answer may still be under way: it must not be taken for the next call's
                    raise
        if worked:
            return value
        raise value

    def _ask(self, function: str, arguments: tuple[Any, ...], timeout: float | None) -> tuple[bool, Any]:
        if self._over:
            raise BackgroundError(f"{function} was not answered: its process was ended")
        pipe = self._pipe or self._start()
        if self._over:  # meanwhile: whoever ended it saw no child yet
            raise BackgroundError(f"{function} was not asked: its process was ended")
        pipe.send((function, arguments))
        if not pipe.poll(timeout):
            raise BackgroundError(f"{function} gave no answer within {timeout:g} seconds")
        answer: tuple[bool, Any] = pipe.recv()
        return answer

    def _start(self) -> Connection:
        self._pipe, theirs = multiprocessing.Pipe()
        try:
            self._child = warm.process(_serve, theirs)
        finally:
            theirs.close()  # only the child holds it: when the child dies, reading ends
        return self._pipe

    def end(self) -> None:
        """From another thread than the one that asks: that one's pipe ends with the child, and it closes both. Closed
        under its hands, the pipe would never end for it."""
        self._over = True
        if self._lock.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._lock.release()
        elif (child := self._child) is not None:
            child.kill()

    def close(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._child is not None:
            self._child.kill()
            self._child.join()
        self._pipe = self._child = None


def _serve(pipe: Connection) -> None:
    """The child: answers until the other end of the pipe is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            function, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send_bytes(_answer(function, arguments))


def _end_with_parent() -> None:
    """Nobody waits for the answer of a call whose program was killed."""
    if parent := multiprocessing.parent_process():
        wait([parent.sentinel])
        os._exit(1)


def _answer(function: str, arguments: tuple[Any, ...]) -> bytes:
    try:
        module, _, name = function.partition(":")
        return pickle.dumps((True, getattr(importlib.import_module(module), name)(*arguments)))
    except Exception as error:
        if not isinstance(error, ValueError):
            traceback.print_exc(file=sys.stderr)
        return _failure(error)


def _failure(error: Exception) -> bytes:
    """The exception itself where it survives the journey, else its sentence under the nearest plain type."""
    error.__traceback__ = None
    try:
        packed = pickle.dumps((False, error))
        pickle.loads(packed)
        return packed
    except Exception:
        plain = ValueError if isinstance(error, ValueError) else RuntimeError
        return pickle.dumps((False, plain(str(error) or type(error).__name__)))


_lock = threading.Lock()
_pools: dict[str, _Helper] = {}
_ended = threading.Event()
