"""How `workbench estimate` is asked about training, and the table that it prints."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from workbench.cli.printing import print_table, say
from workbench.devices import BY_NAME
from workbench.spec import OPTIMIZERS, PRECISIONS

if TYPE_CHECKING:
    from workbench.costs import Training

WEIGHTS = ("float32", "bfloat16", "4bit")


def add_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--batch-size", type=int, default=16, help="rows of a step (default: 16)")
    command.add_argument("--max-length", type=int, default=128, help="tokens of each row (default: 128)")
    command.add_argument("--precision", choices=PRECISIONS, default="auto", help="what is computed in")
    command.add_argument("--weights", choices=WEIGHTS, default="float32", help="how the base is kept")
    command.add_argument("--optimizer", choices=OPTIMIZERS, default="adamw_torch_fused")
    command.add_argument(
        "--gradient-checkpointing", action="store_true", help="compute activations twice, and keep few"
    )
    command.add_argument(
        "--device",
        choices=("here", *BY_NAME),
        default="here",
        help="where it would be trained (default: here)",
    )
    command.add_argument(
        "--gib", type=float, help="what fits into a GPU of so much memory: the largest batch and length"
    )


def training_of(arguments: argparse.Namespace) -> Training:
    from workbench.costs import Training

    names = [
        "batch_size",
        "max_length",
        "precision",
        "weights",
        "optimizer",
        "gradient_checkpointing",
        "device",
        "gib",
    ]
    return Training(**{name: getattr(arguments, name) for name in names})


def print_estimates(rows: list[dict[str, Any]], training: Training) -> None:
    header = ["method", "trainable", "of all", "head", "method's own", "total"]
    header += [
        "peak memory",
        "weights",
        "gradients",
        "optimiser",
        "activations",
        "loss",
        "file",
        "TFLOP",
        "s/step",
    ]
    if any("fits_gib" in row for row in rows):
        header += ["batch fits", "length fits"]
    table = [_line(row, len(header)) for row in rows]
    print_table([*header, "fits"], table, right=range(1, len(header)))
    basis = next((row["step_basis"] for row in rows if row.get("step_basis")), None)
    if basis:
        say(
            f"batch {training.batch_size} x {training.max_length} tokens, {training.step.precision}; time by {basis}"
        )


def _line(row: dict[str, Any], width: int) -> list[Any]:
    if row["reason"]:
        return [row["method"], *[""] * (width - 1), row["reason"]]
    share = row["trainable_parameters"] / row["total_parameters"] * 100
    counts = [f"{row[k]:,}" for k in ("head_parameters", "method_parameters", "total_parameters")]
    cells = [row["method"], f"{row['trainable_parameters']:,}", f"{share:.4f} %", *counts]
    memory = row.get("memory")
    if memory is None:
        return [*cells, *[""] * (width - len(cells)), row.get("memory_reason") or ""]
    kinds = ("peak", "weights", "gradients", "optimizer", "activations", "loss")
    cells += [_size(memory[kind]) for kind in kinds]
    size = row["adapter_bytes"]
    cells += [
        _size(size) if size is not None else "",
        f"{row['flops'] / 1e12:.3g}",
        f"{row['step_seconds']:.3g}",
    ]
    if "fits_gib" in row:
        cells += [f"{row['largest_batch_size']:,}", f"{row['largest_length']:,}"]
    fits = ", ".join(name for name, good in row["fits"].items() if good) or "none of the GPUs known"
    stage = row.get("highest_stage")
    return [*cells, f"{fits} (its highest stage: {stage})" if stage else fits]


def _size(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
