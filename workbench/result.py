"""What happened: events, states, reasons, measured results and the record of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from workbench.spec import RunSpec

EVENT_KINDS = (
    "queued",
    "started",
    "step",
    "evaluated",
    "sample",
    "warning",
    "finished",
    "failed",
    "cancelled",
)
STATES = ("queued", "starting", "running", "finished", "failed", "cancelled", "lost")
FINAL_STATES = ("finished", "failed", "cancelled", "lost")
ACTIVE_STATES = ("queued", "starting", "running")
REASON_CODES = (
    "diverged",
    "out_of_memory",
    "disk",
    "environment",
    "no_progress",
    "budget",
    "base",
    "cancelled",
    "lost",
    "error",
)


@dataclass(frozen=True)
class Event:
    """One thing that happened in a run. `seq` grows within a run; `at` is UTC epoch seconds, for display only.

    `values` by kind: step {step, steps, loss, learning_rate, gradient_norm, seconds, samples_per_second, epoch, tokens};
    evaluated {step, seconds, tokens, <metric>: value, loss}; started {steps, parameters...}; warning {message};
    sample {done, of, ...} while something is made before training: rows by the model itself, trials of a search.
    `seconds` in step and evaluated is training time so far (monotonic, evaluation not counted).
    """

    seq: int
    at: float
    kind: str
    stage: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Reason:
    """Why a run ended without a result: a code of REASON_CODES and one plain sentence that says what to do."""

    code: str
    message: str


@dataclass(frozen=True)
class Result:
    """Everything measured on a finished run. None means not measured, never zero.

    Sizes in bytes, times in seconds or milliseconds as named, shares from 0 to 1. `stages` are those of a method that has
    any, in order: {name, title, sentence, seconds, peak_memory_bytes, steps, samples, best_step, metrics, gain?}; the peak
    of the run is that of the highest stage, its seconds are their sum.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    trainable_parameters: int | None = None
    head_parameters: int | None = None
    method_parameters: int | None = None
    total_parameters: int | None = None
    base_parameters: int | None = None
    peak_memory_bytes: int | None = None
    peak_memory_source: str | None = None
    reserved_memory_bytes: int | None = None
    process_peak_bytes: int | None = None
    train_seconds: float | None = None
    train_joules: float | None = None
    energy_source: str | None = None
    total_seconds: float | None = None
    steps: int | None = None
    samples_seen: int | None = None
    tokens_seen: int | None = None
    trained_tokens: int | None = None
    sampled_tokens: int | None = None
    sampling_seconds: float | None = None
    search_seconds: float | None = None
    trials: tuple[Mapping[str, Any], ...] = ()
    samples_per_second: float | None = None
    tokens_per_second: float | None = None
    latency_ms_p50: float | None = None
    latency_ms_p95: float | None = None
    base_latency_ms_p50: float | None = None
    latency_ratio: float | None = None
    latency_ratio_low: float | None = None
    latency_ratio_high: float | None = None
    merged_latency_ms_p50: float | None = None
    merged_latency_ratio: float | None = None
    merged_latency_ratio_low: float | None = None
    merged_latency_ratio_high: float | None = None
    latency_rounds: int | None = None
    first_token_ms: float | None = None
    token_ms: float | None = None
    adapter_bytes: int | None = None
    stored_weight_bytes: int | None = None
    base_stored_weight_bytes: int | None = None
    embedding_bytes: int | None = None
    weight_bits: float | None = None
    forms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    forgetting: float | None = None
    best_step: int | None = None
    live: bool | None = None
    live_difference: float | None = None
    per_label: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    confusion: tuple[tuple[int, ...], ...] = ()
    per_kind: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    stages: tuple[Mapping[str, Any], ...] = ()
    predicted_trainable_parameters: int | None = None
    predicted_peak_memory_bytes: int | None = None
    predicted_seconds: float | None = None
    predicted_reason: str | None = None
    prediction_basis: str | None = None
    elsewhere: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    elsewhere_start: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trainable_share(self) -> float | None:
        if self.trainable_parameters is None or not self.total_parameters:
            return None
        return self.trainable_parameters / self.total_parameters

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Fields that this version does not know are dropped: a newer worker may have written more."""
        known = {f.name for f in fields(cls)}
        kept = {k: v for k, v in values.items() if k in known}
        kept["confusion"] = tuple(tuple(row) for row in kept.get("confusion") or ())
        for name in ("notes", "trials", "stages"):
            kept[name] = tuple(kept.get(name) or ())
        return cls(**kept)


@dataclass(frozen=True)
class Run:
    """The record of one run, as the store keeps it. Never edited once final: run again instead.

    `attempt` counts starts (a resume adds one). `step`/`steps`/`loss`/`train_seconds` are the latest progress.
    `identity` is (pid, start time, boot id) of the worker while one lives.
    """

    id: str
    spec: RunSpec
    state: str
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    attempt: int = 0
    owner: str = ""
    name: str = ""
    retry_of: str | None = None
    cancel_requested: bool = False
    reason: Reason | None = None
    result: Result | None = None
    step: int = 0
    steps: int | None = None
    loss: float | None = None
    seconds: float | None = None
    threads: int | None = None
    device: str | None = None
    identity: tuple[int, str, str] | None = None

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def label(self) -> str:
        return self.spec.choice.label or self.spec.choice.method

    @property
    def seconds_left(self) -> float | None:
        """From the pace so far; None until a step was made."""
        if self.state != "running" or not self.steps or not self.step or not self.seconds:
            return None
        return max(0.0, self.seconds / self.step * (self.steps - self.step))
