"""What a causal language model does for the task `preference`: how likely it finds both answers, and what it answers itself.

Also the reward of its own answers, and how far it has gone from the model that it started from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from workbench import checkers, evaluate, generating, ratings
from workbench.task import Encoded, Live, Outcome
from workbench.tasks.generation import spread
from workbench.templates import end_ids

COMPARED_AT_ONCE = 16
# What of a row stands in its outcome.
WRITTEN = ("prompt", "chosen", "rejected", "kind")


def weigh(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    """Nats of the chosen and of the rejected answer to each prompt, and which of them the model finds likelier; an answer
    that was rated by itself is compared with all that were rated the other way."""
    pairs = [row for row in rows if "rated" not in row]
    read = generating.read(live, [*rows, *[row["rejected"] for row in pairs]])
    others = iter(read[len(rows) :])
    found: list[Outcome] = []
    for row, first in zip(rows, read):
        name = row.get("rated", ratings.GOOD)
        outcome = {field: row["row"][field] for field in WRITTEN if field in row["row"]}
        outcome |= {f"{name}_nats": first["nats"], f"{name}_tokens": first["tokens"]}
        if "rated" not in row:
            other = next(others)
            margin = _score(live, first) - _score(live, other)
            outcome |= {
                "rejected_nats": other["nats"],
                "rejected_tokens": other["tokens"],
                "margin": margin,
                "preferred": 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0,
            }
        found.append(outcome)
    singles = [place for place, row in enumerate(rows) if "rated" in row]
    marks = ratings.ranked(
        [_score(live, read[place]) for place in singles],
        [rows[place]["rated"] == ratings.GOOD for place in singles],
    )
    for place, (share, apart) in zip(singles, marks):
        found[place] |= {"margin": apart, "preferred": share}
    return found


def _score(live: Live, read: Outcome) -> float:
    """Log-probability of an answer, per token where that is asked for."""
    per_token = live.options.per_token  # type: ignore[attr-defined]
    return -read["nats"] / (max(1, read["tokens"]) if per_token else 1)


def answers(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    """The model's own answer to each prompt, with its reward where there is a checker. `answer_ids` are its tokens."""
    options: Any = live.options
    writing = writing_live(live)
    ends = end_ids(options.template, live.tokenizer)
    found: list[Outcome] = [{}] * len(rows)
    for places in generating.batches(live, [len(row["prompt_ids"]) for row in rows], options.answer_batch):
        batch = generating.collate_prompts(
            [rows[i]["prompt_ids"] for i in places], evaluate.pad_id(live.model)
        )
        for place, ids in zip(places, generating.generate(writing, batch)):
            text, tokens, ended = generating.spoken(live.tokenizer, ids, ends)
            found[place] = {
                "output": text,
                "new_tokens": tokens,
                "ended": ended,
                "answer_ids": list(ids[:tokens]),
                **({"sampled": True} if options.do_sample else {}),
                **rewarded(options, rows[place]["row"], text),
            }
    return found


def rewarded(options: Any, row: Any, text: str) -> dict[str, float]:
    """What the checker says of an answer; nothing where there is none."""
    if options.checker in (checkers.AUTO, checkers.NONE):
        return {}
    return {"reward": float(checkers.checker(options.checker)(row["prompt"], text))}


def writing_live(live: Live) -> Live:
    """As the task `generation` writes."""
    from workbench.tasks._preference_options import writing

    return replace(live, options=writing(live.options))  # type: ignore[arg-type]


def validate(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    """All pairs weighed; some prompts answered where answers pick the checkpoint."""
    options: Any = live.options
    outcomes = weigh(live, rows)
    if options.choose_by == "mean_reward":
        places = spread(len(rows), options.validation_answers)
        for place, found in zip(places, answers(live, [rows[i] for i in places])):
            outcomes[place] |= {name: value for name, value in found.items() if name != "answer_ids"}
    return outcomes


def predict(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    """All pairs weighed and all prompts answered."""
    chosen = [rows[i] for i in spread(len(rows), live.options.test_answers)]  # type: ignore[attr-defined]
    return [a | b for a, b in zip(weigh(live, chosen), answers(live, chosen))]


def drift(live: Live, start: Live, rows: Sequence[Encoded], outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The start's answers to the same prompts, drawn in the same way, and the distance to it; each row is told its part."""
    chosen = [rows[i] for i in spread(len(rows), live.options.test_answers)]  # type: ignore[attr-defined]
    for outcome, before in zip(outcomes, answers(start, chosen)):
        outcome["start_output"] = before["output"]
        if "reward" in before:
            outcome["start_reward"] = before["reward"]
            now, then = outcome["reward"], before["reward"]
            outcome["win"] = 1.0 if now > then else 0.5 if now == then else 0.0
    nats, tokens = _kl(live, start, chosen, outcomes)
    for outcome, apart, count in zip(outcomes, nats, tokens):
        outcome["kl"] = apart / max(1, count)
        outcome.pop("answer_ids", None)
    found = {"kl_nats": sum(nats) / max(1, sum(tokens))}
    if outcomes and all("win" in outcome for outcome in outcomes):
        found["mean_reward_start"] = sum(o["start_reward"] for o in outcomes) / len(outcomes)
        found["win_rate"] = sum(o["win"] for o in outcomes) / len(outcomes)
    return found


def _kl(
    live: Live, start: Live, rows: Sequence[Encoded], outcomes: Sequence[Outcome]
) -> tuple[list[float], list[int]]:
    """Of the trained model's own answers: the divergence of its next-token distributions from the start's, in nats summed
    over the answer's tokens, and their number."""
    said = [
        {
            "input_ids": [*row["prompt_ids"], *outcome["answer_ids"]],
            "labels": [generating.NOT_LEARNT] * len(row["prompt_ids"]) + list(outcome["answer_ids"]),
        }
        for row, outcome in zip(rows, outcomes)
    ]
    nats, tokens = [0.0] * len(said), [0] * len(said)
    for places in generating.batches(live, [len(one["input_ids"]) for one in said], COMPARED_AT_ONCE):
        batch = generating.collate([said[i] for i in places], evaluate.pad_id(live.model))
        labels = batch["labels"].to(live.device)[:, 1:]
        keep = labels != generating.NOT_LEARNT
        now, before = (_log_probabilities(one, batch, keep) for one in (live, start))
        apart = torch.zeros(keep.shape, device=keep.device)
        apart[keep] = (now.exp() * (now - before)).sum(-1)
        for place, lost, one in zip(places, apart.sum(1).tolist(), keep.sum(1).tolist()):
            nats[place], tokens[place] = lost, one
    return nats, tokens


def _log_probabilities(live: Live, batch: dict[str, torch.Tensor], keep: torch.Tensor) -> torch.Tensor:
    """Of every word of the vocabulary, where a token of the answer is told."""
    inputs = {name: batch[name].to(live.device) for name in ("input_ids", "attention_mask")}
    with generating.evaluating(live.model), evaluate.computing(live.precision, live.device):
        logits = live.model(**inputs).logits
    # Virtual tokens of a prompt method stand in front.
    return torch.log_softmax(logits[:, -keep.shape[1] - 1 : -1][keep].float(), dim=-1)
