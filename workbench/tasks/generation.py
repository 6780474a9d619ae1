"""Text generation: a prompt, a completion that is to be learnt, by any causal language model."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench import templates
from workbench.method import Unsuitable
from workbench.options import Options, option
from workbench.task import Batch, Encoded, Live, Outcome, Row, Task
from workbench.tasks import _decoding_options as shared

if TYPE_CHECKING:
    from workbench.data import Prepared

PER_ROW = ("chrf", "rouge_l", "exact_match", "answer_match")
DECODING = ("max_new_tokens", "do_sample", "temperature", "top_p", "top_k", "decoding_seed")


@dataclass(frozen=True)
class GenerationOptions(Options):
    template: str = shared.template()
    max_new_tokens: int = option(64, "The longest answer, in tokens.", min=1, max=8192)
    do_sample: bool = shared.do_sample(False)
    temperature: float = shared.temperature()
    top_p: float = shared.top_p(0.95)
    top_k: int = shared.top_k()
    decoding_seed: int = shared.decoding_seed()
    judge_by: str = option(
        "auto",
        "The score that the table ranks by and the paired tests compare row by row; auto: answer_match where all rows"
        " have an answer, else chrf.",
        choices=("auto", *PER_ROW),
        advanced=True,
    )
    choose_by: str = option(
        "perplexity",
        "What picks the best checkpoint on the validation part: perplexity of the given completions, which is quick, or a"
        " score of generated answers.",
        choices=("perplexity", *PER_ROW),
        advanced=True,
    )
    validation_answers: int = option(
        50,
        "Where choose_by is a score: how many validation rows are answered each time.",
        min=1,
        advanced=True,
    )
    test_answers: int | None = option(
        None, "How many test rows are answered at the end, spread evenly; none for all.", min=1, advanced=True
    )
    answer_pattern: str = option(
        r"####\s*([^\n]+)",
        "Where the rows have an answer: the expression that finds it in a text, in its first group.",
        advanced=True,
    )
    answer_batch: int = option(32, "Answers generated at once.", min=1, max=4096, advanced=True)
    template_hash: str = option(
        "", "Filled in by the workbench: a hash of the template's text.", advanced=True, derived=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        templates.check(self.template)
        if not self.template_hash and self.template != templates.CHAT:
            object.__setattr__(self, "template_hash", templates.template_hash(self.template))
        try:
            groups = re.compile(self.answer_pattern).groups
        except re.error as error:
            raise ValueError(f"answer_pattern is a regular expression: {error}") from None
        if groups != 1:
            raise ValueError(f"answer_pattern has one group, which holds the answer, not {groups}")


def complete(
    options: GenerationOptions, tokenizer: Any, rows: Mapping[str, Sequence[Row]]
) -> GenerationOptions:
    """With the template's hash, and `auto` decided."""
    found = templates.template_hash(options.template, tokenizer)
    if options.template_hash not in ("", found):
        raise ValueError(
            f"the template's text has the hash {found}, not {options.template_hash} as recorded: it has changed since,"
            " so this would be another setting"
        )
    templates.end_ids(options.template, tokenizer)
    answered = all("answer" in row for part in rows.values() for row in part)
    judge = options.judge_by
    if judge == "auto":
        judge = "answer_match" if answered else "chrf"
    if "answer_match" in (judge, options.choose_by) and not answered:
        raise ValueError(
            "answer_match needs a column `answer` in every row, and these rows have none: use chrf"
        )
    return replace(options, template_hash=found, judge_by=judge)


def check_model(config: Any, title: str) -> None:
    """Encoders have a language-model class too, but were never taught to go on with a text."""
    from transformers import AutoModelForMaskedLM

    reads_both_ways = type(config) in AutoModelForMaskedLM._model_mapping and not getattr(
        config, "is_decoder", False
    )
    if reads_both_ways or getattr(config, "is_encoder_decoder", False):
        raise Unsuitable(
            f"{title} is of type {config.model_type}, which fills gaps and can't go on with a text: generation needs a"
            " causal language model such as GPT-2, Llama or Qwen"
        )


def encode(
    tokenizer: Any,
    rows: Sequence[Row],
    labels: Sequence[str],
    max_length: int,
    options: GenerationOptions | None = None,
    room: int | None = None,
) -> list[Encoded]:
    """Prompt and completion as one; labels are -100 on the prompt. What is too long loses the prompt's beginning, and
    only then the completion's end. A sampled row brings the tokens of its completion, which need not come to an end.
    `prompt_ids` is what an answer starts from, `cut_tokens` how many tokens are gone.
    """
    options = options or GenerationOptions()
    most = max_length - 1
    if room is not None:
        most = min(most, room - options.max_new_tokens)
    if most < 1:
        raise ValueError(
            f"max_new_tokens {options.max_new_tokens} leaves no room for a prompt: the model reads {room} tokens, prompt"
            " and answer together"
        )
    encoded: list[Encoded] = []
    for row, (start, told) in zip(rows, templates.lay_out(options.template, tokenizer, rows)):
        completion = row.get("completion_ids") or told
        prompt = start or completion[-1:]  # the first token of an answer is told from something
        learnt = completion[: max_length - 1]
        kept = prompt[-(max_length - len(learnt)) :]
        encoded.append(
            {
                "input_ids": [*kept, *learnt],
                "attention_mask": [1] * (len(kept) + len(learnt)),
                "labels": [*[-100] * len(kept), *learnt],
                "prompt_ids": prompt[-most:],
                "truncated": len(kept) < len(prompt) or len(learnt) < len(completion),
                "cut_tokens": (len(prompt) - len(kept), len(completion) - len(learnt)),
                "row": row,
            }
        )
    return encoded


def cut_note(part: str, rows: Sequence[Encoded], max_length: int) -> str:
    cut = [row["cut_tokens"] for row in rows if row["truncated"]]
    if not cut:
        return ""
    prompts, answers = (sum(1 for pair in cut if pair[i]) for i in (0, 1))
    ends = f"; {answers:,} completions lost their end" if answers else ""
    return (
        f"{len(cut):,} of {len(rows):,} {part} rows are longer than {max_length} tokens: {prompts:,} prompts lost their"
        f" beginning ({sum(pair[0] for pair in cut):,} tokens){ends}."
    )


def notes(options: GenerationOptions, rows: Mapping[str, Sequence[Encoded]]) -> tuple[str, ...]:
    """A test part that was answered in part, and prompts that were cut to leave room for the answer."""
    test = rows["test"]
    found = []
    if options.test_answers is not None and options.test_answers < len(test):
        found.append(
            f"Only {options.test_answers:,} of {len(test):,} test rows were answered, spread evenly (test_answers)."
        )
    short = sum(len(row["prompt_ids"]) < row["labels"].count(-100) for row in test)
    if short:
        found.append(
            f"{short:,} test prompts were cut further, to leave room for an answer of {options.max_new_tokens} tokens."
        )
    return tuple(found)


def collate(rows: Sequence[Encoded], pad_id: int) -> dict[str, Any]:
    from workbench import generating

    return generating.collate(rows, pad_id)


def loss(logits: Any, labels: Any, count: Any, label_smoothing: float) -> Any:
    from workbench import generating

    return generating.loss(logits, labels, count, label_smoothing)


def validate(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    """The given completions' loss; answers of some rows only where they pick the checkpoint."""
    from workbench import generating

    outcomes = generating.read(live, rows)
    if live.options.choose_by != "perplexity":  # type: ignore[attr-defined]
        places = spread(len(rows), live.options.validation_answers)  # type: ignore[attr-defined]
        answered = generating.answers(live, [rows[i] for i in places])
        for place, found in zip(places, answered):
            outcomes[place] |= found
    return outcomes


def predict(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    """Loss of the given completion and an answer of the model's own, for each row."""
    from workbench import generating

    chosen = [rows[i] for i in spread(len(rows), live.options.test_answers)]  # type: ignore[attr-defined]
    return [a | b for a, b in zip(generating.read(live, chosen), generating.answers(live, chosen))]


def spread(count: int, wanted: int | None) -> list[int]:
    """`wanted` of `count` places, evenly; all of them without a wish."""
    if wanted is None or wanted >= count:
        return list(range(count))
    return [i * count // wanted for i in range(wanted)]


def score(
    outcomes: Sequence[Mapping[str, Any]], labels: Sequence[str] = (), options: Any = None
) -> dict[str, float]:
    """Perplexity over all rows that have a loss, the other scores over those that have an answer."""
    from workbench import text_scores
    from workbench.scores import metric

    if not outcomes:
        raise ValueError("a score needs at least one row")
    found: dict[str, float] = {}
    answered = [o for o in outcomes if "output" in o]
    if answered:
        outputs, right = [o["output"] for o in answered], [text_scores.references(o) for o in answered]
        for name in text_scores.FORMULAS:
            found |= metric(name).compute(predictions=outputs, references=right)
        found |= text_scores.answers_right(answered)
    if any("nats" in o for o in outcomes):
        found["perplexity"] = text_scores.perplexity(outcomes)
    return found


def validation_loss(outcomes: Sequence[Outcome], labels: Sequence[str]) -> float:
    """Nats per token of the completions."""
    tokens = sum(o["tokens"] for o in outcomes)
    return sum(o["nats"] for o in outcomes) / tokens if tokens else math.nan


def details(outcomes: Sequence[Outcome], labels: Sequence[str]) -> dict[str, Any]:
    from workbench import text_scores

    return {"per_kind": text_scores.by_kind(outcomes)}


def judged_by(options: Any) -> str:
    return "chrf" if options.judge_by == "auto" else str(options.judge_by)


def chosen_by(options: Any) -> str:
    return str(options.choose_by)


def marks(outcomes: Sequence[Mapping[str, Any]], options: Any) -> list[float]:
    """Each row's own score, from 0 to 1: right or wrong, chrF or ROUGE-L of its answer."""
    name = judged_by(options)
    return [float(row[name]) for row in outcomes]


def probes(rows: Sequence[Encoded], pad_id: int) -> list[Any]:
    from workbench import generating

    return generating.typical_prompts(rows, pad_id)


def logits(live: Live, batch: Batch) -> Any:
    from workbench import generating

    return generating.next_token_logits(live, batch)


def timed(live: Live, batches: Sequence[Batch]) -> Callable[[int], Any]:
    from workbench import generating

    return generating.timed_answer(live, batches)


def ask_batch(live: Live, text: str, max_length: int, room: int | None) -> tuple[Any, bool]:
    from workbench import evaluate, generating

    row = {"prompt": text, "completion": ""}
    encoded = encode(live.tokenizer, [row], (), max_length, live.options, room)[0]  # type: ignore[arg-type]
    whole = encoded["labels"].count(-100) + encoded["cut_tokens"][0]
    batch = generating.collate_prompts([encoded["prompt_ids"]], evaluate.pad_id(live.model))
    return batch, len(encoded["prompt_ids"]) < whole


def answer(live: Live, batch: Batch) -> dict[str, Any]:
    from workbench import generating

    return dict(SILENCE) | generating.answer_batch(live, batch)


def references(prepared: Prepared, options: Any) -> list[dict[str, Any]]:
    from workbench import completion_references

    return completion_references.records(prepared, options)


def refer(prepared: Prepared, options: Any, record: Mapping[str, Any]) -> Callable[[str], dict[str, Any]]:
    from workbench import completion_references

    copy = completion_references.asked(prepared)
    return lambda text: dict(SILENCE) | copy(text)


SILENCE: Mapping[str, Any] = {
    "label": None,
    "probabilities": {},
    "ms": None,
    "text": None,
    "tokens": None,
    "ended": None,
}

# A checkpoint is picked by the perplexity of the given validation completions: one pass over the rows, where generating
# answers would take as many passes as an answer has tokens. It can pick an earlier step than a score of answers would.
# chrF is what the table ranks by where answers are free texts: it gives part marks for parts of words, so that a paired
# test over rows has something to see where hardly an answer matches word for word.
TASK = Task(
    name="generation",
    title="Generation",
    version=1,
    columns=("prompt", "completion"),
    metrics=("chrf", "rouge_l", "bleu", "exact_match", "answer_match", "perplexity"),
    best_metric="chrf",
    model_class="AutoModelForCausalLM",
    sentence="Go on from a prompt: write an answer.",
    options=GenerationOptions,
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
    check_model=check_model,
    notes=notes,
)
