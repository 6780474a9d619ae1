"""`workbench bench estimate`: predictions against published measurements; and the other benches by their own files."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workbench import registry
from workbench.cli import rates_bench_command, serve_command, statistics_bench_command
from workbench.cli.printing import print_json, print_table, say
from workbench.spec import OPTIMIZERS, PRECISIONS, Setting

if TYPE_CHECKING:
    from workbench.bench import Held
    from workbench.bench_latency import Timed
    from workbench.bench_machine import Judged, Tried


def add(commands: Any, parser_class: type[argparse.ArgumentParser]) -> None:
    help = "hold predictions against published measurements, and against this machine"
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
    help = "peak memory and time of a few steps of each method here, beside what was predicted"
    command = kinds.add_parser("machine", help=help, description=help)
    command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    command.add_argument("--model", default="embedded:fable-8m", help="default: embedded:fable-8m")
    command.add_argument("--data", default="reviews", help="a bundled data set or a file (default: reviews)")
    command.add_argument("--task", default="classification")
    command.add_argument("--methods", metavar="A,B", help="default: all that serve the task")
    command.add_argument(
        "--steps", type=int, default=12, help="steps that are timed (default: 12); 0: memory alone"
    )
    _add_clock(command)
    command.add_argument("--batch-size", type=int, default=16)
    command.add_argument("--max-length", type=int, default=128)
    command.add_argument("--precision", choices=PRECISIONS, default="auto")
    command.add_argument("--optimizer", choices=OPTIMIZERS, default="adamw_torch_fused")
    command.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: CUDA where there is one"
    )
    command.add_argument(
        "--architecture",
        metavar="NAME",
        help="random weights of this architecture, such as Qwen/Qwen2.5-0.5B, in the model's place",
    )
    function = bench_machine
    command.set_defaults(command=function)
    help = "how much longer an answer takes with a method on the base, merged and not, repeated"
    command = kinds.add_parser("latency", help=help, description=help)
    command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    command.add_argument("--model", default="embedded:fable-8m", help="default: embedded:fable-8m")
    command.add_argument("--data", default="reviews", help="whose texts are read (default: reviews)")
    command.add_argument("--task", default="classification")
    command.add_argument(
        "--subjects", metavar="A,B:merged", help="methods, with :merged after they are folded in"
    )
    command.add_argument("--rounds", type=int, default=60, help="how often each is timed (default: 60)")
    command.add_argument("--repeats", type=int, default=2, help="repetitions with models loaded anew")
    _add_clock(command)
    function = bench_latency
    command.set_defaults(command=function)
    statistics_bench_command.add(kinds)
    rates_bench_command.add(kinds)
    serve_command.add_bench(kinds)


def _add_clock(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: the processor's own time, fair to a machine with other work, with one thread",
    )


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


def bench_machine(arguments: argparse.Namespace) -> int:
    """1 where the bar is missed."""
    import torch

    from workbench import calibration, evaluate
    from workbench.bench_machine import judge, try_methods
    from workbench.data import prepare

    device = None if arguments.device == "auto" else str(arguments.device)
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda needs a GPU, and torch sees none here: use --device cpu")
    names = [name.strip() for name in (arguments.methods or "").split(",") if name.strip()]
    for name in names:
        registry.method(name)
    names = names or [name for name, one in registry.methods().items() if arguments.task in one.tasks]
    asked = {} if arguments.task == "classification" else {"task": arguments.task}
    prepared = prepare(arguments.data, **asked)
    setting = Setting(
        prepared.spec,
        arguments.model,
        arguments.task,
        batch_size=arguments.batch_size,
        max_length=arguments.max_length,
        precision=arguments.precision,
        optimizer=arguments.optimizer,
    )
    tried = []
    each = try_methods(
        setting,
        prepared,
        names,
        steps=arguments.steps,
        clock=arguments.clock,
        device=device,
        architecture=arguments.architecture,
    )
    for number, one in enumerate(each, start=1):
        tried.append(one)
        say(f"{number} of {len(names)}: {one.method}{f': {one.reason}' if one.reason else ''}")
    found = judge(tried, calibration.of_this_machine(evaluate.pick_device(device)))
    if arguments.json:
        print_json({"rows": [_tried(one, found) for one in tried], "holds": found.holds})
    else:
        header = ["method", "predicted", "measured", "error", "step", "time error", "once learnt", ""]
        print_table(header, [_tried_line(one, found) for one in tried], right=range(1, 7))
    say(found.sentence)
    return 0 if found.holds else 1


def _tried(one: Tried, found: Judged) -> dict[str, Any]:
    return {
        "method": one.method,
        "predicted_peak_memory_bytes": one.predicted_bytes,
        "peak_memory_bytes": one.measured_bytes,
        "memory_error": one.memory_error,
        "step_seconds": one.step_seconds,
        "time_error_before": found.time_before.get(one.method),
        "time_error": found.time_after.get(one.method),
        "reason": one.reason or None,
    }


def _tried_line(one: Tried, found: Judged) -> list[Any]:
    def share(value: float | None, sign: str = "") -> str:
        return "" if value is None else f"{value:{sign}.1%}"

    def size(value: int | None) -> str:
        return "" if value is None else f"{value / 1e6:.1f} MB"

    return [
        one.method,
        size(one.predicted_bytes),
        size(one.measured_bytes),
        share(one.memory_error, "+"),
        "" if one.step_seconds is None else f"{one.step_seconds * 1000:.0f} ms",
        share(found.time_before.get(one.method)),
        share(found.time_after.get(one.method)),
        one.reason,
    ]


def bench_latency(arguments: argparse.Namespace) -> int:
    """1 where a repetition's interval lies apart from another's."""
    from workbench.bench_latency import SUBJECTS, time_subjects
    from workbench.data import prepare
    from workbench.home import default_store
    from workbench.lease import Lease

    asked = {} if arguments.task == "classification" else {"task": arguments.task}
    prepared = prepare(arguments.data, **asked)
    subjects = [name.strip() for name in (arguments.subjects or "").split(",") if name.strip()] or SUBJECTS
    found = time_subjects(
        Setting(prepared.spec, arguments.model, arguments.task),
        prepared,
        subjects,
        rounds=arguments.rounds,
        repeats=arguments.repeats,
        lease=Lease(default_store() / "lease"),
        clock=arguments.clock,
    )
    apart = [one.subject for one in found if one.overlap is False]
    if arguments.json:
        rows = [{**asdict(one), "overlap": one.overlap} for one in found]
        print_json({"rounds": arguments.rounds, "rows": rows})
    else:
        header = ["", "median ms", *(f"ratio {n + 1} (95%)" for n in range(arguments.repeats)), "overlap"]
        print_table(header, [_timed_line(one) for one in found], right=(1,))
    say(f"intervals of the repetitions lie apart: {', '.join(apart)}" if apart else "all repetitions agree")
    return 1 if apart else 0


def _timed_line(one: Timed) -> list[Any]:
    def shown(ratio: Any) -> str:
        bounds = "" if ratio.low is None else f" ({ratio.low:.3f} to {ratio.high:.3f})"
        return f"{ratio.median:.3f}{bounds}"

    overlap = {None: "", True: "yes", False: "NO"}[one.overlap]
    return [one.subject, f"{one.milliseconds:.2f}", *map(shown, one.repeats), overlap]
