"""`workbench bench rates`: what a search found for each method's learning rate, as a record and a plot."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench import registry
from workbench.cli.printing import print_json, print_table, say
from workbench.home import default_store


def add(kinds: Any) -> None:
    """Add the command to those of `bench`."""
    help = "what searches found for each method's learning rate, beside the method's default"
    command = kinds.add_parser("rates", help=help, description=help)
    command.add_argument("settings", nargs="+", metavar="SETTING", help="settings whose runs searched")
    command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    command.add_argument(
        "--store", metavar="DIR", help="the folder that keeps runs (default: a per-user folder)"
    )
    command.add_argument("--out", metavar="DIR", help="write found.json and found.svg there")
    function: Callable[[argparse.Namespace], int] = bench_rates
    command.set_defaults(command=function)


def bench_rates(arguments: argparse.Namespace) -> int:
    from workbench import rate_record
    from workbench.store import Store

    store = Store(default_store())
    ids = [store.setting(name).id for name in arguments.settings]
    found = rate_record.record(store, ids)
    if arguments.out:
        folder = Path(arguments.out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "found.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (folder / "found.svg").write_text(rate_record.svg(found), encoding="utf-8")
        say(f"{len(found['methods'])} methods: {folder / 'found.json'}, {folder / 'found.svg'}")
    if arguments.json:
        print_json(found)
        return 0
    print_table(
        ["method", "default", "found", *found["tasks"]],
        [
            [
                name,
                f"{registry.method(name).learning_rate:g}",
                f"{one['found']:g}",
                *(_trials(one["tasks"].get(task, ())) for task in found["tasks"]),
            ]
            for name, one in found["methods"].items()
        ],
        right=(1, 2),
    )
    return 0


def _trials(tried: list[dict[str, Any]]) -> str:
    ordered = sorted(tried, key=lambda one: float(one["learning_rate"]))
    return ", ".join(
        f"{one['learning_rate']:.1e}: {'diverged' if one['score'] is None else format(one['score'], '.3f')}"
        for one in ordered
    )
