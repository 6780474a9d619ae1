"""Learn from the first few tokens of the model's own answers: no references, no checking, hardly any sampling.

**Use it** when you have questions but no answers, and a model that already answers some of them: it makes its usual way to begin more certain.
**Costs** a few sampled tokens for each prompt and a share of whole answers, then a short training; memory and file are those of the chosen parameterisation.
**Watch** the start: a model that begins badly learns to begin badly. Large instruct models took learning rates of 1e-6; without whole samples (structure_ratio 0) it can forget how to finish.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.method import Context, Method
from workbench.methods._wrapped import WrappedOptions, apply, optimizer, prefix_agreement
from workbench.options import option
from workbench.task import Live
from workbench.templates import PLACE

TEMPLATE = (
    "{prompt} Please provide the initial step towards resolving the question. This step may serve as a foundation but"
    " might not encompass the entire solution."
)


@dataclass(frozen=True)
class UpftOptions(WrappedOptions):
    prefix_length: int = option(
        16, "How many tokens of a sampled answer are learnt, from its first one on.", min=1, max=4096
    )
    structure_ratio: float = option(
        0.1,
        "Share of prompts whose sampled answer is learnt as a whole, so that the model does not forget how to finish.",
        min=0,
        max=1,
    )
    task_template: str = option(
        TEMPLATE,
        "How a prompt is worded where only the beginning of an answer is learnt, with {prompt} in it; whole answers follow"
        " the plain prompt. {prompt} alone for no change.",
        advanced=True,
    )
    temperature: float = option(
        0.7, "How the answers are drawn: below 1 likely tokens are drawn more often.", min=0.01, max=10
    )
    samples_per_prompt: int = option(1, "Answers drawn to each prompt.", min=1, max=64)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task_template.count(PLACE) != 1:
            raise ValueError(
                f"task_template says once where the prompt goes, by {PLACE}; not {self.task_template!r:.200}"
            )


def make_rows(
    live: Live,
    rows: Sequence[Mapping[str, Any]],
    options: UpftOptions,
    context: Context,
    told: Callable[[Mapping[str, int]], None],
) -> list[dict[str, Any]]:
    """Whole answers to a share of the prompts, and to the others as many tokens as are learnt, which is all that is drawn."""
    from workbench import sampling_stage

    order = list(range(len(rows)))
    random.Random(context.seed).shuffle(order)
    whole = round(options.structure_ratio * len(rows))
    made: list[dict[str, Any]] = []
    counts = {"done": 0, "sampled_tokens": 0, "whole_answers": 0, "prefixes": 0}
    parts: list[tuple[str, list[int], int | None]] = [
        ("whole_answers", sorted(order[:whole]), None),
        ("prefixes", sorted(order[whole:]), options.prefix_length),
    ]
    for number, (name, places, most) in enumerate(parts):
        for batch in sampling_stage.draw(
            live,
            [rows[i] for i in places],
            per_row=options.samples_per_prompt,
            temperature=options.temperature,
            seed=2 * context.seed + number,
            most_tokens=most,
        ):
            for sample in batch:
                asked = dict(rows[places[sample.row]])
                if most is not None:
                    asked = reworded(asked, options.task_template)
                made.append(sampling_stage.row_of(asked, sample))
                counts["sampled_tokens"] += len(sample.ids)
                counts[name] += 1
            counts["done"] += len(batch) // options.samples_per_prompt
            told(counts)
    return made


def reworded(row: Mapping[str, Any], template: str) -> dict[str, Any]:
    """The row with its question in the template; of a conversation the last turn."""
    changed = {**row, "prompt": template.replace(PLACE, row["prompt"])}
    if turns := row.get("messages"):
        last = {**turns[-1], "content": template.replace(PLACE, turns[-1]["content"])}
        changed["messages"] = [*turns[:-1], last]
    return changed


METHOD = Method(
    name="upft",
    title="Unsupervised prefix fine-tuning",
    family="feedback",
    options=UpftOptions,
    apply=apply,
    learning_rate=1e-4,
    card=__doc__,
    paper="https://arxiv.org/abs/2503.02875",
    tasks=("generation",),
    optimizer=optimizer,
    make_rows=make_rows,
    before_and_after=prefix_agreement,
)
