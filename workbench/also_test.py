"""Scores a run of a chain on the test parts of other hops, and on general text: what it still knows, what it has forgotten.

General text and texts of language modelling are read in the same windows whatever hop asks, so that a chain's figures can
be compared from hop to hop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench import chain, evaluate, language_scores, models, outcome, registry, saving
from workbench.callbacks import breathe
from workbench.chain import READ, Part
from workbench.lease import Lease
from workbench.result import Result, Run
from workbench.store import Store
from workbench.task import Live
from workbench.train import OUTCOMES, read_outcomes

GENERAL = "general"
GENERAL_WINDOW = 256
CAUSAL = "AutoModelForCausalLM"
Scores = dict[str, dict[str, float]]


def also_score(
    run: Run, store: Store, folder: Path, result: Result, *, lease: Lease, should_stop: Callable[[], bool]
) -> Result:
    """The result with `elsewhere`: scores on other hops' test parts by Part.key, and on general text. A run that is in no
    chain keeps its result as it is."""
    import torch

    wanted = chain.tested(store, run.id)
    if wanted is None:
        return result
    outcome.write_result(folder, result)  # whatever happens from here on, training is not lost
    with lease.shared(), models.quiet(), torch.random.fork_rng(devices=[]):

        def tick() -> None:
            breathe(lease, should_stop)

        setting = run.spec.setting
        source = models.resolve(setting.model, store=store, revision=setting.model_revision)
        trained = saving.load_trained(source, saving.trained_folder(folder), store=store)
        asked = _asked(run, source, trained, store, tick)
        fitting = [part for part in wanted.also if _fits(part, run)]
        elsewhere = _scores(store, asked, fitting)
        if told := _told(wanted.own, read_outcomes(folder / OUTCOMES)):
            elsewhere[wanted.own.key] = told
        del trained
        start: Scores = {}
        if wanted.first and registry.task(setting.task).model_class == CAUSAL:
            base = models.load_model(source, setting.task, setting.data.labels, store=store)
            start = _scores(store, _asked(run, source, base, store, tick), wanted.at_start)
    left_out = [part.title for part in wanted.also if part not in fitting]
    notes = (
        (f"Not scored on {', '.join(left_out)}: its model is of another kind than this one.",)
        if left_out
        else ()
    )
    return replace(result, elsewhere=elsewhere, elsewhere_start=start, notes=(*result.notes, *notes))


def _asked(run: Run, source: models.ModelSource, model: Any, store: Store, tick: Callable[[], None]) -> Live:
    setting, device = run.spec.setting, evaluate.pick_device()
    return Live(
        model.to(device).eval(),
        models.load_tokenizer(source, store=store),
        tuple(setting.data.labels),
        device=device,
        precision=evaluate.resolve_precision(setting.precision, device),
        tick=tick,
    )


def _fits(part: Part, run: Run) -> bool:
    """Whether this run's model has the head that the part asks, with the same labels."""
    own, other = registry.task(run.spec.setting.task), registry.task(part.task)
    return own.model_class == other.model_class and tuple(run.spec.setting.data.labels) == part.labels


def _scores(store: Store, live: Live, parts: Sequence[Part]) -> Scores:
    found = {part.key: _score(store, live, part) for part in parts}
    if not live.labels:
        found[GENERAL] = _general(live)
    return found


def _score(store: Store, live: Live, part: Part) -> dict[str, float]:
    from workbench.data import load_prepared

    task = registry.task(part.task)
    options = task.options.from_dict(part.task_options)
    rows = load_prepared(store.data_folder(part.fingerprint)).rows["test"]
    room = evaluate.longest_input(live.model, live.tokenizer)
    length = min(part.max_length, room or part.max_length)
    encoded = task.encode(live.tokenizer, rows, part.labels, length, options, room)
    outcomes = task.predict(replace(live, options=options), encoded)
    return task.score(outcomes, part.labels, options) | _told(part, outcomes)


def _told(part: Part, outcomes: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of a classifier with the labels of several hops: accuracy where it may answer with those of this part alone. It tells
    what the trunk has forgotten from what the head no longer says."""
    if set(part.own_labels) >= set(part.labels):
        return {}
    places = [place for place, label in enumerate(part.labels) if label in part.own_labels]
    right = [
        part.labels[max(places, key=one["probabilities"].__getitem__)] == one["label"] for one in outcomes
    ]
    return {"told_accuracy": sum(right) / len(right)}


def _general(live: Live) -> dict[str, float]:
    task = registry.task(READ)
    room = evaluate.longest_input(live.model, live.tokenizer)
    options: Any = task.options()
    texts = [{"text": text} for text in language_scores.general_texts(options.general_texts)]
    encoded = task.encode(live.tokenizer, texts, (), min(GENERAL_WINDOW, room or GENERAL_WINDOW))
    return language_scores.scores(language_scores.read(live, encoded))
