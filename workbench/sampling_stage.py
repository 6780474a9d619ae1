"""The stage before training of methods that make their own rows: the base model samples answers to learn from.

They are kept in the run's folder, so that a resumed run trains on the same ones.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.task import Live, Row

if TYPE_CHECKING:
    from workbench.build import Plan
    from workbench.progress import Progress

ROWS, FACTS = "rows.jsonl", "sampling.json"
QUESTION = ("prompt", "messages", "kind")
EVENT_SECONDS = 1.0
# How far samples of one prompt agree is measured alike for all methods, so that their rows can be compared.
AGREE_TOKENS, AGREE_PROMPTS, AGREE_SAMPLES, AGREE_TEMPERATURE = 8, 24, 4, 0.8

Told = Callable[[Mapping[str, int]], None]


@dataclass(frozen=True)
class Sample:
    """One answer that the model drew to row `row`: its token ids up to its end token, which counts as one of them."""

    row: int
    ids: tuple[int, ...]
    text: str
    ended: bool


@dataclass(frozen=True)
class Stage:
    """What came of it: the rows to train on, counts such as sampled_tokens, and numbers of the base model."""

    rows: list[dict[str, Any]] = field(repr=False)
    counts: Mapping[str, int]
    seconds: float
    start: Mapping[str, float]
    peak_memory_bytes: int | None = None

    @property
    def note(self) -> str:
        others = {k: v for k, v in self.counts.items() if k not in ("done", "of", "sampled_tokens")}
        more = "".join(f", {v:,} {k.replace('_', ' ')}" for k, v in others.items())
        return (
            f"Trained on {len(self.rows):,} rows that the model sampled itself: {self.counts.get('done', 0):,} prompts,"
            f" {self.counts.get('sampled_tokens', 0):,} tokens sampled{more}."
        )


def sampled(
    plan: Plan,
    base: Any,
    folder: Path,
    *,
    emit: Callable[[str, Mapping[str, Any]], None],
    tick: Callable[[], object],
    resume: bool = True,
) -> tuple[Plan, Stage]:
    """The plan with the method's own rows for training. ValueError where the method finds none."""
    stage = _kept(folder) if resume else None
    if stage is None:
        stage = _make(plan, base, emit, tick)
        _keep(folder, stage)
    rows = {**plan.prepared.rows, "train": stage.rows}
    return replace(plan, prepared=replace(plan.prepared, rows=rows)), stage


def _make(
    plan: Plan, base: Any, emit: Callable[[str, Mapping[str, Any]], None], tick: Callable[[], object]
) -> Stage:
    method, begun = plan.method, time.monotonic()
    counts: dict[str, int] = {"done": 0, "of": len(plan.prepared.rows["train"])}
    shown = -EVENT_SECONDS

    def told(now: Mapping[str, int]) -> None:
        nonlocal shown
        counts.update(now)
        seconds = time.monotonic() - begun
        if seconds - shown >= EVENT_SECONDS or counts["done"] == counts["of"]:
            shown = seconds
            emit("sample", {"stage": "sample", **counts, "seconds": seconds})

    told({})
    live = plan.live(base, tick=tick)
    rows = plan.prepared.rows["train"]
    given = list(rows) if method.reads_answers else questions(rows)
    assert method.make_rows is not None
    forget_gpu_peak(plan.device)
    made = method.make_rows(live, given, plan.options, plan.context, told)
    seconds = time.monotonic() - begun
    if not made:
        raise ValueError(f"{method.title} made no rows to train on from {len(rows):,} prompts")
    peak = gpu_peak(plan.device)
    return Stage(made, counts, seconds, numbers(plan, base, tick), peak)


def numbers(plan: Plan, model: Any, tick: Callable[[], object]) -> dict[str, float]:
    """What the method measures before and after training."""
    if plan.method.before_and_after is None:
        return {}
    rows = questions(plan.prepared.rows["validation"])
    return plan.method.before_and_after(plan.live(model, tick=tick), rows, plan.options, plan.context)


def measured(
    plan: Plan, model: Any, stage: Stage | None, tick: Callable[[], object]
) -> dict[str, dict[str, float]]:
    """The same numbers of the trained model beside those of the base, as metrics."""
    if plan.method.before_and_after is None:
        return {}
    start = stage.start if stage else {}
    return {"metrics": numbers(plan, model, tick) | {f"{k}_start": v for k, v in start.items()}}


def records(stage: Stage, progress: Progress, peak: int | None) -> tuple[dict[str, Any], ...]:
    """What Result.stages says: first the sampling, then the training on what came of it."""
    shared = {"best_step": None, "metrics": dict(stage.start)}
    first = {
        "name": "sample",
        "title": "Sampling",
        "sentence": "The base model answers the prompts itself.",
        "seconds": stage.seconds,
        "peak_memory_bytes": stage.peak_memory_bytes,
        "steps": 0,
        "samples": stage.counts.get("done", 0),
    }
    second = {
        "name": "train",
        "title": "Training",
        "sentence": "What was kept of these answers is learnt.",
        "seconds": progress.seconds,
        "peak_memory_bytes": peak,
        "steps": progress.step,
        "samples": progress.samples,
        "best_step": progress.best_step,
        "metrics": {},
    }
    return {**shared, **first}, second


def highest(stage: Stage | None, peak: int | None) -> int | None:
    """Of both, where both are known."""
    sampling = stage.peak_memory_bytes if stage else None
    return max((size for size in (sampling, peak) if size is not None), default=None)


def forget_gpu_peak(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats()


def gpu_peak(device: str) -> int | None:
    """Bytes, where an allocator has counted them."""
    if not device.startswith("cuda"):
        return None
    import torch

    return int(torch.cuda.max_memory_allocated())


def questions(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What is asked in each row, and nothing of what would answer it."""
    return [{name: row[name] for name in QUESTION if name in row} for row in rows]


def draw(
    live: Live,
    rows: Sequence[Row],
    *,
    per_row: int,
    temperature: float,
    seed: int,
    most_tokens: int | None = None,
) -> Iterator[list[Sample]]:
    """`per_row` answers to each row, from the whole distribution at that temperature: a batch of rows at a time."""
    from workbench import evaluate, generating, registry
    from workbench.templates import end_ids

    task, known = registry.task("generation"), live.options
    options = known.from_dict(
        known.to_dict()
        | {"do_sample": True, "temperature": temperature, "top_p": 1.0, "top_k": 0}
        | ({} if most_tokens is None else {"max_new_tokens": most_tokens})
    )
    room = evaluate.longest_input(live.model, live.tokenizer)
    asked = [{**row, "completion": ""} for row in rows]
    encoded = task.encode(live.tokenizer, asked, (), room or 10**6, options, room)
    ends = end_ids(options.template, live.tokenizer)  # type: ignore[attr-defined]
    size = max(1, options.answer_batch // per_row)  # type: ignore[attr-defined]
    for number, first in enumerate(range(0, len(rows), size)):
        if live.tick is not None:
            live.tick()
        places = [i for i in range(first, min(first + size, len(rows))) for _ in range(per_row)]
        batch = generating.collate_prompts(
            [encoded[i]["prompt_ids"] for i in places], evaluate.pad_id(live.model)
        )
        # Another draw for each batch, the same in each run with this seed.
        drawn = replace(options, decoding_seed=(seed * 100_003 + number) % 2**31)  # type: ignore[call-arg]
        found = generating.generate(replace(live, options=drawn), batch)
        yield [_sample(live.tokenizer, place, ids, ends) for place, ids in zip(places, found)]


def _sample(tokenizer: Any, row: int, ids: Sequence[int], ends: Sequence[int]) -> Sample:
    stop = next((i for i, token in enumerate(ids) if token in ends), None)
    kept = tuple(ids if stop is None else ids[: stop + 1])
    text = tokenizer.decode(kept if stop is None else kept[:-1], skip_special_tokens=True)
    return Sample(row, kept, text, stop is not None)


def row_of(question: Mapping[str, Any], sample: Sample, tokens: int | None = None) -> dict[str, Any]:
    """A training row of a sample: its tokens as they were drawn, or the first `tokens` of them."""
    return {**question, "completion": sample.text, "completion_ids": list(sample.ids[:tokens])}


def prefix_agreement(live: Live, rows: Sequence[Row], seed: int) -> dict[str, float]:
    """How likely two samples for the same prompt begin with the same AGREE_TOKENS tokens, over some prompts."""
    chosen = rows[:: max(1, len(rows) // AGREE_PROMPTS)][:AGREE_PROMPTS]
    begun: dict[int, list[tuple[int, ...]]] = {}
    for batch in draw(
        live,
        chosen,
        per_row=AGREE_SAMPLES,
        temperature=AGREE_TEMPERATURE,
        seed=seed,
        most_tokens=AGREE_TOKENS,
    ):
        for sample in batch:
            begun.setdefault(sample.row, []).append(sample.ids)
    alike = [
        sum(a == b for i, a in enumerate(one) for b in one[:i]) / (len(one) * (len(one) - 1) / 2)
        for one in begun.values()
    ]
    return {"prefix_agreement": sum(alike) / len(alike)}


def _kept(folder: Path) -> Stage | None:
    """What an earlier attempt sampled; None where it did not come to the end of it."""
    if not (folder / FACTS).is_file():
        return None
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in (folder / ROWS).read_text(encoding="utf-8").splitlines()]
    return Stage(rows, **facts)


def _keep(folder: Path, stage: Stage) -> None:
    """The rows first, the facts last: they say that the rows are whole."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row) + "\n" for row in stage.rows)
    facts = {
        "counts": dict(stage.counts),
        "seconds": stage.seconds,
        "start": dict(stage.start),
        "peak_memory_bytes": stage.peak_memory_bytes,
    }
    for name, text in ((ROWS, "".join(lines)), (FACTS, json.dumps(facts))):
        part = folder / f".{name}"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / name)
