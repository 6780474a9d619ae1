"""`workbench bench estimate`: predictions against published measurements; and the other benches by their own files."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench.cli import statistics_bench_command
from workbench.cli.printing import print_json, print_table, say

if TYPE_CHECKING:
    from workbench.bench import Held


def add(commands: Any, parser_class: type[argparse.ArgumentParser]) -> None:
    help = "hold predictions against published measurements"
    bench = commands.add_parser("bench", help=help, description=help)
    kinds = bench.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=parser_class
    )
    help = "weights and peak memory of PEFT's own comparison on Llama-3.2-3B, without a weight of it"
    command = kinds.add_parser("estimate", help=help, description=help)
    command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    command.add_argument("--only", metavar="WORDS", default="", help="only runs whose name has these words")
    function: Callable[[argparse.Namespace], int] = bench_estimate
    command.set_defaults(command=function)
    statistics_bench_command.add(kinds)


def bench_estimate(arguments: argparse.Namespace) -> int:
    """1 where the bar is missed."""
    from workbench.bench import hold, summary
    from workbench.published import published_runs

    runs = [run for run in published_runs() if arguments.only in run.experiment]
    if not runs:
        raise ValueError(f"no published run has {arguments.only!r} in its name")
    held = []
    for number, one in enumerate(hold(runs), start=1):
        held.append(one)
        say(f"{number} of {len(runs)}: {one.run.experiment} ({one.seconds:.1f} s)")
    found = summary(held)
    if arguments.json:
        print_json({"rows": [_row(one) for one in held], "summary": vars(found) | {"holds": found.holds}})
    else:
        header = ["run", "trainable", "total", "peak predicted", "measured", "error", "seconds", ""]
        print_table(header, [_line(one) for one in held], right=(1, 2, 3, 4, 5, 6))
    say(found.sentence)
    return 0 if found.holds else 1


def _row(one: Held) -> dict[str, Any]:
    return {
        "experiment_name": one.run.experiment,
        "trainable_parameters": one.trainable,
        "total_parameters": one.total,
        "peak_memory_bytes": one.memory.peak if one.memory else None,
        "memory": vars(one.memory) if one.memory else None,
        "measured_peak_memory_bytes": one.run.peak,
        "error": one.error,
        "seconds": one.seconds,
        "reason": one.reason or None,
    }


def _line(one: Held) -> list[Any]:
    def against(predicted: int | None, published: int) -> str:
        if predicted is None:
            return ""
        return f"{predicted:,}" if predicted == published else f"{predicted:,} (not {published:,})"

    return [
        one.run.experiment,
        against(one.trainable, one.run.trainable),
        against(one.total, one.run.total),
        f"{one.memory.peak / 2**30:.2f} GiB" if one.memory else "",
        f"{one.run.peak / 2**30:.2f} GiB",
        f"{one.error:+.1%}" if one.error is not None else "",
        f"{one.seconds:.1f}",
        one.reason,
    ]
