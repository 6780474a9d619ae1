"""Preference: of two answers to a prompt one is the better; learn to answer like it, by any causal language model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench import checkers, ratings
from workbench.task import Batch, Encoded, Live, Outcome, Row, Task
from workbench.tasks import generation
from workbench.tasks._preference_options import ACCURACY as ACCURACY
from workbench.tasks._preference_options import REWARD, complete, writing
from workbench.tasks._preference_options import PreferenceOptions as PreferenceOptions
from workbench.tasks.generation import SILENCE

if TYPE_CHECKING:
    from workbench.data import Prepared


def encode(
    tokenizer: Any,
    rows: Sequence[Row],
    labels: Sequence[str],
    max_length: int,
    options: PreferenceOptions | None = None,
    room: int | None = None,
) -> list[Encoded]:
    """The prompt with its chosen answer as in `generation`; under `rejected` the same prompt with the other one. An answer
    that was rated by itself says in `rated` as what."""
    asked = writing(options or PreferenceOptions())

    def laid_out(answers: Sequence[str]) -> list[Encoded]:
        given = [{**row, "completion": answer} for row, answer in zip(rows, answers)]
        return generation.encode(tokenizer, given, labels, max_length, asked, room)

    found: list[Encoded] = []
    first = laid_out([row[ratings.side(row)] for row in rows])
    second = laid_out([row.get(ratings.BAD, "") for row in rows])
    for row, chosen, rejected in zip(rows, first, second):
        if ratings.is_single(row):
            found.append({**chosen, "rated": ratings.side(row)})
            continue
        # A prompt that was cut for the longer answer is the same for the shorter one.
        most = min(_prompt_tokens(chosen), _prompt_tokens(rejected))
        both = _with_prompt(chosen, most), _with_prompt(rejected, most)
        truncated = chosen["truncated"] or rejected["truncated"]
        found.append({**both[0], "rejected": both[1], "truncated": truncated})
    return found


def _prompt_tokens(row: Encoded) -> int:
    return int(row["labels"].count(-100))


def _with_prompt(row: Encoded, most: int) -> dict[str, Any]:
    """The last `most` tokens of the prompt, and the answer."""
    cut = _prompt_tokens(row) - most
    kept = {name: row[name][cut:] for name in ("input_ids", "attention_mask", "labels")}
    lost = row["cut_tokens"]
    return {**row, **kept, "cut_tokens": (lost[0] + cut, lost[1])}


def cut_note(part: str, rows: Sequence[Encoded], max_length: int) -> str:
    longer = [max((row, row.get("rejected", row)), key=lambda one: sum(one["cut_tokens"])) for row in rows]
    return generation.cut_note(
        part, [{**one, "truncated": sum(one["cut_tokens"]) > 0} for one in longer], max_length
    )


def notes(options: PreferenceOptions, rows: Mapping[str, Sequence[Encoded]]) -> tuple[str, ...]:
    found = generation.notes(
        replace(writing(options), test_answers=options.test_answers),
        {"test": rows["test"]},
    )
    if options.checker == checkers.NONE:
        found = (
            *found,
            "These prompts have no checker: the model's own answers are shown, but no reward is known.",
        )
    return (*found, ratings.SAID) if any("rated" in row for row in rows["test"]) else found


def said(rows: Sequence[Encoded]) -> list[Encoded]:
    """An answer that was found bad by itself is nothing to learn to say."""
    return [row for row in rows if row.get("rated") != ratings.BAD]


def collate(rows: Sequence[Encoded], pad_id: int) -> dict[str, Any]:
    from workbench import generating

    return generating.collate(rows, pad_id)


def loss(logits: Any, labels: Any, count: Any, label_smoothing: float) -> Any:
    """Of the chosen answer: methods that know nothing of preferences learn to say it."""
    from workbench import generating

    return generating.loss(logits, labels, count, label_smoothing)


def validate(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    from workbench import preferring

    return preferring.validate(live, rows)


def predict(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    from workbench import preferring

    return preferring.predict(live, rows)


def drift(live: Live, start: Live, rows: Sequence[Encoded], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    from workbench import preferring

    return {"metrics": preferring.drift(live, start, rows, outcomes)}


def score(
    outcomes: Sequence[Mapping[str, Any]], labels: Sequence[str] = (), options: Any = None
) -> dict[str, float]:
    """Of the given answers, and of the model's own where there are any."""
    import math

    if not outcomes:
        raise ValueError("a score needs at least one row")
    count = len(outcomes)
    found = {
        ACCURACY: sum(o["preferred"] for o in outcomes) / count,
        "margin": sum(o["margin"] for o in outcomes) / count,
    }
    if any("chosen_nats" in o for o in outcomes):
        nats = validation_loss(outcomes, labels)
        found["perplexity"] = math.exp(nats) if not nats > 700 else math.inf
    answered = [o for o in outcomes if "output" in o]
    if answered:
        found["answer_tokens"] = sum(o["new_tokens"] for o in answered) / len(answered)
    if answered and all("reward" in o for o in answered):
        found[REWARD] = sum(o["reward"] for o in answered) / len(answered)
    return found


def validation_loss(outcomes: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> float:
    """Nats per token of the chosen answers."""
    known = [o for o in outcomes if "chosen_nats" in o]
    return sum(o["chosen_nats"] for o in known) / max(1, sum(o["chosen_tokens"] for o in known))


def details(outcomes: Sequence[Outcome], labels: Sequence[str]) -> dict[str, Any]:
    kinds: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.get("kind") is not None:
            kinds.setdefault(str(outcome["kind"]), []).append(outcome)
    return {"per_kind": {kind: {"rows": len(rows), **score(rows)} for kind, rows in sorted(kinds.items())}}


def judged_by(options: Any) -> str:
    return ACCURACY if options.judge_by == "auto" else str(options.judge_by)


def chosen_by(options: Any) -> str:
    return ACCURACY if options.choose_by == "auto" else str(options.choose_by)


def marks(outcomes: Sequence[Mapping[str, Any]], options: Any) -> list[float]:
    """Each row's own score, from 0 to 1: the reward of its answer, or whether the better of both was found likelier."""
    name = "reward" if judged_by(options) == REWARD else "preferred"
    return [float(row[name]) for row in outcomes]


def probes(rows: Sequence[Encoded], pad_id: int) -> list[Any]:
    from workbench import generating

    return generating.typical_prompts(rows, pad_id)


def logits(live: Live, batch: Batch) -> Any:
    from workbench import generating

    return generating.next_token_logits(live, batch)


def timed(live: Live, batches: Sequence[Batch]) -> Callable[[int], Any]:
    from workbench import generating

    return generating.timed_answer(replace(live, options=writing(live.options)), batches)  # type: ignore[arg-type]


def ask_batch(live: Live, text: str, max_length: int, room: int | None) -> tuple[Any, bool]:
    asked = replace(live, options=writing(live.options))  # type: ignore[arg-type]
    return generation.ask_batch(asked, text, max_length, room)


def answer(live: Live, batch: Batch) -> dict[str, Any]:
    return generation.answer(replace(live, options=writing(live.options)), batch)  # type: ignore[arg-type]


def references(prepared: Prepared, options: Any) -> list[dict[str, Any]]:
    from workbench import preference_references

    return preference_references.records(prepared, options)


def refer(prepared: Prepared, options: Any, record: Mapping[str, Any]) -> Callable[[str], dict[str, Any]]:
    from workbench import preference_references

    copy = preference_references.asked(prepared)
    return lambda text: dict(SILENCE) | copy(text)


# The start that answers are compared with is the setting's base model, for every method the same: a supervised first
# stage belongs to the method, and what came after it is told apart in Result.stages. To compare with a supervised model
# throughout, take its run as the base (run:ID).
TASK = Task(
    name="preference",
    title="Preference",
    version=1,
    columns=("prompt", "chosen", "rejected"),
    metrics=(REWARD, ACCURACY, "win_rate", "margin", "kl_nats", "answer_tokens", "perplexity"),
    best_metric=REWARD,
    model_class="AutoModelForCausalLM",
    sentence="Learn from pairs of a better and a worse answer how to answer.",
    options=PreferenceOptions,
    judged_by=judged_by,
    chosen_by=chosen_by,
    marks=marks,
    encode=encode,
    collate=collate,
    cut_note=cut_note,
    said=said,
    loss=loss,
    validate=validate,
    predict=predict,
    score=score,
    validation_loss=validation_loss,
    details=details,
    drift=drift,
    probes=probes,
    logits=logits,
    timed=timed,
    ask_batch=ask_batch,
    answer=answer,
    references=references,
    refer=refer,
    yardstick="nearest",
    silence=SILENCE,
    latency_rounds=12,
    complete=complete,
    check_model=generation.check_model,
    notes=notes,
)
