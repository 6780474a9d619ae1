"""Requests in batches: one thread answers, and what came in while it was busy goes into its next batch together."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.serving.backend import Backend
from workbench.serving.metrics import Metrics

log = logging.getLogger(__name__)


class Busy(Exception):
    """Too many requests are waiting already."""


class Closing(Exception):
    """The server is shutting down."""


@dataclass
class Ticket:
    """One question under way: pieces arrive in `pieces`; an exception there ends it. Set `cancelled` when nobody waits."""

    ask: Any
    classifies: bool
    loop: asyncio.AbstractEventLoop
    pieces: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    cancelled: bool = False
    queued_at: float = field(default_factory=time.perf_counter)

    def put(self, piece: Any) -> None:
        """From the answering thread. A loop that is gone has nobody waiting."""
        try:
            self.loop.call_soon_threadsafe(self.pieces.put_nowait, piece)
        except RuntimeError:
            self.cancelled = True


class Batcher:
    """Holds the queue and the thread. `gather_seconds` is how long the first of an idle time waits for company."""

    def __init__(
        self,
        backend: Backend,
        metrics: Metrics,
        *,
        most: int = 64,
        waiting: int = 512,
        gather_seconds: float = 0.005,
    ) -> None:
        self.backend, self.metrics = backend, metrics
        self.most, self.waiting, self.gather_seconds = most, waiting, gather_seconds
        self._queue: deque[Ticket] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._running: Sequence[Ticket] = ()
        self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
        self._thread.start()

    def submit(self, ask: Any, *, classifies: bool) -> Ticket:
        """Must be called from the event loop that waits for the answer."""
        ticket = Ticket(ask, classifies, asyncio.get_running_loop())
        with self._changed:
            if self._closing:
                raise Closing("the server is shutting down")
            if len(self._queue) >= self.waiting:
                raise Busy(f"{self.waiting} requests are waiting already: try again in a moment")
            self._queue.append(ticket)
            self._changed.notify_all()
        return ticket

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def is_closing(self) -> bool:
        return self._closing

    def close(self, seconds: float) -> bool:
        """Take nothing more and finish what was taken; what is not done in time is ended. True if all was done."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(seconds)
        if not self._thread.is_alive():
            return True
        with self._changed:
            left = [*self._queue, *self._running]
            self._queue.clear()
        for ticket in left:
            ticket.cancelled = True
            ticket.put(Closing("the server was shut down before this answer was complete"))
        self._thread.join(5)
        return False

    def _work(self) -> None:
        while True:
            batch = self._next()
            if batch is None:
                return
            if not batch:
                continue
            self._running = batch
            self.metrics.batch(len(batch))
            try:
                self._answer(batch)
            except Exception as error:
                log.exception("a batch failed")
                for ticket in batch:
                    ticket.put(error)
            finally:
                self._running = ()

    def _next(self) -> list[Ticket] | None:
        """The tickets of the next batch; None at the end. Nobody waits longer than for the batch that is under way."""
        with self._changed:
            idle = not self._queue
            while not self._queue and not self._closing:
                self._changed.wait()
            if not self._queue:
                return None
        if idle and self.gather_seconds:
            time.sleep(self.gather_seconds)
        with self._changed:
            count = min(self.most, len(self._queue))
            batch = [self._queue.popleft() for _ in range(count)]
        return [ticket for ticket in batch if not ticket.cancelled]

    def _answer(self, batch: Sequence[Ticket]) -> None:
        labels = [ticket for ticket in batch if ticket.classifies]
        if labels:
            for ticket, answer in zip(labels, self.backend.classify([t.ask for t in labels])):
                ticket.put(answer)
        texts = [ticket for ticket in batch if not ticket.classifies]
        if not texts:
            return
        pieces = self.backend.stream([t.ask for t in texts], lambda place: texts[place].cancelled)
        for piece in pieces:
            texts[piece.place].put(piece)
