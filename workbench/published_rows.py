"""Published results as rows: what PEFT's own comparison measured with these methods on Llama-3.2-3B, best first."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from workbench.pareto import pareto
from workbench.published import method_of, published_runs

SOURCE = "PEFT's method comparison, MetaMathQA"
URL = "https://github.com/huggingface/peft/tree/main/method_comparison/MetaMathQA"
CONDITIONS = (
    "Llama-3.2-3B, 5,000 steps of batch 4 with at most 768 tokens, bfloat16, one L40S, one seed: no error bars, so small"
    " differences say nothing."
)


@dataclass(frozen=True)
class PublishedRow:
    """One published run. `method` is our name for it, empty where the workbench does not offer it."""

    label: str
    method: str
    family: str
    accuracy: float
    peak_memory_bytes: int
    trainable_parameters: int
    seconds_per_step: float
    adapter_bytes: int
    forgetting: float
    on_front: bool


@functools.cache
def published_rows() -> tuple[PublishedRow, ...]:
    """Best accuracy first; the front is that of accuracy and peak memory."""
    runs = published_runs()
    front = set(pareto([(run.peak, run.accuracy) for run in runs], x_better="lower", y_better="higher"))
    rows = []
    for place, run in enumerate(runs):
        try:
            known = method_of(run)
        except StopIteration:
            known = None
        rows.append(
            PublishedRow(
                label=run.experiment.replace("llama-3.2-3B-", "").replace("/", ", "),
                method=known.name if known else "",
                family=known.family if known else "base",
                accuracy=run.accuracy,
                peak_memory_bytes=run.peak,
                trainable_parameters=run.trainable,
                seconds_per_step=run.seconds_per_step,
                adapter_bytes=run.file_size,
                forgetting=run.forgetting,
                on_front=place in front,
            )
        )
    return tuple(sorted(rows, key=lambda row: -row.accuracy))
