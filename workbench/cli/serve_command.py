"""The command `serve`: finished runs behind an OpenAI-compatible address; and `bench serve`, which times it."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from workbench.cli.look import find_run
from workbench.cli.printing import print_json, print_table, say
from workbench.home import default_store
from workbench.serving.limits import KEY, Limits, key_from_environment
from workbench.store import Store


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `serve`; `command` is the parser's own way to add one."""
    serve = command("serve", run_serve, "answer for finished runs as an OpenAI-compatible server")
    serve.add_argument("runs", metavar="RUN[,RUN]")
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help=f"address to listen on (default: 127.0.0.1); any other needs a key in {KEY}",
    )
    serve.add_argument("--port", type=int, default=8000, help="port (default: 8000)")
    serve.add_argument("--max-new-tokens", type=int, default=1024, help="longest answer (default: 1024)")
    serve.add_argument(
        "--max-request-bytes", type=int, default=1_000_000, help="largest request (default: 1,000,000)"
    )
    serve.add_argument("--max-batch", type=int, default=64, help="requests answered together (default: 64)")
    _add_precision(serve)


def _add_precision(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="what all runs compute in (default: each as it was trained); in float32 an answer at temperature 0 does not"
        " depend on what else is answered at the time",
    )


def add_bench(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bench serve`."""
    bench = kinds.add_parser(
        "serve", help="a server's answers many at once against one at a time: equal, latency, throughput"
    )
    bench.set_defaults(command=run_bench)
    bench.add_argument("runs", metavar="RUN[,RUN]")
    bench.add_argument("--requests", type=int, default=50, help="how many (default: 50)")
    bench.add_argument("--new-tokens", type=int, default=16, help="longest answer (default: 16)")
    _add_precision(bench)
    bench.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    bench.add_argument(
        "--store", metavar="DIR", help="the folder that keeps runs (default: a per-user folder)"
    )


def run_serve(arguments: argparse.Namespace) -> int:
    from workbench.serving.server import checked, serve

    limits = Limits(
        arguments.host,
        arguments.port,
        key_from_environment(),
        request_bytes=arguments.max_request_bytes,
        new_tokens=arguments.max_new_tokens,
        batch=arguments.max_batch,
    )
    store = Store(default_store())
    runs = checked([find_run(store, part.strip()) for part in arguments.runs.split(",") if part.strip()])
    for run in runs:
        say(
            f"{run.id}  {run.label}, seed {run.spec.seed}, {run.spec.setting.task}, on {run.spec.setting.model}"
        )
    say(f"http://{limits.host}:{limits.port}/v1{' with a key' if limits.api_key else ''}; Ctrl+C ends it")
    serve(store, runs, limits, arguments.precision)
    return 0


def run_bench(arguments: argparse.Namespace) -> int:
    """1 where an answer differed or a request failed."""
    from workbench.serving.bench import bench
    from workbench.serving.server import checked

    store = Store(default_store())
    runs = checked([find_run(store, part.strip()) for part in arguments.runs.split(",") if part.strip()])
    found = bench(
        store,
        runs,
        requests=arguments.requests,
        new_tokens=arguments.new_tokens,
        precision=arguments.precision,
    )
    if arguments.json:
        print_json(found)
    else:
        header = ["", "seconds", "requests/s", "tokens/s", "p50 ms", "p95 ms", "first token p50 ms"]
        keys = ("seconds", "requests_per_second", "tokens_per_second", "p50_ms", "p95_ms", "first_p50_ms")
        rows = [
            [name.replace("_", " "), *(f"{found[name][key]:,.2f}" for key in keys)]
            for name in ("one_at_a_time", "at_once")
        ]
        print_table(header, rows, right=range(1, 7))
        print(
            f"{found['equal']} of {found['requests']} answers equal in {' and '.join(found['precision'])},"
            f" {found['errors']} errors; throughput {found['speed_up']:.2f} times one at a time"
        )
    return 0 if found["equal"] == found["requests"] and not found["errors"] else 1
