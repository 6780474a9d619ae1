"""Asks the inference engine: labels of texts, answers to prompts, each with the proof that its method acts on this very question."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch

from workbench import measure
from workbench.engine import Engine
from workbench.measure import Proof
from workbench.questions import (
    Answer,
    Ask,
    Question,
    batches,
    group_logits,
    prepare,
    said,
    silenced,
)
from workbench.streaming import Piece, stream_questions

__all__ = ["Answer", "Ask", "Piece", "classify", "prove", "stream", "write"]


def classify(engine: Engine, asks: Sequence[Ask], *, alone: bool = False, proof: bool = True) -> list[Answer]:
    """A label for each text with the probabilities of all. `alone` asks one after the other, so that `ms` is what one
    answer takes; else as many as can be in one batch."""
    answers: dict[int, Answer] = {}
    with engine.lock:
        for wave in waves(engine, asks):
            silent, questions = _ready(engine, asks, wave, proof)
            answers |= silent
            for batch in [[q] for q in questions] if alone else batches(questions):
                answers |= _labelled(batch)
    return [answers[place] for place in range(len(asks))]


def _labelled(batch: Sequence[Question]) -> dict[int, Answer]:
    begun = time.perf_counter()
    shares = torch.softmax(group_logits(batch), dim=-1).tolist()
    ms = (time.perf_counter() - begun) * 1000
    found = {}
    for question, row in zip(batch, shares):
        labels = question.live.labels
        best = max(range(len(row)), key=row.__getitem__)
        values = {"label": labels[best], "probabilities": dict(zip(labels, row)), "ms": ms}
        found[question.place] = said(question, values | {"batch": len(batch)})
    return found


def stream(
    engine: Engine,
    asks: Sequence[Ask],
    *,
    stopped: Callable[[int], bool] | None = None,
    proof: bool = True,
) -> Iterator[Piece]:
    """What the models write, piece by piece, all of them at once: see `Piece`. `stopped(place)` ends one answer."""
    with engine.lock:
        for wave in waves(engine, asks):
            silent, questions = _ready(engine, asks, wave, proof)
            for place, answer in silent.items():
                yield Piece(place, "", None, 0, True, answer["reason"], answer)
            yield from stream_questions(questions, stopped or (lambda place: False))


def waves(engine: Engine, asks: Sequence[Ask]) -> Iterator[list[int]]:
    """Places of the questions whose models fit into the budget together; nearly always that is all of them at once."""
    wave: list[int] = []
    for place, ask in enumerate(asks):
        if not ask.base and not engine.has(ask.run_id):
            keep = [asks[i].run_id for i in wave]
            with contextlib.suppress(
                OSError, ValueError, RuntimeError
            ):  # said by `prepare`, which tries again
                engine.resident(ask.run_id, keep=keep)
            if wave and engine.is_over_budget:
                engine.unload([ask.run_id])
                yield wave
                wave = []
        wave.append(place)
    if wave:
        yield wave


def write(
    engine: Engine,
    asks: Sequence[Ask],
    *,
    stopped: Callable[[int], bool] | None = None,
    proof: bool = True,
) -> list[Answer]:
    """The whole answers, in the order of the questions."""
    found = {piece.place: piece.answer for piece in stream(engine, asks, stopped=stopped, proof=proof)}
    return [answer for place in range(len(asks)) if (answer := found[place]) is not None]


def prove(engine: Engine, asks: Sequence[Ask]) -> list[Proof | None]:
    """What the method changes at each question, and what is left of that when it is off; None for a bare base."""
    with engine.lock:
        questions = [q for q in prepare(engine, asks) if isinstance(q, Question)]
        found = proofs(engine, questions)
    return [found.get(place) for place in range(len(asks))]


def proofs(engine: Engine, questions: Sequence[Question]) -> dict[int, Proof]:
    """By place. Logits in float32 with the method, with it off, and of the base that stands beside it."""
    found: dict[int, Proof] = {}
    bases: dict[tuple[int, tuple[int, ...]], torch.Tensor] = {}
    offs: dict[tuple[int, tuple[int, ...]], torch.Tensor] = {}
    alike: dict[tuple[str, tuple[int, ...]], list[Question]] = {}
    for question in questions:
        if question.resident is not None:
            alike.setdefault((question.group, tuple(question.ids)), []).append(question)
    for own in alike.values():
        on = _logits(own)
        for question, line in zip(own, on):
            resident = question.resident
            assert resident is not None
            key = (id(resident.base.model), tuple(question.ids))
            if key not in bases:
                bases[key] = _logits([_on(question, resident.base.model)])[0]
            # Switched off, all adapters of a tree are the same model.
            tree = (id(resident.tree), tuple(question.ids))
            if tree not in offs:
                with resident.tree.off(resident.run.id) as model:
                    offs[tree] = _logits([_on(question, model)])[0]
            found[question.place] = measure.prove_live(line, offs[tree], bases[key])
    return found


def _logits(batch: Sequence[Question]) -> torch.Tensor:
    texts = "text" in batch[0].task.silence
    return group_logits(batch, precision="float32", next_token=texts)


def _on(question: Question, model: object) -> Question:
    """The same question to a model as it stands."""
    return replace(question, live=replace(question.live, model=model), group="bare")


def _ready(
    engine: Engine, asks: Sequence[Ask], places: Sequence[int], proof: bool
) -> tuple[dict[int, Answer], list[Question]]:
    """The answers that are known to be none, by place, and the questions that are to be asked."""
    answers: dict[int, Answer] = {}
    questions: dict[int, Question] = {}
    for place, one in zip(places, prepare(engine, [asks[i] for i in places], places)):
        if isinstance(one, Question):
            questions[place] = one
        else:
            answers[place] = one
    if proof:
        for place, found in proofs(engine, [q for q in questions.values() if not q.silent]).items():
            questions[place].proof = found
            questions[place].silent = why_not_shown(found, questions[place].what)
    for place, question in list(questions.items()):
        if question.silent:
            answers[place] = silenced(questions.pop(place))
    return answers, list(questions.values())


def why_not_shown(proof: Proof, what: str) -> str:
    """Empty where the method acts and can be switched off."""
    if not proof.difference > proof.tolerance:
        return (
            f"The loaded method does not change the base model's answer (no logit by more than {proof.difference:.0e}),"
            f" so its {what} is not shown."
        )
    if not proof.off_difference <= proof.tolerance:
        return (
            f"With the method switched off the model still differs from its base (a logit by {proof.off_difference:.0e}),"
            f" so its {what} is not shown."
        )
    return ""
