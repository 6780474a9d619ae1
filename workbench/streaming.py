"""Answers as they are written: batches take turns token by token, and what each says comes out in pieces."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench import templates
from workbench.engine_decoding import Clock, Draw, Row, decode
from workbench.questions import Answer, Question, batches, said, switched

BROKEN = "\ufffd"


@dataclass(frozen=True)
class Piece:
    """What is new of one answer: `text` since its last piece, `tokens` so far. The last one of a place has `ended` and the
    whole `answer`, which counts where the two differ: an answer that is stopped or not shown has no text."""

    place: int
    text: str
    token: int | None
    tokens: int
    ended: bool
    reason: str | None = None
    answer: Answer | None = None


def stream_questions(questions: Sequence[Question], stopped: Callable[[int], bool]) -> Iterator[Piece]:
    """The answers of all questions, the batches in turn. The caller holds the engine's lock."""
    groups: dict[str, list[list[Question]]] = {}
    for batch in batches(questions):
        groups.setdefault(batch[0].group, []).append(batch)
    if not groups:
        return
    pieces: queue.SimpleQueue[Piece | BaseException | None] = queue.SimpleQueue()
    turns, left = _Turns(len(groups)), threading.Event()

    def work(number: int, own: Sequence[Sequence[Question]]) -> None:
        try:
            turns.wait(number)
            for batch in own:  # one after the other: they share the model's hooks
                _write(batch, pieces.put, lambda place: left.is_set() or stopped(place), turns, number)
        except BaseException as error:
            pieces.put(error)
        finally:
            turns.leave(number)
            pieces.put(None)

    threads = [threading.Thread(target=work, args=job, daemon=True) for job in enumerate(groups.values())]
    for thread in threads:
        thread.start()
    try:
        running = len(threads)
        while running:
            piece = pieces.get()
            if piece is None:
                running -= 1
            elif isinstance(piece, BaseException):
                raise piece
            else:
                yield piece
    finally:
        left.set()
        for thread in threads:
            thread.join()


class _Turns:
    """Whose turn it is: one batch computes at a time, a token each."""

    def __init__(self, count: int) -> None:
        self._order = list(range(count))
        self._changed = threading.Condition()

    def wait(self, number: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._order[0] == number)

    def pass_on(self, number: int) -> None:
        with self._changed:
            self._order.append(self._order.pop(self._order.index(number)))
            self._changed.notify_all()
        self.wait(number)

    def leave(self, number: int) -> None:
        with self._changed:
            self._order.remove(number)
            self._changed.notify_all()


def _write(
    batch: Sequence[Question],
    put: Callable[[Piece], None],
    stopped: Callable[[int], bool],
    turns: _Turns,
    number: int,
) -> None:
    clock = Clock()
    speakers = [_Speaker(q, len(batch), clock, put, stopped) for q in batch]
    rows = [
        Row(speaker.question.ids, speaker.most, speaker.hear, _draw(speaker.question)) for speaker in speakers
    ]

    def stepped() -> None:
        with clock.stopped():
            turns.pass_on(number)

    live = batch[0].live
    with switched(batch) as (model, more):
        decode(model, rows, more, device=live.device, precision=live.precision, stepped=stepped)


def _draw(question: Question) -> Draw | None:
    options: Any = question.live.options
    if not options.do_sample:
        return None
    return Draw(options.temperature, options.top_p, options.top_k, options.decoding_seed)


@dataclass
class _Speaker:
    """One answer as it grows: tokens to text, and where it ends."""

    question: Question
    shared: int
    clock: Clock
    put: Callable[[Piece], None]
    stopped: Callable[[int], bool]
    ids: list[int] = field(default_factory=list)
    told: str = ""
    finish: str = "length"
    first: float | None = None

    def __post_init__(self) -> None:
        template = getattr(self.question.live.options, "template", templates.PLACE)
        self.most = int(self.question.live.options.max_new_tokens)  # type: ignore[attr-defined]
        self.ends = set(templates.end_ids(template, self.question.live.tokenizer))

    def hear(self, token: int) -> bool:
        """Take the next token; True once the answer is over."""
        if self.first is None:
            self.first = self.clock.seconds
        place = self.question.place
        self.ids.append(token)
        if token in self.ends:
            self.finish = "stop"
            return self.end()
        text = self._text(self.ids)
        if (cut := self._cut(text)) is not None:
            self.finish = "stop"
            return self.end(text[:cut])
        if self.stopped(place):
            self.finish = "stopped"
            return self.end()
        if len(self.ids) >= self.most:
            return self.end()
        new = self._sure(text)[len(self.told) :]
        self.told += new
        self.put(Piece(place, new, token, len(self.ids), False))
        return False

    def end(self, text: str | None = None) -> bool:
        """Give the last piece."""
        seconds = self.clock.seconds
        kept = self.ids[:-1] if self.ids and self.ids[-1] in self.ends else self.ids
        whole = (self._text(kept) if text is None else text).strip()
        later = len(self.ids) - 1
        answer = said(
            self.question,
            {
                "text": whole,
                "tokens": len(self.ids),
                "ended": self.finish == "stop",
                "finish": self.finish,
                "ms": seconds * 1000,
                "first_token_ms": None if self.first is None else self.first * 1000,
                "tokens_per_second": later / (seconds - self.first)
                if self.first is not None and later
                else None,
                "batch": self.shared,
            },
        )
        rest = whole[len(self.told) :] if whole.startswith(self.told) else ""
        token = self.ids[-1] if self.ids else None
        self.put(Piece(self.question.place, rest, token, len(self.ids), True, None, answer))
        return True

    def _text(self, ids: Sequence[int]) -> str:
        return str(self.question.live.tokenizer.decode(ids, skip_special_tokens=True)).lstrip()

    def _cut(self, text: str) -> int | None:
        """Where the first text stands that ends the answer."""
        found = [at for stop in self.question.ask.stop if stop and (at := text.find(stop)) >= 0]
        return min(found, default=None)

    def _sure(self, text: str) -> str:
        """What the next token can't change: no space at the end, no half character, no beginning of what ends it."""
        sure = text.rstrip(BROKEN).rstrip()
        for stop in self.question.ask.stop:
            for size in range(min(len(stop) - 1, len(sure)), 0, -1):
                if sure.endswith(stop[:size]):
                    sure = sure[:-size].rstrip()
                    break
        return sure if sure.startswith(self.told) else self.told
