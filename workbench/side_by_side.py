"""One question before runs, their base and a reference, all at once or one alone. Called in a child process, so that the page stays light."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.hosted.admission import check_text
from workbench.store import Store

if TYPE_CHECKING:
    from workbench.asking import Ask
    from workbench.engine import Engine

BASE, TFIDF = "base", "tfidf"
REFERENCES = (TFIDF, "nearest", "ngram")


def ask(
    store_folder: str,
    who: str,
    run_id: str,
    text: str,
    options: Mapping[str, Any] | None = None,
    stop_file: str = "",
) -> dict[str, Any]:
    """The answer of the run, of its base (`who` is "base"), or of the reference of its task ("tfidf", "nearest" or "ngram").

    `options` change how the task answers: the decoding of a generated text. Once `stop_file` exists the answer ends
    where it is.
    """
    store = Store(store_folder)
    check_text(text)
    if who in REFERENCES:
        return _reference_answer(store, run_id, text)
    question = {"key": who, "run_id": run_id, "base": who == BASE, "text": text}
    return _answered(store, [question], options, stop_file)[0]


def ask_all(
    store_folder: str,
    questions: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any] | None = None,
    stop_file: str = "",
    told_file: str = "",
) -> dict[str, Any]:
    """The answers to all questions in order, and what is loaded then. A question has key, run_id, and text or messages;
    `base` asks the run's base, a key of REFERENCES that reference.

    Into `told_file` goes what is known meanwhile, a line each: {"loading": key}, and {"key", "text", "tokens"} with the
    text so far, or {"key", "answer"}.
    """
    store = Store(store_folder)
    telling = _Telling(Path(told_file) if told_file else None)
    for question in questions:
        check_text(question.get("text") or json.dumps(question.get("messages") or "", ensure_ascii=False))
    found: dict[str, dict[str, Any]] = {}
    others = [question for question in questions if question["key"] in REFERENCES]
    models = [question for question in questions if question["key"] not in REFERENCES]
    for question in others:
        found[question["key"]] = _reference_answer(store, question["run_id"], question["text"])
        telling.tell(key=question["key"], answer=found[question["key"]])
    answers = _answered(store, models, options, stop_file, telling)
    found |= {question["key"]: answer for question, answer in zip(models, answers)}
    return {"answers": found, "contents": contents(store_folder)}


def contents(store_folder: str) -> dict[str, Any]:
    """What this process has loaded of the store, and what it costs."""
    from workbench.inference import engine_for

    return engine_for(Store(store_folder)).contents()


class _Telling:
    """Lines for whoever waits, written at once."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def tell(self, **values: Any) -> None:
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(values, ensure_ascii=False) + "\n")


def _answered(
    store: Store,
    questions: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any] | None,
    stop_file: str,
    telling: _Telling | None = None,
) -> list[dict[str, Any]]:
    from workbench.asking import Ask
    from workbench.inference import engine_for, writes_text

    asks = [
        Ask(
            question["run_id"],
            question.get("text", ""),
            tuple(question.get("messages") or ()),
            base=bool(question.get("base")),
            options=dict(options or {}),
            key=question["key"],
        )
        for question in questions
    ]
    if not asks:
        return []
    engine, telling = engine_for(store), telling or _Telling(None)
    stop = Path(stop_file) if stop_file else None
    _load(engine, asks, telling)
    if writes_text(store, asks[0].run_id):
        return _written(engine, asks, stop, telling)
    return list(_judged(engine, asks, stop, telling))


def _load(engine: Engine, asks: Sequence[Ask], telling: _Telling) -> None:
    """One after the other, so that a reader sees how far it is."""
    keep = [ask.run_id for ask in asks]
    for ask in asks:
        if not ask.base and not engine.has(ask.run_id):
            telling.tell(loading=ask.key)
            try:
                engine.resident(ask.run_id, keep=keep)
            except (OSError, ValueError, RuntimeError):
                continue  # said where it is asked


def _judged(
    engine: Engine, asks: Sequence[Ask], stop: Path | None, telling: _Telling
) -> Iterator[dict[str, Any]]:
    """One forward pass each, so that `ms` is what one answer takes."""
    from workbench.asking import classify

    for ask in asks:
        if stop is not None and stop.exists():
            return
        (answer,) = classify(engine, [ask], alone=True)
        telling.tell(key=ask.key, answer=answer)
        yield answer


def _written(
    engine: Engine, asks: Sequence[Ask], stop: Path | None, telling: _Telling
) -> list[dict[str, Any]]:
    from workbench.asking import stream

    texts = [""] * len(asks)
    found: list[dict[str, Any]] = [{} for _ in asks]
    for piece in stream(engine, asks, stopped=lambda place: stop is not None and stop.exists()):
        texts[piece.place] += piece.text
        if piece.answer is not None:
            found[piece.place] = piece.answer
            telling.tell(key=asks[piece.place].key, answer=piece.answer)
        else:
            telling.tell(key=asks[piece.place].key, text=texts[piece.place], tokens=piece.tokens)
    return found


def _reference_answer(store: Store, run_id: str, text: str) -> dict[str, Any]:
    from workbench import registry
    from workbench.references import ask_reference

    setting = store.run(run_id).spec.setting
    folder = store.data_folder(setting.data.fingerprint)
    found = ask_reference(folder, setting.task, setting.task_options, text)
    return {
        "run_id": registry.task(setting.task).yardstick,
        **found,
        "live": None,
        "truncated": False,
        "reason": None,
    }
