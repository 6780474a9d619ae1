"""Runs to queue next, thought of but not queued: more seeds for a verdict, a lower rate for what diverged, the preset that repeats."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbench import registry
from workbench.presets import SETTING_KEYS, MethodChoice, Preset, choice_label
from workbench.result import ACTIVE_STATES, Run
from workbench.spec import Choice, DataSpec, RunSpec, Setting

MOST_SEEDS = 20


def more_seeds(runs: Sequence[Run], choice_ids: Iterable[str], count: int) -> list[RunSpec]:
    """What is missing until all these choices share `count` more seeds: two methods are compared seed by seed.

    A seed that one of them has already is used first, one that ended badly is left alone.
    """
    if not 1 <= count <= MOST_SEEDS:
        raise ValueError(f"1 to {MOST_SEEDS} more seeds can be queued at once, not {count}")
    wanted = list(dict.fromkeys(choice_ids))
    first = {run.spec.choice.id: run for run in reversed(runs)}
    if missing := [key for key in wanted if key not in first]:
        raise ValueError(f"there is no run of choice {missing[0]} to add seeds to")
    had = {(run.spec.choice.id, run.spec.seed) for run in runs if run.state in ("finished", *ACTIVE_STATES)}
    broken = {run.spec.seed for run in runs if run.spec.choice.id in wanted} - {
        seed for key, seed in had if key in wanted
    }
    fresh = (
        seed
        for seed in itertools.count()
        if seed not in broken and not all((key, seed) in had for key in wanted)
    )
    return [
        RunSpec(first[key].spec.setting, first[key].spec.choice, seed)
        for seed in itertools.islice(fresh, count)
        for key in wanted
        if (key, seed) not in had
    ]


def calmer_choice(choice: Choice) -> Choice:
    """The smallest change for a run that diverged: a third of its learning rate, in one figure."""
    third = choice.learning_rate / 3
    power = 10.0 ** math.floor(math.log10(third))
    rate = float(f"{round(third / power) * power:.0e}")
    label = choice_label(choice.method, choice.options, rate)
    return Choice(choice.method, choice.options, rate, label)


def repeating_preset(setting: Setting, runs: Sequence[Run], name: str = "comparison") -> Preset:
    """The preset that makes these runs again: their data, model, choices, seeds and every field of their setting."""
    choices: dict[str, Choice] = {}
    for run in runs:
        choices.setdefault(run.spec.choice.id, run.spec.choice)
    default = Setting(data=DataSpec(source=""), model="")
    fields = {key: getattr(setting, key) for key in SETTING_KEYS}
    return Preset(
        name=name,
        title=name,
        model=setting.model,
        task=setting.task,
        data=_data_arguments(setting.data),
        methods=tuple(_method_choice(choice) for choice in choices.values()),
        seeds=tuple(sorted({run.spec.seed for run in runs})) or (0,),
        setting={
            key: value for key, value in fields.items() if key == "budget" or value != getattr(default, key)
        },
    )


def _data_arguments(data: DataSpec) -> Mapping[str, Any]:
    arguments: dict[str, Any] = {"source": data.source}
    if data.parts:
        arguments["parts"] = dict(data.parts)
    arguments |= {"text": data.text, "label": data.label}
    default = DataSpec(source="")
    for key in (
        "fixes",
        "train_rows",
        "validation_rows",
        "test_rows",
        "validation_share",
        "test_share",
        "split_seed",
        "encoding",
        "revision",
    ):
        if (value := getattr(data, key)) != getattr(default, key):
            arguments[key] = value
    return arguments


def _method_choice(choice: Choice) -> MethodChoice:
    method = registry.method(choice.method)
    changed = method.options.from_dict(choice.options).changed()
    rate = None if choice.learning_rate == method.learning_rate else choice.learning_rate
    return MethodChoice(choice.method, changed, rate)
