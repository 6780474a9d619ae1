"""What the server asks of whoever answers, and the one that does: the inference engine with its runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from workbench import registry, templates
from workbench.result import Run
from workbench.store import Store

LOOK = 4
"""A model is found by so many first characters of its id, if there is no other that begins so."""


@dataclass(frozen=True)
class Served:
    """One run as a model on offer. `prompt_room` is the longest question it reads, `room` that with its answer, in tokens;
    None: no limit."""

    id: str
    title: str
    base: str
    task: str
    created: int
    classifies: bool
    labels: tuple[str, ...]
    max_new_tokens: int
    prompt_room: int
    room: int | None


@dataclass(frozen=True)
class Asked:
    """One question; its fields are those of workbench.questions.Ask, which the page process can't import."""

    run_id: str
    text: str = ""
    messages: tuple[Mapping[str, str], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    stop: tuple[str, ...] = ()


class Backend(Protocol):
    """Answers in batches. Both are called from one thread, with all that is waiting; pieces and answers are those of
    workbench.asking."""

    def models(self) -> Sequence[Served]: ...

    def count(self, model: Served, text: str, messages: Sequence[Mapping[str, str]]) -> int:
        """Tokens of a question as the model reads it."""
        ...

    def stream(self, asks: Sequence[Asked], stopped: Callable[[int], bool]) -> Iterator[Any]: ...

    def classify(self, asks: Sequence[Asked]) -> list[dict[str, Any]]: ...


class EngineBackend:
    """The runs of a store on one engine; all are loaded and proved live before the first request."""

    def __init__(self, store: Store, runs: Sequence[Run], precision: str | None = None) -> None:
        from workbench.asking import Ask, prove
        from workbench.engine import Engine

        self.engine = Engine(store, precision=precision)
        self.engine.load([run.id for run in runs])
        found = prove(self.engine, [Ask(run.id, "a") for run in runs])
        dead = [run.id for run, proof in zip(runs, found) if proof is None or not proof.live]
        if dead:
            raise ValueError(
                f"run {dead[0]} does not act on its base model now that it is loaded, so it is not served: retry the run"
            )
        self._lives: dict[str, Any] = {}
        served = []
        for run in runs:
            resident = self.engine.resident(run.id)
            self._lives[run.id] = resident.live
            served.append(_served(run, resident.room))
        self._served = tuple(served)

    @property
    def precisions(self) -> list[str]:
        """What the runs compute in."""
        return sorted({live.precision for live in self._lives.values()})

    def models(self) -> Sequence[Served]:
        return self._served

    def count(self, model: Served, text: str, messages: Sequence[Mapping[str, str]]) -> int:
        live = self._lives[model.id]
        row: dict[str, Any] = {"prompt": text or messages[-1]["content"], "completion": ""}
        row |= {"messages": list(messages)} if messages else {}
        if model.classifies:
            return len(live.tokenizer(templates.transcript(row), verbose=False)["input_ids"])
        return len(templates.lay_out(live.options.template, live.tokenizer, [row])[0][0])

    def stream(self, asks: Sequence[Asked], stopped: Callable[[int], bool]) -> Iterator[Any]:
        from workbench.asking import stream

        yield from stream(self.engine, [_ask(one) for one in asks], stopped=stopped, proof=False)

    def classify(self, asks: Sequence[Asked]) -> list[dict[str, Any]]:
        from workbench.asking import classify

        return classify(self.engine, [_ask(one) for one in asks], proof=False)


def _ask(one: Asked) -> Any:
    from workbench.asking import Ask

    return Ask(one.run_id, one.text, one.messages, options=one.options, stop=one.stop)


def _served(run: Run, room: int | None) -> Served:
    setting = run.spec.setting
    options: Any = registry.task(setting.task).options.from_dict(setting.task_options)
    classifies = "text" not in registry.task(setting.task).silence
    longest = min(setting.max_length, room or setting.max_length)
    return Served(
        run.id,
        f"{run.label}, seed {run.spec.seed}",
        setting.model,
        setting.task,
        int(run.created_at),
        classifies,
        tuple(setting.data.labels),
        int(getattr(options, "max_new_tokens", 0)),
        longest if classifies else longest - 1,
        room,
    )


def find(models: Sequence[Served], name: str) -> Served | None:
    """By its id, or by the beginning of it."""
    exact = [model for model in models if model.id == name]
    near = [model for model in models if len(name) >= LOOK and model.id.startswith(name)]
    found = exact or near
    return found[0] if len(found) == 1 else None
