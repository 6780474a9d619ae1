"""Preference: of two answers to a prompt one is the better; learn to answer like it, by any causal language model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench import checkers, templates
from workbench.options import Options, option
from workbench.task import Batch, Encoded, Live, Outcome, Row, Task
from workbench.tasks import generation
from workbench.tasks.generation import DECODING, SILENCE, GenerationOptions

if TYPE_CHECKING:
    from workbench.data import Prepared

REWARD, ACCURACY = "mean_reward", "preference_accuracy"
NO_CHECKER = "needs a checker, and these rows have none: use preference_accuracy"


@dataclass(frozen=True)
class PreferenceOptions(Options):
    template: str = option(
        "plain",
        "How a prompt is laid out: plain (the prompt and a new line), alpaca, chat (the model's own chat template), or a"
        " text of your own with {prompt} in it; the answer follows at its end.",
        names=templates.NAMES,
    )
    max_new_tokens: int = option(64, "The longest answer, in tokens.", min=1, max=8192)
    do_sample: bool = option(
        True, "Draw each token by its probability instead of taking the likeliest (greedy)."
    )
    temperature: float = option(
        0.8,
        "Where tokens are drawn: below 1 likely tokens are drawn more often.",
        min=0.01,
        max=10,
        advanced=True,
    )
    top_p: float = option(
        1.0,
        "Where tokens are drawn: only from the likeliest that make up this share.",
        min=0.01,
        max=1,
        advanced=True,
    )
    top_k: int = option(
        0, "Where tokens are drawn: only from so many of the likeliest; 0 for all.", min=0, advanced=True
    )
    decoding_seed: int = option(
        0, "Where tokens are drawn: the seed of the draw.", min=0, max=2**31 - 1, advanced=True
    )
    per_token: bool = option(
        True,
        "Compare the two given answers by their log-probability per token; otherwise by that of the whole answer, where a"
        " longer one is at a disadvantage.",
        advanced=True,
    )
    checker: str = option(
        checkers.AUTO,
        "The program that gives an answer its reward: that of a bundled data set by its name, none, or auto, the one of"
        " the data set that the prompts come from.",
        names=(checkers.AUTO, checkers.NONE),
        advanced=True,
    )
    judge_by: str = option(
        "auto",
        "What the table ranks by and the paired tests compare row by row: mean_reward of the model's own answers, or"
        " preference_accuracy on the given ones; auto: the reward where there is a checker.",
        choices=("auto", REWARD, ACCURACY),
        advanced=True,
    )
    choose_by: str = option(
        "auto",
        "What picks the best checkpoint on the validation part; auto: what judges. perplexity is that of the chosen"
        " answers.",
        choices=("auto", REWARD, ACCURACY, "margin", "perplexity"),
        advanced=True,
    )
    validation_answers: int = option(
        50,
        "Where choose_by is mean_reward: how many validation prompts are answered each time.",
        min=1,
        advanced=True,
    )
    test_answers: int | None = option(
        None, "How many test rows are answered at the end, spread evenly; none for all.", min=1, advanced=True
    )
    answer_batch: int = option(32, "Answers generated at once.", min=1, max=4096, advanced=True)
    checker_hash: str = option(
        "", "Filled in by the workbench: a hash of the checker's program.", advanced=True, derived=True
    )
    template_hash: str = option(
        "", "Filled in by the workbench: a hash of the template's text.", advanced=True, derived=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        writing(self)  # checks what both have
        if self.checker not in (checkers.AUTO, checkers.NONE):
            checkers.checker(self.checker)
        if self.checker == checkers.NONE and REWARD in (self.judge_by, self.choose_by):
            raise ValueError(f"{REWARD} {NO_CHECKER}")


def writing(options: PreferenceOptions) -> GenerationOptions:
    """The same way of asking, as the task `generation` knows it."""
    same = {name: getattr(options, name) for name in (*DECODING, "template", "template_hash", "answer_batch")}
    return GenerationOptions(**same)


def complete(
    options: PreferenceOptions, tokenizer: Any, rows: Mapping[str, Sequence[Row]]
) -> PreferenceOptions:
    """With hashes of template and checker, and every `auto` decided."""
    asked = generation.complete(writing(options), tokenizer, {})
    name = checkers.checker_of(rows) if options.checker == checkers.AUTO else options.checker
    found = "" if name == checkers.NONE else checkers.checker_hash(name)
    if options.checker_hash not in ("", found):
        raise ValueError(
            f"the checker of {name} has the hash {found}, not {options.checker_hash} as recorded: it has changed since, so"
            " this would be another setting"
        )
    usual = ACCURACY if name == checkers.NONE else REWARD
    judge = usual if options.judge_by == "auto" else options.judge_by
    choose = judge if options.choose_by == "auto" else options.choose_by
    if name == checkers.NONE and REWARD in (judge, choose):
        raise ValueError(f"{REWARD} {NO_CHECKER}")
    return replace(
        options,
        checker=name,
        checker_hash=found,
        judge_by=judge,
        choose_by=choose,
        template_hash=asked.template_hash,
    )


def encode(
    tokenizer: Any,
    rows: Sequence[Row],
    labels: Sequence[str],
    max_length: int,
    options: PreferenceOptions | None = None,
    room: int | None = None,
) -> list[Encoded]:
    """The prompt with its chosen answer as in `generation`; under `rejected` the same prompt with the other one."""
    asked = writing(options or PreferenceOptions())

    def laid_out(answer: str) -> list[Encoded]:
        given = [{**row, "completion": row[answer]} for row in rows]
        return generation.encode(tokenizer, given, labels, max_length, asked, room)

    found: list[Encoded] = []
    for chosen, rejected in zip(laid_out("chosen"), laid_out("rejected")):
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
    longer = [max((row, row["rejected"]), key=lambda one: sum(one["cut_tokens"])) for row in rows]
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
    return found


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
    count, tokens = len(outcomes), sum(o["chosen_tokens"] for o in outcomes)
    nats = sum(o["chosen_nats"] for o in outcomes) / max(1, tokens)
    found = {
        ACCURACY: sum(o["preferred"] for o in outcomes) / count,
        "margin": sum(o["margin"] for o in outcomes) / count,
        "perplexity": math.exp(nats) if not nats > 700 else math.inf,
    }
    answered = [o for o in outcomes if "output" in o]
    if answered:
        found["answer_tokens"] = sum(o["new_tokens"] for o in answered) / len(answered)
    if answered and all("reward" in o for o in answered):
        found[REWARD] = sum(o["reward"] for o in answered) / len(answered)
    return found


def validation_loss(outcomes: Sequence[Outcome], labels: Sequence[str]) -> float:
    """Nats per token of the chosen answers."""
    tokens = sum(o["chosen_tokens"] for o in outcomes)
    return sum(o["chosen_nats"] for o in outcomes) / max(1, tokens)


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
