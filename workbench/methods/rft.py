"""Rejection sampling: draw several answers to each prompt, keep the right ones, and train on these.

**Use it** where right answers can be told from wrong ones (a number, a word) and the model gets some right already: it learns from ways of its own to get there.
**Costs** samples_per_prompt whole answers to each prompt before training, which is most of the time; memory and file are those of the chosen parameterisation.
**Watch** how many were kept: prompts that the model never gets right teach it nothing, and the easy ones are learnt again and again. With none right the run fails and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.method import Context, Method
from workbench.methods._wrapped import WrappedOptions, apply, optimizer, prefix_agreement
from workbench.options import option
from workbench.task import Live


@dataclass(frozen=True)
class RftOptions(WrappedOptions):
    samples_per_prompt: int = option(4, "Answers drawn to each prompt.", min=1, max=256)
    temperature: float = option(
        0.7, "How the answers are drawn: below 1 likely tokens are drawn more often.", min=0.01, max=10
    )
    most_kept: int = option(
        4, "At most so many different right answers are kept for one prompt.", min=1, max=256, advanced=True
    )


def make_rows(
    live: Live,
    rows: Sequence[Mapping[str, Any]],
    options: RftOptions,
    context: Context,
    told: Callable[[Mapping[str, int]], None],
) -> list[dict[str, Any]]:
    """ValueError where no answer was right."""
    from workbench import sampling_stage

    made: list[dict[str, Any]] = []
    counts = {"done": 0, "sampled_tokens": 0, "right_answers": 0, "kept": 0, "prompts_with_one": 0}
    asked = sampling_stage.questions(rows)
    for batch in sampling_stage.draw(
        live, asked, per_row=options.samples_per_prompt, temperature=options.temperature, seed=context.seed
    ):
        kept: dict[int, set[str]] = {}
        for sample in batch:
            counts["sampled_tokens"] += len(sample.ids)
            if not sample.ended or not is_right(sample.text, rows[sample.row], live.options):
                continue
            counts["right_answers"] += 1
            others = kept.setdefault(sample.row, set())
            text = " ".join(sample.text.split())
            if text not in others and len(others) < options.most_kept:
                others.add(text)
                made.append(sampling_stage.row_of(asked[sample.row], sample))
        counts["done"] += len(batch) // options.samples_per_prompt
        counts["kept"], counts["prompts_with_one"] = len(made), counts["prompts_with_one"] + len(kept)
        told(counts)
    if not made:
        raise ValueError(
            f"none of {options.samples_per_prompt:,} answers to each of {len(rows):,} prompts was right, so there is nothing"
            " to train on: draw more of them (samples_per_prompt), or start from a model that gets some right, such as"
            " a supervised run (run:ID)"
        )
    return made


def is_right(text: str, row: Mapping[str, Any], options: Any) -> bool:
    """By the row's bare answer where it has one, else word for word."""
    from workbench import text_scores

    if row.get("answer") is not None:
        return text_scores.answer_match(text, row["answer"], options.answer_pattern) == 1
    return text_scores.exact_match(text, text_scores.references(row)) == 1


METHOD = Method(
    name="rft",
    title="Rejection sampling",
    family="feedback",
    options=RftOptions,
    apply=apply,
    learning_rate=1e-4,
    card=__doc__,
    paper="https://arxiv.org/abs/2308.01825",
    tasks=("generation",),
    optimizer=optimizer,
    make_rows=make_rows,
    reads_answers=True,
    before_and_after=prefix_agreement,
)
