"""Questions to the inference engine made ready: the tokens, the model that is asked, and the batch that each can stand in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from workbench import evaluate, models, registry, templates
from workbench.engine import Engine, Resident
from workbench.engine_mixing import BASE, mixing
from workbench.generating import collate_prompts
from workbench.measure import Proof
from workbench.result import Run
from workbench.task import Live, Task
from workbench.writing_state import evaluating, positions_from_mask

Answer = dict[str, Any]

BATCH_ROWS = 64
UNTRAINED = "The base model has no trained head for this task, so its label would mean nothing."


@dataclass(frozen=True)
class Ask:
    """One question to one run, or to its bare base. `messages` is a chat in place of a text; `options` change the task's
    own, `stop` are texts that end the answer, `key` is the caller's own name for it."""

    run_id: str
    text: str = ""
    messages: tuple[Mapping[str, str], ...] = ()
    base: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    stop: tuple[str, ...] = ()
    key: str = ""


@dataclass
class Question:
    """An Ask made ready: the tokens, the model, and `group`, the batch that it can stand in. `silent` says why there is
    no answer, `proof` what the method was seen to change on this very question (None: not looked at, or a base)."""

    place: int
    ask: Ask
    run: Run
    task: Task
    live: Live
    resident: Resident | None
    ids: list[int]
    truncated: bool
    room: int | None
    group: str
    silent: str = ""
    proof: Proof | None = None

    @property
    def adapter(self) -> str | None:
        """The name of its rows in a mixed batch; None where it has the model to itself."""
        if not self.group.startswith("mixed"):
            return None
        return self.run.id if self.resident else BASE

    @property
    def what(self) -> str:
        return "text" if "text" in self.task.silence else "label"


def prepare(
    engine: Engine, asks: Sequence[Ask], places: Sequence[int] | None = None
) -> list[Question | Answer]:
    """Each question with its model loaded, or the answer that says why it can't be. The engine's lock is held. `places`
    are their numbers among all that is asked."""
    keep = [ask.run_id for ask in asks]
    found: list[Question | Answer] = []
    for place, ask in zip(places or range(len(asks)), asks):
        run = engine.store.run(ask.run_id)
        _check(ask, run)
        try:
            found.append(_question(engine, place, ask, run, keep))
        except (OSError, ValueError, RuntimeError) as error:
            # What can't be loaded is an answer too: one broken run must not hide the others.
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            found.append(nothing(ask, run, first, live=False if ask.run_id and _is_dead(run) else None))
    return _with_bases_mixed(found)


def _question(engine: Engine, place: int, ask: Ask, run: Run, keep: Sequence[str]) -> Question:
    resident = None
    if ask.base:
        live, room = engine.bare_base(run)
        group = f"base {id(live.model)}"
    else:
        if _is_dead(run):
            raise ValueError(
                f"The method did not act on the model when it was measured, so its {_what(run)} is not shown."
            )
        resident = engine.resident(run.id, keep=keep)
        live, room = replace(resident.live, model=resident.tree.model), resident.room
        group = f"mixed {resident.base.key}" if resident.mixes else f"run {run.id}"
    task = registry.task(run.spec.setting.task)
    if ask.options:
        live = replace(live, options=task.options.from_dict({**live.options.to_dict(), **ask.options}))
    wanted = run.spec.setting.max_length
    ids, truncated = _tokens(task, live, ask, min(wanted, room or wanted), room)
    silent = UNTRAINED if ask.base and models.has_new_head(live.model) else ""
    return Question(place, ask, run, task, live, resident, ids, truncated, room, group, silent)


def _is_dead(run: Run) -> bool:
    return run.result is not None and run.result.live is False


def _what(run: Run) -> str:
    """What an answer of this run's task consists of."""
    return "text" if "text" in registry.task(run.spec.setting.task).silence else "label"


def _with_bases_mixed(found: Sequence[Question | Answer]) -> list[Question | Answer]:
    """A base goes along in the batch of adapters that stand on it."""
    trees = {
        id(q.resident.base.model): q
        for q in found
        if isinstance(q, Question) and q.resident is not None and q.resident.mixes
    }
    for q in found:
        if isinstance(q, Question) and q.ask.base and not q.silent and (host := trees.get(id(q.live.model))):
            q.group = host.group
            q.live = replace(q.live, model=host.live.model)
    return list(found)


def _check(ask: Ask, run: Run) -> None:
    if not ask.text.strip() and not any(str(turn.get("content", "")).strip() for turn in ask.messages):
        raise ValueError("the text is empty: give one that the models shall judge")
    setting = run.spec.setting
    registry.task(setting.task).options.from_dict({**setting.task_options, **ask.options})


def _tokens(task: Task, live: Live, ask: Ask, max_length: int, room: int | None) -> tuple[list[int], bool]:
    """Token ids of the question, and whether it had to be cut."""
    if not ask.messages:
        batch, truncated = task.ask_batch(live, ask.text, max_length, room)
        return [int(i) for i in batch["input_ids"][0]], truncated
    row = {"prompt": ask.messages[-1].get("content", ""), "completion": "", "messages": list(ask.messages)}
    if not hasattr(live.options, "template"):
        batch, truncated = task.ask_batch(live, templates.transcript(row), max_length, room)
        return [int(i) for i in batch["input_ids"][0]], truncated
    prompt, _ = templates.lay_out(live.options.template, live.tokenizer, [row])[0]
    most = max_length - 1
    if room is not None:
        most = min(most, room - live.options.max_new_tokens)  # type: ignore[attr-defined]
    if most < 1:
        raise ValueError(
            f"max_new_tokens {live.options.max_new_tokens} leaves no room for a prompt: the model reads {room} tokens,"  # type: ignore[attr-defined]
            " prompt and answer together"
        )
    return prompt[-most:], most < len(prompt)


def nothing(ask: Ask, run: Run, reason: str, live: bool | None = None) -> Answer:
    """The answer of what has none to give."""
    silence = registry.task(run.spec.setting.task).silence
    return {
        **_head(ask, run), **silence, "live": live, "truncated": False, "reason": reason, "finish": None,
        "prompt_tokens": None, "first_token_ms": None, "tokens_per_second": None, "batch": None, "difference": None,
        "off_difference": None,
    }  # fmt: skip


def said(question: Question, values: Mapping[str, Any]) -> Answer:
    """An answer with all its fields."""
    known = {"truncated": question.truncated, "prompt_tokens": len(question.ids), "reason": None}
    return silenced(question) | known | dict(values)


def silenced(question: Question) -> Answer:
    """No answer, with what the proof found."""
    proof = question.proof
    found = nothing(question.ask, question.run, question.silent, live=proof.live if proof else None)
    if proof is None:
        return found
    return found | {"difference": proof.difference, "off_difference": proof.off_difference}


def _head(ask: Ask, run: Run) -> Answer:
    name = "base" if ask.base else run.id
    return {"run_id": name, "key": ask.key or name, "model": run.spec.setting.model}


def batches(questions: Sequence[Question]) -> Iterator[list[Question]]:
    """Questions of one group at a time, of like length, so many that they fit into memory and the model's context."""
    groups: dict[str, list[Question]] = {}
    for question in questions:
        groups.setdefault(question.group, []).append(question)
    for group in groups.values():
        batch: list[Question] = []
        for question in sorted(group, key=lambda q: len(q.ids)):
            if batch and (len(batch) == BATCH_ROWS or not _fit([*batch, question])):
                yield batch
                batch = []
            batch.append(question)
        yield batch


def _fit(batch: Sequence[Question]) -> bool:
    """Whether the longest prompt with the longest answer stays within what the model reads."""
    rooms = [q.room for q in batch if q.room is not None]
    if not rooms:
        return True
    longest = max(int(getattr(q.live.options, "max_new_tokens", 0)) for q in batch)
    return max(len(q.ids) for q in batch) + longest <= min(rooms)


@contextlib.contextmanager
def switched(batch: Sequence[Question]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The model of a group in evaluation, and what it must be given besides: the names of the rows' adapters."""
    model = batch[0].live.model
    names = [str(q.adapter) for q in batch if q.adapter is not None]
    with evaluating(model), positions_from_mask(model):
        if not names:
            yield model, {}
        elif len(set(names)) == 1 and (resident := batch[0].resident):
            resident.tree.select(resident.run.id)
            yield model, {}
        else:
            with mixing(model, names):
                yield model, {"adapter_names": names}


def group_logits(
    batch: Sequence[Question], *, precision: str | None = None, next_token: bool = False
) -> torch.Tensor:
    """One line of logits per question of a group: the head's, or those of the token that follows."""
    first = batch[0]
    pad = evaluate.pad_id(first.live.model)
    if next_token:
        given = collate_prompts([q.ids for q in batch], pad)
    else:
        rows = [{"input_ids": q.ids, "attention_mask": [1] * len(q.ids), "labels": 0} for q in batch]
        given = evaluate.collate(rows, pad)
    inputs = {name: tensor.to(first.live.device) for name, tensor in given.items() if name != "labels"}
    with (
        switched(batch) as (model, more),
        evaluate.computing(precision or first.live.precision, first.live.device),
    ):
        found: torch.Tensor = model(**inputs, **more).logits
    return (found[:, -1] if next_token else found).float().cpu()
