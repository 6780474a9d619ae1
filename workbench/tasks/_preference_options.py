"""What the task `preference` asks of a setting: its options, and what only the model or the data can say to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workbench import checkers, ratings
from workbench.options import Options, option
from workbench.task import Row
from workbench.tasks import _decoding_options as shared
from workbench.tasks import generation
from workbench.tasks.generation import DECODING, GenerationOptions

REWARD, ACCURACY = "mean_reward", "preference_accuracy"
NO_CHECKER = "needs a checker, and these rows have none: use preference_accuracy"


@dataclass(frozen=True)
class PreferenceOptions(Options):
    template: str = shared.template()
    max_new_tokens: int = option(64, "The longest answer, in tokens.", min=1, max=8192)
    do_sample: bool = shared.do_sample(True)
    temperature: float = shared.temperature()
    top_p: float = shared.top_p(1.0)
    top_k: int = shared.top_k()
    decoding_seed: int = shared.decoding_seed()
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
    for part in ("validation", "test"):
        ratings.check_sides(rows.get(part, ()), part)
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
