"""Scores a finished run in every form that it can be deployed in, each loaded back with public libraries: drift, latency, size."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench import deployed_record, evaluate, measure, models, saving
from workbench.compare import judged_by
from workbench.data import load_prepared
from workbench.environment import environment
from workbench.exporting import forms, loading, whole
from workbench.exporting.opened import Opened, open_run
from workbench.exporting.write import _note, live_of, with_task_ids, write_form
from workbench.lease import Lease, LeaseTimeout
from workbench.outcome_files import write_outcomes
from workbench.result import Run
from workbench.store import Store
from workbench.task import Live

Progress = Callable[[str, float], None]
Document = dict[str, Any]

ROUNDS = 12
SECONDS = 2.0
LEASE_SECONDS = 30.0
TRAINED = "trained"


def measure_forms(
    store: Store,
    run: Run,
    names: Sequence[str] | None = None,
    *,
    share: float = forms.PRUNED_SHARE,
    progress: Progress = lambda words, share: None,
    seconds: float = SECONDS,
) -> Document:
    """The record of every form, kept in the run's folder. The first row is the run as it was measured, loaded again."""
    one = open_run(store, run)
    offers = [o for o in forms.offers(store, run) if names is None or o.form.name in names]
    look = _Look(one, store, run)
    found = [_row(TRAINED, "As trained", look.numbers(look.trained))]
    models_by_name: dict[str, Any] = {TRAINED: look.trained.model}
    folder = Path(tempfile.mkdtemp(prefix=".forms-", dir=store.run_folder(run.id)))
    try:
        for place, offer in enumerate(offers):
            form = offer.form
            progress(f"Scoring: {form.title}", (place + 0.5) / (len(offers) + 1))
            if offer.reason:
                found.append(_row(form.name, form.title, {}, offer.reason))
                continue
            try:
                live, more = look.form(form.name, folder / form.name, share)
            except (OSError, ValueError, RuntimeError) as error:
                found.append(_row(form.name, form.title, {}, _first_line(error)))
                continue
            models_by_name[form.name] = live.model
            found.append(_row(form.name, form.title, look.numbers(live, form.name) | more))
        progress("Timing all forms in turn", len(offers) / (len(offers) + 1))
        timed, note = look.times(models_by_name, seconds)
        for row in found:
            row |= timed.get(row["form"], {})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    document = {
        "run": run.id,
        "metric": judged_by(run.spec.setting),
        "rows": len(look.encoded),
        "precision": "float32",
        "measured_at": time.time(),
        "notes": [note] if note else [],
        "environment": environment(look.trained.device, "float32"),
        "forms": found,
    }
    deployed_record.write(store.run_folder(run.id), document)
    progress("Done", 1.0)
    return document


def _row(form: str, title: str, numbers: Mapping[str, Any], reason: str | None = None) -> Document:
    return (
        dict.fromkeys(deployed_record.COLUMNS)
        | {"form": form, "title": title, "reason": reason}
        | dict(numbers)
    )


class _Look:
    """The test part, and the run as it was trained, which every form is held against."""

    def __init__(self, one: Opened, store: Store, run: Run) -> None:
        self.one, self.store, self.run = one, store, run
        setting = run.spec.setting
        prepared = load_prepared(store.data_folder(setting.data.fingerprint))
        self.trained = live_of(one, one.model())
        room = evaluate.longest_input(self.trained.model, self.trained.tokenizer)
        self.length = min(setting.max_length, room or setting.max_length)
        self.encoded = one.task.encode(
            self.trained.tokenizer,
            prepared.rows["test"],
            self.trained.labels,
            self.length,
            self.trained.options,
            room,
        )
        self.texts = one.task.probes(self.encoded, evaluate.pad_id(self.trained.model))
        self.wanted = self.logits(self.trained)
        self.outcomes: list[dict[str, Any]] = []
        self.score = judged_by(setting)

    def logits(self, live: Live) -> torch.Tensor:
        return torch.cat([self.one.task.logits(live, text) for text in self.texts])

    def form(self, name: str, folder: Path, share: float) -> tuple[Live, Document]:
        """The form as anybody would load it, and what is told of it."""

        more = write_form(self.one, name, folder, share=share)
        size = sum(
            p.stat().st_size
            for p in folder.rglob("*.safetensors")
            if whole.BASE not in p.relative_to(folder).parts
        )
        (folder / loading.NOTE).write_text(json.dumps(_note(self.one, name) | more), encoding="utf-8")
        live = replace(self.trained, model=loading.load_plain(folder, self.trained.device))
        told: Document = {"bytes": size}
        if "pruned_share" in more:
            told["pruned_share"] = more["pruned_share"]
        return with_task_ids(live, folder), told

    def numbers(self, live: Live, form: str = TRAINED) -> Document:
        """Scores on the test part, and how far answers and logits are from the run's own."""
        task, labels = self.one.task, self.run.spec.setting.data.labels
        with models.quiet():
            # A prompt in front of padded rows is read rightly one row at a time, as the card says.
            alone = replace(live, batch_size=1) if self._is_prompt(live) else live
            outcomes = task.predict(alone, self.encoded)
        metrics = task.score(outcomes, labels, live.options)
        found: Document = {"score": metrics[self.score], "metrics": metrics}
        if form == TRAINED:
            self.outcomes = outcomes
            return found | {"bytes": saving.trained_bytes(self.one.trained)}
        write_outcomes(self.store.run_folder(self.run.id) / f"outcomes_form_{form}.jsonl", outcomes)
        difference = (self.logits(live) - self.wanted).abs()
        return found | {
            **drift(task.marks(self.outcomes, live.options), task.marks(outcomes, live.options)),
            "changed_rows": sum(_said(a) != _said(b) for a, b in zip(self.outcomes, outcomes)),
            "logit_difference_max": float(difference.max()),
            "logit_difference_mean": float(difference.mean()),
        }

    def _is_prompt(self, live: Live) -> bool:
        return any(
            getattr(c, "num_virtual_tokens", 0) for c in getattr(live.model, "peft_config", {}).values()
        )

    def times(self, named: Mapping[str, Any], seconds: float) -> tuple[dict[str, Document], str]:
        """Milliseconds of each form at batch 1, in turn, round by round, with nothing else running."""
        task = self.one.task
        forwards = {n: task.timed(replace(self.trained, model=m), self.texts) for n, m in named.items()}
        try:
            with Lease(self.store.folder / "lease").exclusive(LEASE_SECONDS):
                return in_turn(forwards, min(task.latency_rounds, ROUNDS), seconds), ""
        except LeaseTimeout:
            return {}, f"Latency was not measured: other runs did not pause within {LEASE_SECONDS:g} s."


def in_turn(
    forwards: Mapping[str, Callable[[int], object]], rounds: int, seconds: float
) -> dict[str, Document]:
    """Medians, 95th percentiles, and the median over rounds of the ratio to the first one's time."""
    times: dict[str, list[float]] = {name: [] for name in forwards}
    for forward in forwards.values():
        forward(0)
    begun, i = time.perf_counter(), 0
    while i < rounds or time.perf_counter() - begun < seconds:
        for name, forward in forwards.items():
            before = time.perf_counter()
            forward(i)
            times[name].append((time.perf_counter() - before) * 1000)
        i += 1
    first = next(iter(times.values()))
    return {
        name: {
            "latency_ms_p50": measure.quantile(own, 0.5),
            "latency_ms_p95": measure.quantile(own, 0.95),
            "latency_ratio": measure.quantile([a / b for a, b in zip(own, first)], 0.5),
        }
        for name, own in times.items()
    }


def drift(before: Sequence[float], after: Sequence[float]) -> Document:
    """The mean change of a row's mark, with its 95 % interval over the rows (the two answers of a row are a pair)."""
    change = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    mean = float(change.mean())
    spread = float(change.std(ddof=1)) / math.sqrt(len(change)) if len(change) > 1 else math.nan
    low, high = (None, None) if math.isnan(spread) else (mean - 1.96 * spread, mean + 1.96 * spread)
    return {"drift": mean, "drift_low": low, "drift_high": high}


def _said(outcome: Mapping[str, Any]) -> Any:
    return outcome.get("predicted", outcome.get("output"))


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
