"""Fills a store through its own API with invented runs, for tests of the page and for looking at it.

Every figure is made up; texts say "invented". Nothing here is a measurement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.presets import MethodChoice
from workbench.result import Reason, Result
from workbench.spec import Budget, DataSpec, RunSpec, Setting
from workbench.store import Store

LABELS = ("negative", "positive")
TEST_ROWS = 360
BASE_WEIGHTS = 8_003_840
MIB = 2**20


@dataclass(frozen=True)
class Invented:
    """What a method's invented runs look like."""

    accuracy: float
    pace: float
    trainable: int
    memory: float
    seconds: float
    latency: float
    merged: float | None
    size: int


METHODS: Mapping[str, Invented] = {
    "full": Invented(0.904, 9, 8_004_608, 171, 41, 1.00, None, 34_078_720),
    "lora": Invented(0.899, 12, 66_304, 68, 29, 1.14, 1.00, 265_216),
    "dora": Invented(0.901, 12, 70_400, 82, 44, 1.31, 1.00, 281_600),
    "adapter": Invented(0.896, 11, 267_520, 75, 31, 1.19, None, 1_069_547),
    "freeze": Invented(0.879, 15, 1_607_424, 72, 18, 1.00, None, 6_427_770),
    "prefix": Invented(0.873, 20, 82_688, 64, 27, 1.07, None, 330_752),
    "bitfit": Invented(0.869, 16, 24_832, 61, 22, 1.01, 1.00, 99_328),
    "ia3": Invented(0.866, 19, 10_496, 66, 26, 1.05, 1.00, 41_984),
    "prompt": Invented(0.858, 26, 5_888, 73, 33, 1.12, None, 23_552),
    "p_tuning": Invented(0.851, 24, 206_080, 77, 35, 1.10, None, 824_320),
    "head": Invented(0.796, 30, 768, 36, 6, 1.00, None, 3_072),
}


def setting(source: str = "invented reviews", fingerprint: str = "fa4e" * 4, **changes: Any) -> Setting:
    data = DataSpec(source=source, labels=LABELS, fingerprint=fingerprint)
    return Setting(
        data=data, model="embedded:fable-8m", **({"budget": Budget("steps", 120), "max_length": 64} | changes)
    )


def spec(shared: Setting, method: str, seed: int = 0, **options: Any) -> RunSpec:
    rate = options.pop("learning_rate", None)
    return RunSpec(shared, MethodChoice(method, options, rate).choice(), seed)


def fill(
    store: Store,
    *,
    methods: Sequence[str] = tuple(METHODS),
    seeds: Sequence[int] = (0, 1, 2),
    shared: Setting | None = None,
    running: int = 0,
    waiting: int = 0,
    failing: str | None = None,
    owner: str = "",
    name: str = "",
    steps: int = 120,
    stride: int = 8,
) -> list[str]:
    """Queue methods x seeds; the last ones stay as `waiting` and `running`, all of `failing` diverge, the rest finish."""
    shared = shared or setting()
    specs = [spec(shared, method, seed) for seed in seeds for method in methods]
    ids = store.add(specs, owner=owner, name=name)
    last = len(ids) - waiting
    for place, (run_id, one) in enumerate(zip(ids, specs)):
        if place >= last:
            continue
        if one.choice.method == failing:
            fail(store, run_id, one, steps=steps, stride=stride)
        elif place >= last - running:
            start(store, run_id, one, reached=0.24 + 0.38 * (last - 1 - place), steps=steps, stride=stride)
        else:
            finish(store, run_id, one, steps=steps, stride=stride)
    return ids


def start(
    store: Store, run_id: str, one: RunSpec, *, reached: float = 1.0, steps: int = 120, stride: int = 8
) -> None:
    """Claim a run and let it make part of its steps."""
    facts = METHODS[one.choice.method]
    store.claim(run_id)
    store.set_identity(run_id, (999_999_999, "invented", "invented"), threads=2, device="cpu")
    store.change_state(run_id, "running")
    store.add_event(run_id, "started", {"steps": steps, "trainable_parameters": facts.trainable})
    for step in range(stride, int(steps * reached) + 1, stride):
        store.add_event(run_id, "step", _step(one, step, steps))
        if step % (steps // 4) < stride:
            score = _score(one, step)
            store.add_event(
                run_id,
                "evaluated",
                {
                    "step": step,
                    "accuracy": score,
                    "macro_f1": score - 0.004,
                    "loss": 1.2 - score,
                    "seconds": facts.seconds * step / steps,
                },
            )
    (store.run_folder(run_id)).mkdir(parents=True, exist_ok=True)


def finish(store: Store, run_id: str, one: RunSpec, *, steps: int = 120, stride: int = 8) -> None:
    start(store, run_id, one, steps=steps, stride=stride)
    outcomes = _outcomes(one)
    write_outcomes(store.run_folder(run_id), outcomes)
    store.add_event(run_id, "finished", {})
    store.change_state(run_id, "finished", result=_result(one, outcomes, steps))


def fail(store: Store, run_id: str, one: RunSpec, *, steps: int = 120, stride: int = 8) -> None:
    start(store, run_id, one, reached=0.5 + 0.02 * one.seed, steps=steps, stride=stride)
    at = int(steps * (0.5 + 0.02 * one.seed)) + 1
    store.add_event(run_id, "step", {"step": at, "steps": steps, "loss": float("inf"), "seconds": 9.0})
    reason = Reason(
        "diverged",
        f"The loss became infinite at step {at}; the last finite loss was 0.61. Try a learning rate of 0.0003 instead of 0.001.",
    )
    store.add_event(run_id, "failed", {"code": reason.code, "message": reason.message})
    store.change_state(run_id, "failed", reason=reason)


def write_outcomes(folder: Path, outcomes: Sequence[Mapping[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "outcomes.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in outcomes), encoding="utf-8"
    )


def _noise(one: RunSpec, salt: int) -> np.random.Generator:
    return np.random.default_rng([salt, one.seed, *one.choice.label.encode()])


def _score(one: RunSpec, step: int) -> float:
    facts = METHODS[one.choice.method]
    wobble = float(_noise(one, step).normal(0, 0.006))
    return facts.accuracy - (facts.accuracy - 0.5) * float(np.exp(-step / facts.pace)) + wobble


def _step(one: RunSpec, step: int, steps: int) -> dict[str, Any]:
    facts = METHODS[one.choice.method]
    wobble = float(_noise(one, 1000 + step).normal(0, 0.02))
    loss = max(1.3 * (1 - facts.accuracy) + 0.6 * float(np.exp(-step / facts.pace)) + wobble, 0.01)
    return {
        "step": step,
        "steps": steps,
        "loss": loss,
        "learning_rate": one.choice.learning_rate * (1 - step / steps),
        "gradient_norm": 1.0 + wobble,
        "seconds": facts.seconds * step / steps,
        "samples_per_second": 16 * steps / facts.seconds,
        "epoch": 3 * step / steps,
    }


def _outcomes(one: RunSpec) -> list[dict[str, Any]]:
    """Rows share their difficulty over all methods, as real test rows do."""
    hard = np.random.default_rng(7).normal(size=TEST_ROWS)
    gold = np.random.default_rng(8).integers(0, 2, size=TEST_ROWS)
    luck = _noise(one, 1).normal(0, 0.2, size=TEST_ROWS)
    wanted = METHODS[one.choice.method].accuracy + float(_noise(one, 2).normal(0, 0.003))
    right = (hard + luck).argsort().argsort() < wanted * TEST_ROWS
    rows = []
    for answer, good in zip(gold, right):
        told = int(answer) if good else 1 - int(answer)
        share = 0.9 if good else 0.65
        rows.append(
            {
                "label": LABELS[int(answer)],
                "predicted": LABELS[told],
                "probabilities": [share, 1 - share] if told == 0 else [1 - share, share],
            }
        )
    return rows


def _result(one: RunSpec, outcomes: Sequence[Mapping[str, Any]], steps: int) -> Result:
    facts = METHODS[one.choice.method]
    accuracy = float(np.mean([row["label"] == row["predicted"] for row in outcomes]))
    confusion = tuple(
        tuple(sum(row["label"] == gold and row["predicted"] == told for row in outcomes) for told in LABELS)
        for gold in LABELS
    )
    per_label = {
        name: {
            "precision": confusion[i][i] / max(sum(row[i] for row in confusion), 1),
            "recall": confusion[i][i] / max(sum(confusion[i]), 1),
            "f1": accuracy - 0.01 * i,
            "rows": float(sum(confusion[i])),
        }
        for i, name in enumerate(LABELS)
    }
    return Result(
        metrics={"accuracy": accuracy, "macro_f1": accuracy - 0.006},
        validation={"accuracy": accuracy + 0.01},
        trainable_parameters=facts.trainable,
        head_parameters=768,
        method_parameters=facts.trainable - 768,
        total_parameters=BASE_WEIGHTS + (768 if one.choice.method == "full" else facts.trainable),
        base_parameters=BASE_WEIGHTS,
        peak_memory_bytes=int(facts.memory * MIB),
        peak_memory_source="tensors",
        process_peak_bytes=int((facts.memory + 700) * MIB),
        train_seconds=facts.seconds,
        total_seconds=facts.seconds + 6,
        steps=steps,
        samples_seen=16 * steps,
        samples_per_second=16 * steps / facts.seconds,
        latency_ms_p50=7.9 * facts.latency,
        latency_ms_p95=9.4 * facts.latency,
        base_latency_ms_p50=7.9,
        latency_ratio=facts.latency,
        merged_latency_ratio=facts.merged,
        latency_rounds=30,
        adapter_bytes=facts.size,
        best_step=steps,
        live=True,
        live_difference=4.2,
        per_label=per_label,
        confusion=confusion,
        environment={
            "libraries": {"torch": "invented", "peft": "invented"},
            "device": "invented processor",
            "precision": "float32",
            "threads": 2,
        },
    )


def references(store: Store, shared: Setting) -> list[dict[str, Any]]:
    """Stands in for `workbench.compare.reference_records`, which would have to read real rows."""
    gold = np.random.default_rng(8).integers(0, 2, size=TEST_ROWS)
    hard = np.random.default_rng(7).normal(size=TEST_ROWS)
    good = hard.argsort().argsort() < 0.843 * TEST_ROWS
    tfidf = [
        {"label": LABELS[int(g)], "predicted": LABELS[int(g) if r else 1 - int(g)]}
        for g, r in zip(gold, good)
    ]
    majority = [{"label": LABELS[int(g)], "predicted": LABELS[1]} for g in gold]
    return [
        _reference("tfidf", "TF-IDF + logistic regression", tfidf, 0.4, 0.2),
        _reference("majority", "Always “positive”", majority, 0.0, None),
    ]


def _reference(
    method: str, label: str, outcomes: Sequence[Mapping[str, Any]], seconds: float, latency: float | None
) -> dict[str, Any]:
    accuracy = float(np.mean([row["label"] == row["predicted"] for row in outcomes]))
    return {
        "method": method,
        "label": label,
        "metrics": {"accuracy": accuracy, "macro_f1": accuracy - 0.02},
        "train_seconds": seconds,
        "latency_ms_p50": latency,
        "outcomes": list(outcomes),
    }


class QuietRunner:
    """A runner that starts nothing and writes down what it was asked for."""

    slots = 2
    trouble = None

    def __init__(self, store: Store) -> None:
        self.store = store
        self.asked: list[tuple[str, str]] = []

    def cancel(self, run_id: str) -> bool:
        self.asked.append(("cancel", run_id))
        return self.store.request_cancel(run_id)

    def retry(self, run_id: str) -> str:
        self.asked.append(("retry", run_id))
        run = self.store.run(run_id)
        return self.store.add([run.spec], owner=run.owner, retry_of=run.id)[0]

    def resume(self, run_id: str) -> str:
        self.asked.append(("resume", run_id))
        self.store.change_state(run_id, "queued")
        return run_id


@dataclass(frozen=True)
class Click:
    """What a button in HTML sends."""

    action: str
    key: str = ""


def page_context(store: Store, **changes: Any) -> Any:
    """A context as the page makes it, to be called inside `gr.Blocks()`."""
    import gradio as gr

    from workbench.ui.context import PageContext

    parts = {
        "plan": gr.BrowserState({}),
        "setting_id": gr.State(None),
        "timer": gr.Timer(2, active=False),
        "tabs": gr.Tabs(render=False),
    }
    return PageContext(store=store, runner=QuietRunner(store), **({"hosted": False} | parts | changes))
